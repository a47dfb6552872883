"""Gives requests' transport a deadline for the whole try, down in the socket.

A socket's own time-out starts again with every byte, so an answer that trickles would never end.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from typing import Any, Final, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter


class _Try(threading.local):
    until: float = 0.0  # monotonic; one thread does one try at a time


_TRY: Final = _Try()


def start_deadline(seconds: float) -> None:
    """End this thread's sending and reading so many seconds from now, with `TimeoutError`."""
    _TRY.until = time.monotonic() + seconds


def _remaining() -> float:
    left = _TRY.until - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock, self._raw = sock, raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_remaining())
        return cast("int | None", self._raw.readinto(buffer))

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp = io.BufferedReader(_Reader(sock, self.fp.detach()))


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Response

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(_remaining())

    def send(self, data: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(_remaining())
        super().send(data)


class _SecureConnection(_Connection, urllib3.connection.HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Adapter(HTTPAdapter):
    """The adapter for one host: looks its pool up once, and adds nothing to the raw response (both cost much CPU)."""

    _found: Any = None

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Make pools whose connections keep the deadline."""
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_manager_for(self, proxy: Any, **more: Any) -> Any:
        """Return a proxy's pools, whose connections keep the deadline where it is an HTTP proxy."""
        manager = super().proxy_manager_for(proxy, **more)
        if not proxy.lower().startswith("socks"):  # those have pools of their own
            manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager

    def get_connection_with_tls_context(self, *args: Any, **more: Any) -> Any:
        """Return the host's pool, looked up once."""
        if self._found is None:
            self._found = super().get_connection_with_tls_context(*args, **more)
        return self._found

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Return a response that holds the raw one and nothing else."""
        response = requests.Response()
        response.raw = resp
        return response

    def close(self) -> None:
        """Close all pools, and forget the host's."""
        self._found = None
        super().close()
