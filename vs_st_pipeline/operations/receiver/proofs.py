"""Checks what a call must bring besides its token: a header with a value, a signature of its body (routes.md R10)."""

from __future__ import annotations

import binascii
import hmac
import time
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

Headers = Sequence[tuple[bytes, bytes]]
OLDEST_SECONDS: Final = 300.0


def only(headers: Headers, name: bytes) -> bytes | None:
    """Return the value of a header that is there exactly once, outer blanks stripped; None else."""
    found = [value for key, value in headers if key == name]
    return found[0].strip(b" \t") if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Header:
    """A header that must have exactly this value; `name` in small letters."""

    name: bytes
    value: bytes = field(repr=False)

    def proves(self, headers: Headers) -> bool:
        """Say whether it has; how long that takes tells nothing."""
        return hmac.compare_digest(only(headers, self.name) or b"", self.value)


@dataclass(frozen=True, slots=True)
class Signature:
    """An HMAC-SHA256 of the raw body, or of `timestamp + "." + body`, the timestamp at most five minutes off.

    Attributes:
        name, timestamp: of headers, in small letters.
        clock: the machine's, epoch seconds.
    """

    name: bytes
    secret: bytes = field(repr=False)
    encoding: str
    prefix: bytes = b""
    timestamp: bytes | None = None
    clock: Callable[[], float] = time.time

    def is_there(self, headers: Headers) -> bool:
        """Say whether there is one at all: without one, the body needs not be waited for."""
        return (only(headers, self.name) or b"").startswith(self.prefix) and self._stamp(headers) is not None

    def begin(self, headers: Headers) -> hmac.HMAC:
        """Return what signs a body; the body is added to it by `update`, as it comes."""
        return hmac.new(
            self.secret, (self._stamp(headers) or b"") + (b"" if self.timestamp is None else b"."), "sha256"
        )

    def proves(self, headers: Headers, made: hmac.HMAC) -> bool:
        """Say whether the body that was added to what `begin` gave is signed."""
        given, stamp = only(headers, self.name) or b"", self._stamp(headers)
        if stamp is None or not given.startswith(self.prefix):
            return False
        try:
            said = given[len(self.prefix) :]
            digest = binascii.unhexlify(said) if self.encoding == "hex" else b64decode(said, validate=True)
        except ValueError:
            return False
        return hmac.compare_digest(digest, made.digest())

    def _stamp(self, headers: Headers) -> bytes | None:
        """Return the timestamp as it was sent, empty where none is wanted; None where it is missing or too far off."""
        if self.timestamp is None:
            return b""
        stamp = only(headers, self.timestamp) or b""
        if not (stamp.isdigit() and len(stamp) <= 13):
            return None
        seconds = int(stamp) / (1000 if len(stamp) > 11 else 1)
        return stamp if abs(self.clock() - seconds) <= OLDEST_SECONDS else None
