"""Reads each kind of setting from the merchants file: durations, rates, URLs, dates, references to secrets, and more.

A connector's or a route's settings are a pydantic model whose fields have these types:

    class ShopSettings(SettingsModel):
        base_url: Annotated[str, BaseUrl("/api", usual="https://shop.example")] = "https://shop.example"
        api_key: SecretValue
        requests_per_second: Rate = 1.0
        refresh: Interval = timedelta(hours=1)

A `Form` reads what stands in the file and says what to write instead; it never repeats a value. Values that are made in
code pass it as they are, and pydantic checks their type.

It is long because every kind of value has a reader of its own with messages that say what to write instead.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.secrets import FORMS, Secret, read_reference, read_secret
from vs_st_pipeline.platform.settings.time_zones import find_zone, nearest_zone
from vs_st_pipeline.platform.settings.yaml_source import TIME, Node, SettingsFault

T = TypeVar("T")

_DURATION = re.compile(r"([0-9]{1,12})([smhd])")
_DURATION_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST_DURATION = timedelta(days=36_500)  # a century: still safe to take from or add to any date at hand
_DURATION_FORMS = "a duration: a whole number and s, m, h or d, such as 0s, 90s, 15m, 6h or 7d"
# Beyond these a sync would wait for hours, or what it must read again would never be read.
_LONGEST_WAIT = timedelta(days=1)
_LONGEST_INTERVAL = timedelta(days=3660)
FIRST_YEAR, LAST_YEAR = 1970, 2200  # of any date in the settings
SLOWEST_RATE, FASTEST_RATE = 0.001, 1_000_000.0  # requests a second; beyond these it is a slip of the decimal point
AT_A_LINE = "at_a_line"
"""The type of pydantic's errors whose context holds a `SettingsFault`."""


class SharedLookup(Protocol):
    """Finds the accounts at the top of the file (`shared.SharedAccounts`)."""

    def find(self, key: str, name: Node, reading: Reading, /) -> tuple[Any, Node]:
        """Return the settings of the account that is named at a place of an entry, and where they stand.

        Raises:
            SettingsFault: there is none under `key` of this name, or it cannot be used.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader may look at besides the value.

    Attributes:
        environ: where `env:NAME` secrets are looked up.
        folders: by the name that messages give a file, the folder that relative paths in it start from.
        today: the last date that is not in the future; None: any date will do, since nobody's day is known.
        secrets: whether secrets are read, or only the form of their references is checked.
        routes: names of all routes that there are.
        hook_systems: names of all systems that can call us by webhooks.
        merchant: id of the merchant whose entry is read; "" where that is not known.
        shared: the accounts that several merchants share, at the top of the file.
    """

    environ: Mapping[str, str]
    folders: Mapping[str, Path]
    today: date | None = None
    secrets: bool = False
    routes: tuple[str, ...] = ()
    hook_systems: tuple[str, ...] = ()
    merchant: str = ""
    shared: SharedLookup | None = None

    def folder_of(self, node: Node) -> Path:
        """Return the folder that relative paths start from where this value stands."""
        return self.folders[node.file]


@dataclass(frozen=True, slots=True)
class Form:
    """How one kind of value is written.

    Attributes:
        read: returns the value at a place of a file; raises `SettingsFault` (`Node.problem`).
        write: what to write where it is missing.
        absent: the whole sentence for a missing one, where `KEY is missing; write WRITE` will not do.
    """

    read: Callable[[Node, Reading], object]
    write: str
    absent: str | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_before_validator_function(self._take, handler(source))

    def _take(self, value: object, info: ValidationInfo[Any]) -> object:
        if not isinstance(value, Node):
            return value
        try:
            return self.read(value, info.context)
        except SettingsFault as fault:
            raise collected(fault) from None


def collected(fault: SettingsFault) -> PydanticCustomError:
    """Return the error by which pydantic collects a fault with the others."""
    return PydanticCustomError(AT_A_LINE, "a fault at a line", {"fault": fault})


def _plain(read: Callable[[Node], object]) -> Callable[[Node, Reading], object]:
    return lambda node, reading: read(node)


Text = Annotated[str, Form(_plain(Node.text), "a text")]
"""A text that is not blank, outer blanks stripped."""

Flag = Annotated[bool, Form(_plain(Node.boolean), "true or false")]

ListOf = Annotated[tuple[T, ...], Form(_plain(lambda node: tuple(node.items())), "a list (lines that begin with `- `)")]
"""A list of values of one kind: `ListOf[Text]`."""

