"""Gives requests' transport a deadline for the whole try, down in the socket, and one TLS context per CA bundle.

It also knows whether a try has left: a handshake that fails sends nothing of the request, and an exception does not say
at which step it was raised.

A socket's own time-out starts again with every byte, so an answer that trickles would never end. And reading a CA
bundle costs 20 ms of CPU, which urllib3 would spend for every connection of every merchant; the context holds what is
trusted and no connection, so all clients of a process share it.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
import threading
import time
from typing import Any, Final, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter


class _Try(threading.local):
    until: float = 0.0  # monotonic; one thread does one try at a time
    is_seen: bool = False  # by a connection of this module; a SOCKS proxy's are others
    has_left: bool = False


_TRY: Final = _Try()


def start_deadline(seconds: float) -> None:
    """End this thread's sending and reading so many seconds from now, with `TimeoutError`."""
    _TRY.until = time.monotonic() + seconds
    _TRY.is_seen = _TRY.has_left = False


def has_not_left() -> bool:
    """Say whether certainly no byte of this thread's last request was given to a connection."""
    return _TRY.is_seen and not _TRY.has_left


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
    most_idle: float | None = None  # seconds after which it is not used again
    _is_connecting = False
    _used = 0.0  # monotonic

    @property
    def is_connected(self) -> bool:
        idle = time.monotonic() - self._used
        return (self.most_idle is None or idle <= self.most_idle) and bool(super().is_connected)

    def connect(self) -> None:
        _TRY.is_seen = self._is_connecting = True
        try:
            super().connect()
        finally:
            self._is_connecting = False
        self.sock.settimeout(_remaining())

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if not self._is_connecting:  # else it asks a proxy for a tunnel
            _TRY.is_seen = _TRY.has_left = True
        self.sock.settimeout(_remaining())
        super().send(data)

    def getresponse(self) -> Any:
        try:
            return super().getresponse()
        finally:
            self._used = time.monotonic()


class _SecureConnection(_Connection, urllib3.connection.HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection
    most_idle: float | None = None

    def _new_conn(self) -> Any:
        made = super()._new_conn()
        made.most_idle = self.most_idle  # type: ignore[attr-defined]
        return made


class _SecurePool(_Pool, urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_CONTEXTS: Final[dict[tuple[str, int, int, int], ssl.SSLContext]] = {}
_CONTEXTS_GUARD: Final = threading.Lock()


def _tls_context(bundle: str) -> ssl.SSLContext:
    """Return the context that trusts what is in a CA bundle (a file or a folder): certificate and host are verified.

    It is made once per process, and again where the bundle has changed since.

    Raises:
        OSError: the bundle is not there.
        requests.exceptions.SSLError: it cannot be read as certificates.
    """
    found = os.stat(bundle)
    key = (bundle, found.st_ino, found.st_mtime_ns, found.st_size)
    with _CONTEXTS_GUARD:
        if key not in _CONTEXTS:
            context = urllib3.util.ssl_.create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
            try:
                if os.path.isdir(bundle):
                    context.load_verify_locations(capath=bundle)
                else:
                    context.load_verify_locations(cafile=bundle)
            except OSError:
                raise requests.exceptions.SSLError("the CA bundle cannot be read") from None
            for old in [known for known in _CONTEXTS if known[0] == bundle]:
                del _CONTEXTS[old]  # what it trusts was replaced
            _CONTEXTS[key] = context
        return _CONTEXTS[key]


class Adapter(HTTPAdapter):
    """The adapter for one host: looks its pool up once, and adds nothing to the raw response (both cost much CPU)."""

    most_idle: float | None = None
    """Seconds after which a connection is not used again: its other end may have left without a word. None: any."""
    _found: Any = None
    _context: ssl.SSLContext | None = None

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Make pools whose connections keep the deadline."""
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_manager_for(self, proxy: Any, **more: Any) -> Any:
        """Return a proxy's pools, whose connections keep the deadline where it is an HTTP proxy."""
        if self._context is not None and proxy.lower().startswith("https:"):
            more["proxy_ssl_context"] = self._context  # the proxy itself is verified as the system is
        manager = super().proxy_manager_for(proxy, **more)
        if not proxy.lower().startswith("socks"):  # those have pools of their own
            manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager

    def get_connection_with_tls_context(self, *args: Any, **more: Any) -> Any:
        """Return the host's pool, looked up once."""
        if self._found is None:
            self._found = super().get_connection_with_tls_context(*args, **more)
            self._found.most_idle = self.most_idle
        return self._found

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Return the host and how it is verified: by the context that all clients with this CA bundle share.

        Raises:
            OSError: the bundle is not there.
        """
        host, settings = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https" and verify and cert is None:
            self._context = _tls_context(requests.utils.DEFAULT_CA_BUNDLE_PATH if verify is True else verify)
            settings = {"ssl_context": self._context, "cert_reqs": "CERT_REQUIRED"}
        return host, settings

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Name the bundle to the pool only where no context holds it: else it would be read for each connection."""
        if self._context is None:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Return a response that holds the raw one and nothing else."""
        response = requests.Response()
        response.raw = resp
        return response

    def close(self) -> None:
        """Close all pools, and forget the host's."""
        self._found = self._context = None
        super().close()
