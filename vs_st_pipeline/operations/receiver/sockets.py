"""Opens listening sockets, or takes them over, and says what may be open at once."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from vs_st_pipeline.domain.errors import GiveUp

MOST_CONNECTIONS: Final = 4096
_SPARE_FILES: Final = 64
_LISTENING: Final = "hand over one that listens, as systemd does"


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a receiver listens, for who started it."""

    host: str
    port: int
    pid: int


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        GiveUp: it cannot.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, UnicodeError, OverflowError) as error:
        number = getattr(error, "errno", None) or 0
        # Python's own text of an error repeats the address; that of a name that is none has no number of the system's.
        reason = os.strerror(number) if number > 0 else getattr(error, "strerror", None) or "not an address"
        raise GiveUp(
            f"{host} port {port} cannot be listened at: {reason}; name another address or port, or stop what listens "
            "there"
        ) from None


def take_over(fd: int) -> socket.socket:
    """Return the listening socket of this number, such as systemd hands over.

    Raises:
        GiveUp: it is none.
    """
    try:
        found = socket.socket(fileno=fd)
        listens = bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError as error:
        raise GiveUp(f"--fd {fd} is no socket ({error.strerror}); {_LISTENING}") from None
    if not listens:
        found.detach()
        raise GiveUp(f"--fd {fd} is a socket that does not listen; {_LISTENING}")
    found.setblocking(False)
    return found


def where_of(listening: socket.socket) -> Listening:
    """Return where a socket listens; of one that has a path, the path and port 0."""
    name = listening.getsockname()
    if isinstance(name, tuple):
        return Listening(name[0], name[1], os.getpid())
    return Listening(str(name), 0, os.getpid())


def is_loopback(host: str) -> bool:
    """Say whether nobody beyond this machine reaches it: a loopback address, or a path."""
    if host.startswith("/"):
        return True
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def raise_file_limit() -> None:
    """Let this process have as many connections open as it takes, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_CONNECTIONS + _SPARE_FILES
    wanted = most if hard == resource.RLIM_INFINITY else min(hard, most)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int:
    """Return how many connections a process takes at once."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(MOST_CONNECTIONS, soft - _SPARE_FILES))