MappingOf = Annotated[dict[str, T], Form(_plain(Node.children), "a mapping (lines of `key: value`)")]
"""Values of one kind under any keys: `MappingOf[Flag]`."""

OrNull = Annotated[T | None, Form(_plain(lambda node: None if node.is_null() else node), "null, or a value")]
"""A value, or `null`: `OrNull[Text]`."""


# --- choices ---


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of the words of a `Literal`."""

    def form(self, source: Any) -> Form:
        """Return how the words of this `Literal` are written."""
        words = get_args(source)
        return Form(lambda node, reading: node.choice(words), f"one of: {', '.join(words)}")

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return self.form(source).__get_pydantic_core_schema__(source, handler)


Choice = Annotated[T, OneOf()]
"""One of some words: `Choice[Literal["hold", "note"]]`."""


# --- durations ---


@functools.lru_cache(maxsize=1024)
def parse_duration(text: str) -> timedelta:
    """Return the duration written `0s`, `90s`, `15m`, `6h` or `7d`: whole numbers only, at most a century.

    Raises:
        BadSettings: it is not written so; the message lists the forms, but names no file.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise BadSettings(f"expected {_DURATION_FORMS}")
    seconds = int(match[1]) * _DURATION_UNITS[match[2]]
    if seconds > _LONGEST_DURATION.total_seconds():
        raise BadSettings(f"too long; the longest duration is {_LONGEST_DURATION.days}d")
    return timedelta(seconds=seconds)


def read_duration(node: Node) -> timedelta:
    """Read a duration of any length."""
    written = node.written(_DURATION_FORMS)
    try:
        return parse_duration(written)
    except BadSettings as error:
        raise node.problem(error.message) from None


def _wait(node: Node) -> timedelta:
    wait = read_duration(node)
    if not wait:
        raise node.problem("must be above zero, such as 60s")
    if wait > _LONGEST_WAIT:
        raise node.problem("too long; at most 1d, and some seconds or minutes are usual")
    return wait


def read_interval(node: Node) -> timedelta:
    """Read how often something is read again. Raises SettingsFault: it would never be."""
    interval = read_duration(node)
    if interval > _LONGEST_INTERVAL:
        raise node.problem(f"too long; at most {_LONGEST_INTERVAL.days}d, or what changes there is never seen")
    return interval


Duration = Annotated[timedelta, Form(_plain(read_duration), _DURATION_FORMS)]

Wait = Annotated[timedelta, Form(_plain(_wait), _DURATION_FORMS)]
"""How long one request or batch is waited for: above zero, at most a day."""

Interval = Annotated[timedelta, Form(_plain(read_interval), _DURATION_FORMS)]
"""How often something is read again; zero means in every sync."""


# --- numbers ---


def _rate(node: Node) -> float:
    rate = node.number()
    if rate <= 0:
        raise node.problem("must be a number above 0; a fraction such as 0.5 is fine")
    if not SLOWEST_RATE <= rate <= FASTEST_RATE:
        raise node.problem(
            f"must be from {SLOWEST_RATE} (a request in 17 minutes) to {FASTEST_RATE:.0f} a second, such as 0.5"
        )
    return rate


Rate = Annotated[float, Form(_plain(_rate), "a number of requests a second, such as 0.5")]
"""Requests a second, above 0."""


def Whole(least: int, most: int) -> Form:  # noqa: N802  # it stands for a class in annotations
    """Return the form of a whole number between these two."""

    def read(node: Node) -> int:
        number = node.integer()
        if number < least:
            raise node.problem(f"must be a whole number, {least} or more")
        if number > most:
            raise node.problem(f"must be at most {most}")
        return number

    return Form(_plain(read), f"a whole number from {least} to {most}")


# --- dates and zones ---


_DATE_FORM = "a date written YYYY-MM-DD, such as 2005-01-01"


def read_date(written: str) -> date:
    """Return the date that is written YYYY-MM-DD.

    Raises:
        BadSettings: it is none, or lies at the ends of the calendar; the message names no file.
    """
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", written):  # fromisoformat takes more forms
            raise ValueError
        found = date.fromisoformat(written)
    except ValueError:
        raise BadSettings(f"expected {_DATE_FORM}") from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:  # at the ends of the calendar no day can be added or taken away
        raise BadSettings(f"expected a date between the years {FIRST_YEAR} and {LAST_YEAR}")
    return found


def _any_date(node: Node) -> date:
    try:
        return read_date(node.written(_DATE_FORM))
    except SettingsFault:
        raise
    except BadSettings as error:
        raise node.problem(error.message) from None


