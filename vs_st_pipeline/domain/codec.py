"""Decodes answers: JSON by shape, plain words and times, so that no personal data gets into errors or logs."""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

JSON: Final[Any] = type("JSON", (), {"__doc__": "Shape: any JSON, with Decimal for numbers that have a fraction."})
_SHAPE_FAULT: Final = re.compile(
    r"(Expected `[^`]*`(, got `[^`]*`)?|Object missing required field `[^`]*`)( - at `\$[^`]*`)?$"
)
_PLAIN_WORD: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}", re.ASCII)
_SECONDS: Final = re.compile(r"\s*\d+(\.\d+)?\s*", re.ASCII)


class Beyond:
    """A number that no program can hold (`1e99999999999999999999`, 4,400 digits): given, but not readable."""

    def __repr__(self) -> str:
        return "BEYOND"


BEYOND: Final = Beyond()
_MOST_DIGITS: Final = 400
_WIDEST_EXPONENT: Final = 400


def exact_number(text: str) -> Decimal | Beyond:
    """Read a JSON number with a fraction or an exponent; `BEYOND` where it is too long or too large to hold."""
    try:
        number = Decimal(text) if len(text) <= _MOST_DIGITS else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or abs(number.adjusted()) > _WIDEST_EXPONENT:
        return BEYOND
    return number


_ANY: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(float_hook=exact_number)


def read_json(text: bytes | str) -> Any:
    """Read any JSON: fractions as Decimal, straight from their digits; numbers beyond the limits as `BEYOND`.

    Raises:
        ValueError: it is not JSON, or it is nested too deeply to be read.
    """
    try:
        return _ANY.decode(text)
    except msgspec.ValidationError:  # an integer that msgspec cannot hold; the rest of the record is still good
        pass
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None
    try:
        return json.loads(text, parse_float=exact_number, parse_int=_exact_integer)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


def try_json(text: bytes | str) -> Any:
    """Read any JSON as `read_json` does; None where it is none."""
    try:
        return read_json(text)
    except ValueError:
        return None


def try_object(text: bytes | str | None) -> dict[str, Any] | None:
    """Read a JSON object as `read_json` does; None where it is none, or no object."""
    value = try_json(text) if text is not None else None
    return value if isinstance(value, dict) else None


def _exact_integer(text: str) -> int | Beyond:
    return int(text) if len(text) <= _MOST_DIGITS else BEYOND


_EXACT: Final = msgspec.json.Encoder(decimal_format="number")


def encode(value: object) -> bytes | None:
    """Encode as JSON, a Decimal as a number, digit by digit; None where a character cannot be encoded."""
    try:
        return _EXACT.encode(value)
    except UnicodeEncodeError:  # half of a surrogate pair; the exception would carry the text
        return None


@functools.cache
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(Any if shape is JSON else shape, float_hook=exact_number)


_ESCAPES: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)


def without_lone_surrogates(body: bytes) -> bytes:
    """Replace, in JSON, half an emoji (a lone surrogate escape, left by a text cut by code units) by U+FFFD.

    Otherwise one such name would make all of it unreadable, at every sync.
    """
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    return _ESCAPES.sub(lambda found: b"\\ufffd" if found[1] else found[0], body)


_BRACKETS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


def _apart(body: bytes) -> bytes:
    """Return a list in an object, with null for each bracketed item that is not JSON or is nested too deeply.

    Nobody can say whose item that is; but all other items, and the fact that there is one more, are still good.
    """
    outer, depth, start, end = b"", 0, 0, 0
    kept: list[bytes] = []
    for token in _BRACKETS.finditer(body):
        if token[0] in b"[{":
            if depth < 2:
                outer = outer[:depth] + token[0]
            elif depth == 2:
                start = token.start()
            depth += 1
        elif token[0] in b"]}":
            depth -= 1
            if depth == 2 and outer == b"{[" and not _is_json(body[start : token.end()]):
                kept += [body[end:start], b"null"]
                end = token.end()
    return b"".join([*kept, body[end:]])


def _is_json(text: bytes) -> bool:
    try:
        text.decode()
        _decoder(msgspec.Raw).decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def decode(body: bytes, shape: Any) -> tuple[Any, str | None]:
    """Return (value, None), or (None, what is wrong with its shape), `""` where it is not JSON at all.

    Args:
        shape: `JSON` or a type; one whose `items_apart` is true is read without the items that are not JSON (`_apart`).
    """
    value, fault = _decoded(body, shape)
    if fault == "" and getattr(shape, "items_apart", False):
        return _decoded(_apart(without_lone_surrogates(body)), shape)
    return value, fault


def _decoded(body: bytes, shape: Any) -> tuple[Any, str | None]:
    try:
        body = without_lone_surrogates(body.removeprefix(b"\xef\xbb\xbf"))
        if not body.isascii():
            body.decode()  # msgspec does not check what a shape skips or keeps raw
        return (read_json(body) if shape is JSON else _decoder(shape).decode(body)), None
    except msgspec.ValidationError as error:
        # Only those of msgspec's sentences that hold no value: `Invalid enum value 'x'` does hold one.
        known = _SHAPE_FAULT.match(str(error))
        return None, known[0] if known else "a value is not among those expected"
    except (ValueError, RecursionError):  # msgspec's errors and encoding errors are ValueErrors
        return None, ""


def plain_code(error: Mapping[str, Any]) -> str | None:
    """Return the code of an error that says it in the usual place; a system with other places has its own function."""
    return safe_token(error.get("code"))


def safe_token(text: object) -> str | None:
    """Return the text if it is a single plain word: anything else may be about a person and must not go into errors."""
    return text if isinstance(text, str) and _PLAIN_WORD.fullmatch(text) else None


@functools.lru_cache(maxsize=8)
def epoch_seconds(date: str | None) -> float | None:
    """Return a `Date` header in seconds since 1970 (UTC); None where it is not a date."""
    try:
        when = parsedate_to_datetime(date) if date else None
        return None if when is None else (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def retry_after(value: str | None, server_time: float | None) -> float | None:
    """Return a `Retry-After` header in seconds from now; None where it is not one.

    Args:
        server_time: the other side's clock, in epoch seconds; None takes this machine's.
    """
    if value and _SECONDS.fullmatch(value):
        return float(value)
    when = epoch_seconds(value)
    return None if when is None else when - (time.time() if server_time is None else server_time)
