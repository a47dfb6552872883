"""Posts to one of our own public URLs as a vendor would, and says how that went: no redirect, one try, a time limit."""

from __future__ import annotations

import ssl
from enum import StrEnum
from typing import Any, Final

import requests
import urllib3

from vs_st_pipeline.platform.http.client import CONNECT_SECONDS, proxies_and_bundle
from vs_st_pipeline.platform.http.deadline import Adapter, start_deadline

_HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "vs-st-pipeline"}


class NoAnswer(StrEnum):
    """Why there was no answer."""

    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"


def post(url: str, body: bytes, headers: dict[str, str], seconds: float) -> int | NoAnswer:
    """Post a body; return the status of the answer, or why there was none.

    Args:
        headers: besides `Content-Type: application/json`.
        seconds: for everything.
    """
    around = proxies_and_bundle(url)
    if around is None:
        return NoAnswer.UNREACHABLE
    prepared = requests.PreparedRequest()
    prepared.method, prepared.url, prepared.body = "POST", url, body
    prepared.headers = requests.structures.CaseInsensitiveDict(
        {**_HEADERS, "Content-Length": str(len(body)), **headers}
    )
    adapter = Adapter(pool_connections=1, pool_maxsize=1)
    try:
        start_deadline(seconds)
        timeout: Any = urllib3.Timeout(total=seconds, connect=min(seconds, CONNECT_SECONDS))
        response = adapter.send(prepared, True, timeout, around[1], None, dict(around[0]))
        try:
            return int(response.raw.status)
        finally:
            response.close()
    except requests.exceptions.SSLError as error:
        return NoAnswer.CERTIFICATE if _is_of_certificate(error) else NoAnswer.UNREACHABLE
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError):
        return NoAnswer.UNREACHABLE
    finally:
        adapter.close()


def _is_of_certificate(error: BaseException) -> bool:
    """Say whether something in what led to an error is about a certificate."""
    reason: Any = getattr(error.args[0] if error.args else None, "reason", None)
    chain: list[Any] = [error, reason, *getattr(reason, "args", ()), getattr(reason, "__cause__", None)]
    return any(isinstance(one, ssl.SSLCertVerificationError) for one in chain)