def _past_date(node: Node, reading: Reading) -> date:
    found = _any_date(node)
    if reading.today is not None and found > reading.today:
        raise node.problem(
            f"this is after today ({reading.today}): no order would be found; write a day that is past, such as "
            "2005-01-01",
            TIME,
        )
    return found


PastDate = Annotated[date, Form(_past_date, "a date written YYYY-MM-DD, such as 2005-01-01")]
"""A date that is not after today, in the merchant's zone or in UTC."""

AnyDate = Annotated[date, Form(_plain(_any_date), "a date written YYYY-MM-DD, such as 2026-01-31")]
"""A date, which may lie in the future."""


def _time_zone(node: Node) -> ZoneInfo:
    name = node.text()
    zone = find_zone(name)
    if zone is None:
        raise node.problem(f"no such time zone; write one such as {nearest_zone(name)}")
    return zone


TimeZone = Annotated[ZoneInfo, Form(_plain(_time_zone), "a time zone such as America/Los_Angeles")]


# --- secrets and files ---


def _secret(node: Node, reading: Reading) -> Secret:
    reference = read_reference(node)
    if not reading.secrets:
        return Secret(None, reference)
    return read_secret(node, reference, reading.folder_of(node), reading.environ)


def read_name_or_secret(node: Node, reading: Reading) -> Secret:
    """Return a name, which is no secret and may stand in the file, or what a reference refers to."""
    text = node.text()
    return _secret(node, reading) if ":" in text else Secret(text, "of the merchants file")


SecretValue = Annotated[Secret, Form(_secret, FORMS)]
"""A secret, written as a reference."""


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A file that comes with the program, or a merchant's own in its place.

    Attributes:
        path: of the merchant's own, absolute; whether it exists is for its reader to say. None: `default`.
        said_in: file, line and key where the path is written, for messages.
    """

    path: Path | None = None
    said_in: str = field(default="", compare=False, repr=False)


def _own_file(node: Node, reading: Reading) -> OwnFile:
    written = node.text()
    if written == "default":
        return OwnFile()
    return OwnFile(reading.folder_of(node) / written, f"{node.file}, line {node.line}: {node.key}")


DefaultOrFile = Annotated[OwnFile, Form(_own_file, "default, or the path of a file")]


# --- addresses ---


def BaseUrl(added: str, *, usual: str, after: str = "") -> Form:  # noqa: N802  # it stands for a class in annotations
    """Return the form of the URL that every call of a system starts with; it is read without a slash at the end.

    Args:
        added: the path that each call adds, refused here since it would be there twice.
        usual: the system's own URL, for messages.
        after: the path before `added` at the system itself; a gateway may have a path that holds only `added`.
    """

    def read(node: Node) -> str:
        url = node.text()
        if (fault := url_fault(url)) is not None:
            raise node.problem(fault)
        if twice := _would_be_twice(urlsplit(url).path, added, after):
            raise node.problem(
                f"leave out {twice} and what follows, because every call adds {added} by itself; the usual one is "
                f"{usual}"
            )
        return url.rstrip("/")

    return Form(_plain(read), f"a URL such as {usual}")


def _would_be_twice(path: str, added: str, after: str) -> str:
    """Return the part of the path that each call adds once more, "" for none: all of it anywhere, or its start at the
    end.
    """
    there = [word for word in path.casefold().split("/") if word]
    if f"{after}{added}/" in f"/{'/'.join(there)}/":
        return added
    words = added.strip("/").split("/")
    first = (words[:count] for count in range(len(words), 0, -1))
    return next((f"/{'/'.join(some)}" for some in first if there[-len(some) :] == some), "")


@functools.lru_cache(maxsize=1024)
def url_fault(url: str) -> str | None:
    """Return what is wrong with a base URL, or None. The URL is not repeated: it may hold a password."""
    example = "write one such as https://example.com/path"
    if not re.fullmatch(r"[!-\[\]-~]+", url):
        return f"a URL has no blanks, backslashes or characters beyond ASCII; {example}"
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port  # raises where it is no port
    except ValueError:
        return f"this is not a URL; {example}"
    if parts.scheme not in ("http", "https") or not host:
        return f"expected an https:// URL with a host; {example}"
    if "@" in parts.netloc:
        return f"a user or password in the URL is refused; {example}"
    if "?" in url or "#" in url:
        return f"a base URL has no ? and no #; {example}"
    if parts.scheme == "http" and not _is_loopback(host):
        return "http:// is for loopback only (localhost, 127.0.0.1, [::1]); write https://"
    return None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
