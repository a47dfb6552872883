"""Keeps the access token of a workspace: one for all processes, asked for at most once in 60 s (notices.md 3.1).

Data flow: three secrets -> `POST auth_url` -> a file in the data folder (0600) -> the header of every call.

Who asks too often is limited, so what an answer said is stored with when it was asked for, before the request leaves:
a process that dies while it asks has asked. The token's end goes by `VS_ST_NOW`, and so may the pace: where that was
moved on by a minute, Eshopbox's own clock may have been too, and nobody waits a minute that has gone by.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from vs_st_pipeline.connectors.eshopbox.names import ESHOPBOX
from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, Interrupted, PipelineError, TryLater
from vs_st_pipeline.platform.atomic_file import write_atomically
from vs_st_pipeline.platform.clock import utc_now_naive
from vs_st_pipeline.platform.cpu_slots import waiting
from vs_st_pipeline.platform.http.client import Heard, HttpClient, NoKey, Pace
from vs_st_pipeline.platform.locks import file_lock
from vs_st_pipeline.platform.own_folder import make_own_folder

TOKEN: Final = "token"  # the call that asks for one
EVERY: Final = 60.0  # seconds from one request for a token to the next
SPARE: Final = timedelta(minutes=5)  # before its end a token is used no more
SHORT: Final = timedelta(seconds=600)  # of a token that lives no longer, half its life is used
LEAST: Final = timedelta(seconds=60)
_LONGEST: Final = timedelta(days=31)  # an end further ahead was stored by a clock that was wrong
_LOCK_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.5  # of a wait, until it is looked at again


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is known of the token.

    Attributes:
        asked: when one was asked for last; epoch seconds by the machine's clock.
        asked_at: the same by VS_ST_NOW (UTC without zone); None: a file of an older version does not say.
        until: when it ends (UTC without zone).
        fault: kind of the error that the last request ended with; `""`: none.
    """

    asked: float
    token: str = ""
    until: datetime = datetime.min
    fault: str = ""
    asked_at: datetime | None = None

    def __repr__(self) -> str:
        return "_Kept(...)"


class Tokens:
    """One workspace's token; its repr shows nothing.

    Attributes:
        http: counts the requests for one.
    """

    def __init__(self, settings: EshopboxSettings, pace: Pace, give_up_after: float) -> None:
        self._url = settings.auth_url
        self._body = {
            "grant_type": "refresh_token",
            "client_id": settings.client_id.reveal(),
            "client_secret": settings.client_secret.reveal(),
            "refresh_token": settings.refresh_token.reveal(),
        }
        self.http = HttpClient(
            system=ESHOPBOX, base_url=settings.auth_url, auth=NoKey(), pace=pace, give_up_after=give_up_after
        )
        self._path: Path | None = None
        self._clock: Callable[[], datetime] = utc_now_naive
        self._stop: Callable[[], bool] = lambda: False
        self._kept: _Kept | None = None

    def __repr__(self) -> str:
        return "Tokens(...)"

    def keep_in(self, folder: Path, clock: Callable[[], datetime], stop: Callable[[], bool] = lambda: False) -> None:
        """Keep the token in a file of this folder, shared by all processes.

        Args:
            clock: returns now (UTC without zone), by which a token ends. stop: says whether to wait no longer.
        """
        named = "\n".join((self._url, *(self._body[key] for key in ("client_id", "client_secret", "refresh_token"))))
        self._path = folder / f"{ESHOPBOX}-{sha256(named.encode()).hexdigest()[:32]}.json"
        self._clock, self._stop = clock, stop

    def get(self) -> str:
        """Return the token, a new one where there is none that lasts.

        Raises:
            BadKey: the secrets are not accepted. TryLater: none can be had now. BadAnswer: the answer is none.
        """
        if self._lasts(self._kept):
            assert self._kept is not None
            return self._kept.token
        with self._locked():
            kept = self._read()
            if not self._lasts(kept):
                kept = self._ask(kept)
            assert kept is not None
            self._kept = kept
            return kept.token

    def renew(self, within: float = 0.0) -> bool:
        """Have a new token in place of one that was refused; False: the one that was refused is a new one.

        Args:
            within: seconds that may be waited until the minute is over in which no other one is asked for.

        Raises:
            As `get`. Interrupted: the run was stopped while it waited.
        """
        refused, began = self._kept, time.monotonic()
        while True:
            with self._locked():
                kept = self._read()
                if kept is not None and refused is not None and kept.token and kept.token != refused.token:
                    self._kept = kept  # another process has asked in between
                    return True
                if not self._is_within_a_minute(kept):
                    self._kept = self._ask(None if kept is None else replace(kept, token=""))
                    return True
            assert kept is not None
            left = kept.asked + EVERY - time.time()
            if left > within + _LOOK_SECONDS - (time.monotonic() - began):
                return False
            if self._stop():
                raise Interrupted("The run was stopped", system=ESHOPBOX, call=TOKEN)
            with waiting():
                time.sleep(min(max(left, 0.01), _LOOK_SECONDS))

    def _lasts(self, kept: _Kept | None) -> bool:
        if kept is None or not kept.token:
            return False
        left = kept.until - self._clock()
        return timedelta(0) < left <= _LONGEST

    def _ask(self, kept: _Kept | None) -> _Kept:
        if kept is not None and kept.token and _is_recent(kept):
            return kept  # at its end by our clock, which may be ahead: it is used until it is refused
        if kept is not None and self._is_within_a_minute(kept):
            if kept.fault == BadKey.kind:
                raise BadKey("The system does not accept the secrets", system=ESHOPBOX, call=TOKEN)
            raise TryLater("A token was asked for within the last minute, without success", system=ESHOPBOX, call=TOKEN)
        began, asked = self._clock(), time.time()
        self._write(_Kept(asked, fault=TryLater.kind, asked_at=began))
        try:
            token, life = _token_in(self._post())
        except PipelineError as error:
            self._write(_Kept(asked, fault=error.kind, asked_at=began))
            raise
        found = _Kept(asked, token, began + life, asked_at=began)
        self._write(found)
        return found

    def _is_within_a_minute(self, kept: _Kept | None) -> bool:
        """Say whether one was asked for within a minute, by the machine's clock and by VS_ST_NOW."""
        if kept is None or not _is_recent(kept):
            return False
        return kept.asked_at is None or 0 <= (self._clock() - kept.asked_at).total_seconds() < EVERY

    def _post(self) -> Heard:
        headers = {"Content-Type": "application/json"}
        return self.http.post_once(TOKEN, self._url, msgspec.json.encode(self._body), headers=headers)

    # --- the file ---

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._path is None:
            yield
            return
        make_own_folder(self._path.parent)
        with file_lock(self._path.with_suffix(".lock"), timeout=_LOCK_SECONDS):
            yield

    def _read(self) -> _Kept | None:
        if self._path is None:
            return self._kept
        try:
            told = json.loads(self._path.read_bytes())
            at = told.get("asked_at")
            return _Kept(
                float(told["asked"]), told["token"], datetime.fromisoformat(told["until"]), told["fault"],
                None if at is None else datetime.fromisoformat(at),
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # none yet, or a damaged file: one is asked for

    def _write(self, kept: _Kept) -> None:
        self._kept = kept
        if self._path is not None:
            told = {
                "asked": kept.asked, "token": kept.token, "until": kept.until.isoformat(), "fault": kept.fault,
                "asked_at": None if kept.asked_at is None else kept.asked_at.isoformat(),
            }  # fmt: skip
            write_atomically(self._path, msgspec.json.encode(told))


def _is_recent(kept: _Kept | None) -> bool:
    return kept is not None and 0 <= time.time() - kept.asked < EVERY


def _token_in(heard: Heard) -> tuple[str, timedelta]:
    """Return the token of an answer, and how long it is used.

    Raises:
        BadKey: 400, 401, 403, a redirect, or a page. TryLater: it is busy or down. BadAnswer: anything else.
    """
    status, is_page = heard.status, heard.body.lstrip()[:1] == b"<"
    if status in (408, 425, 429) or status >= 500:
        raise TryLater("The system is busy or down", system=ESHOPBOX, call=TOKEN, http_status=status)
    if status in (400, 401, 403) or 300 <= status < 400 or is_page:
        raise BadKey("The system does not accept the secrets", system=ESHOPBOX, call=TOKEN, http_status=status)
    told = None if heard.cut or status >= 400 else try_object(heard.body.decode("utf-8", "replace"))
    token = (told or {}).get("access_token")
    if not isinstance(token, str) or not token.strip() or not token.isascii() or not token.strip().isprintable():
        raise BadAnswer("The answer holds no access token", system=ESHOPBOX, call=TOKEN, http_status=status)
    return token.strip(), used_for((told or {}).get("expires_in"))


def used_for(expires_in: Any) -> timedelta:
    """Return how long a token is used that ends in so many seconds; None, or no number: nobody knows when."""
    try:
        life = timedelta(seconds=0.0 if isinstance(expires_in, bool) else float(expires_in))
    except (TypeError, ValueError, OverflowError):
        return LEAST
    return min(life - SPARE, _LONGEST) if life >= SHORT else max(life / 2, LEAST)
