"""Reads the merchants file, which says which merchants to sync, and checks it strictly before anything is called.

Data flow: `merchants.yaml` + environment -> `MerchantsFile` (the usable merchants, and the bad ones with their errors).

A value is read in two steps. Its form is checked where it stands, `defaults` first, so that a fault names its own line.
Only then are the layers laid over each other (built in, `defaults`, the merchant's own). Of the secrets only those that
are left after that are read, and only for merchants that are enabled: a winery that left may have taken its keys with
it.

It is long because every kind of value has a reader of its own with messages that say what to write instead, beside the
table of keys that uses it and the built-in values; the words that people write for a time zone are a table here too.
"""

from __future__ import annotations

import difflib
import functools
import ipaddress
import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.secrets import FORMS, Reference, Secret, read_reference, read_secret
from vs_st_pipeline.platform.settings.yaml_source import Node, read_with_lines

_DURATION = re.compile(r"([0-9]{1,12})([smhd])")
_DURATION_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST_DURATION = timedelta(days=36_500)  # a century: still safe to take from or add to any date at hand
_DURATION_FORMS = "a duration: a whole number and s, m, h or d, such as 0s, 90s, 15m, 6h or 7d"
SHORTEST_KEEPING = timedelta(days=90)
FIRST_YEAR, LAST_YEAR = 1970, 2200  # of any date in the settings
ID_FORM = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
SLOWEST_RATE, FASTEST_RATE = 0.001, 1_000_000.0  # requests a second; beyond these it is a slip of the decimal point
_MOST_ONE_BY_ONE = 1_000_000
# Beyond these a sync would wait for hours, or what it must read again would never be read.
_LONGEST_WAIT = timedelta(days=1)
_LONGEST_REFRESH = timedelta(days=3660)
VINOSHIPPER_URL = "https://vinoshipper.com"
SIMPLETEXTING_URL = "https://api-app2.simpletexting.com/v2"


@dataclass(frozen=True, slots=True)
class Refresh:
    """How often records are read again whose changes no list shows; zero means in every sync."""

    customer_list: timedelta
    customer_details: timedelta
    open_orders: timedelta
    settled_orders: timedelta
    reconcile: timedelta


@dataclass(frozen=True, slots=True)
class VinoshipperSettings:
    """How to speak to Vinoshipper for one merchant.

    Attributes:
        base_url: without a slash at the end; paths under it start `/api/v3/p`.
        requests_per_second: above 0; shared by all processes that speak with this key and share a data folder.
        history_from: how far back orders are looked for.
    """

    base_url: str
    api_key: Secret
    api_secret: Secret
    requests_per_second: float
    history_from: date
    refresh: Refresh


@dataclass(frozen=True, slots=True)
class SimpleTextingSettings:
    """How to speak to SimpleTexting for one merchant.

    Attributes:
        base_url: without a slash at the end; paths under it start `/api`.
        requests_per_second: above 0; shared by all processes that speak with this key and share a data folder.
        full_read: how often all contacts are read instead of those updated since; zero means in every sync.
        write_one_by_one_up_to: more changed contacts than this go by batch; 0 or more.
        batch_wait: how long a batch may take to be done; above zero.
    """

    base_url: str
    api_token: Secret
    requests_per_second: float
    full_read: timedelta
    write_one_by_one_up_to: int
    batch_wait: timedelta


@dataclass(frozen=True, slots=True)
class Merchant:
    """One merchant as its entry and the defaults say.

    Attributes:
        id: `[a-z0-9-]`, 1-63 characters, no `-` first; the partition key.
        enabled: if false, its systems are never called, and its secrets are not read.
        give_up_after: how long all tries of one request may take together; above zero.
        keep_raw_bodies: how long raw bodies that nothing needs any more are kept whole; None: always.
        field_map: `default`, or the absolute path of a field map (whether it exists is for its reader to say).
        field_map_said_in: file, line and key where that path is written, for messages; `""` if it is not.
    """

    id: str
    name: str
    enabled: bool
    time_zone: ZoneInfo
    vinoshipper: VinoshipperSettings
    simpletexting: SimpleTextingSettings
    give_up_after: timedelta
    field_map: str | Path
    on_ambiguous_phone: Literal["newest_order", "hold"]
    require_age_evidence: bool
    keep_raw_bodies: timedelta | None = None
    field_map_said_in: str = field(default="", compare=False)


@dataclass(frozen=True)
class BadMerchant:
    """An entry of the merchants file that cannot be used.

    Attributes:
        id: None where the entry has no well-formed one; of a duplicate, the id that a good merchant may bear.
        line: where the entry begins, from 1.
        error: what is wrong; its message names file and line.
        name: None where the entry has none.
    """

    id: str | None
    line: int
    error: BadSettings
    name: str | None = None


@dataclass(frozen=True)
class MerchantsFile:
    """What a merchants file says, in its order; `merchants` holds the disabled ones too."""

    path: Path
    merchants: tuple[Merchant, ...]
    bad: tuple[BadMerchant, ...] = ()

    @functools.cached_property
    def _by_id(self) -> dict[str, Merchant]:
        return {merchant.id: merchant for merchant in self.merchants}

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the ids of the good merchants, disabled ones too."""
        return tuple(self._by_id)

    @property
    def enabled(self) -> tuple[Merchant, ...]:
        """Return the good merchants that are enabled, in the order of the file."""
        return tuple(merchant for merchant in self.merchants if merchant.enabled)

    def get(self, merchant_id: str) -> Merchant | None:
        """Return the good merchant of this id, or None."""
        return self._by_id.get(merchant_id)

    def bad_of(self, merchant_id: str) -> tuple[BadMerchant, ...]:
        """Return the bad entries of this id; there are some beside a good merchant where the id is there twice."""
        return tuple(bad for bad in self.bad if bad.id == merchant_id)


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


def read_merchants(path: Path, environ: Mapping[str, str], *, all_secrets: bool = False) -> MerchantsFile:
    """Read and check the merchants file (interface.md, section 2).

    One bad merchant among good ones goes to `bad`; of a duplicate id, the second one does.

    Args:
        path: the file; relative paths in it are relative to its folder.
        environ: where `env:NAME` secrets are looked up, and `VS_ST_NOW`, by which no date may lie in the future.
        all_secrets: read those of disabled merchants too.

    Raises:
        BadSettings: the file cannot be read at all, has an unknown key at the top or a fault in `defaults`,
            or leaves no usable merchant. The message names file and line.
    """
    top = read_with_lines(path)
    sections = top.mapping(("defaults", "merchants"))
    layer = _BUILT_IN
    if (defaults := sections.get("defaults")) is not None:
        layer = _merged(layer, _read_defaults(defaults))
    entries = sections["merchants"].items() if "merchants" in sections else []
    if not entries:
        raise sections.get("merchants", top).problem("no merchant is listed; add one, such as `- id: hillside-cellars`")

    folder = path.absolute().parent
    good: list[Merchant] = []
    bad: list[BadMerchant] = []
    owners: dict[str, Node] = {}
    for entry in entries:
        merchant_id, name = _peek(entry, "id", _id), _peek(entry, "name", Node.text)
        try:
            # The first one owns the id even if it is bad: to take the second for it would be a guess.
            if merchant_id is not None and (first := owners.setdefault(merchant_id, entry)) is not entry:
                raise entry.problem(f"id {merchant_id} is that of line {first.line} already; give this one its own")
            good.append(_read_merchant(entry, layer, folder, environ, all_secrets))
        except BadSettings as error:
            # Without the traceback: its frames hold the environment, secrets included, and some code may print them.
            bad.append(BadMerchant(merchant_id, entry.line, error.with_traceback(None), name))
    if not good:
        _refuse(bad)
    return MerchantsFile(path, tuple(good), tuple(bad))


def is_enabled(path: Path, merchant_id: str) -> bool | None:
    """Say whether the merchants file enables this merchant, however broken the file is elsewhere; None: not in it.

    Raises:
        BadSettings: the file cannot be read as YAML, so that it cannot be said.
    """
    top = read_with_lines(path).mapping(("defaults", "merchants"))
    entries = top["merchants"].items() if "merchants" in top and not top["merchants"].is_null() else []
    own = [entry for entry in entries if _peek(entry, "id", Node.text) == merchant_id]
    return any(_says_enabled(entry, top.get("defaults")) for entry in own) if own else None


def _says_enabled(*nodes: Node | None) -> bool:
    for node in nodes:
        if node is not None and (said := node.child("enabled")) is not None:
            try:
                return said.boolean()
            except BadSettings:
                return True
    return True


def _refuse(bad: list[BadMerchant]) -> NoReturn:
    shown = "; ".join(entry.error.message for entry in bad[:5])
    more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
    raise BadSettings(f"{shown}{more}. No merchant of the file is usable")


def _read_defaults(node: Node) -> dict[str, Any]:
    for key in ("id", "name"):
        if (child := node.child(key)) is not None:
            raise child.problem("this is a merchant's own; delete it from `defaults`")
    return _read(node, _SHARED_KEYS)


def _peek(entry: Node, key: str, read: Callable[[Node], str]) -> str | None:
    """Return what stands under `key` if it is well-formed, even where the rest of the entry is broken."""
    child = entry.child(key)
    try:
        return None if child is None else read(child)
    except BadSettings:
        return None


def _read_merchant(
    entry: Node, layer: dict[str, Any], folder: Path, environ: Mapping[str, str], all_secrets: bool
) -> Merchant:
    values = _merged(layer, _read(entry, _MERCHANT_KEYS))
    if "id" not in values:
        raise entry.problem("this merchant has no id; add one of a-z, 0-9 and -, such as `id: hillside-cellars`")
    for section, keys in _SECRETS.items():
        for key in keys:
            values[section][key] = _secret(entry, values, section, key, folder, environ, all_secrets)
    vinoshipper = values["vinoshipper"]
    if isinstance(since := vinoshipper["history_from"], _PastDate):
        vinoshipper["history_from"] = since.checked(_now(environ), values["time_zone"])
    vinoshipper["refresh"] = Refresh(**vinoshipper["refresh"])
    values["vinoshipper"] = VinoshipperSettings(**vinoshipper)
    values["simpletexting"] = SimpleTextingSettings(**values["simpletexting"])
    if isinstance(own_map := values["field_map"], _MapPath):
        values["field_map"] = folder / own_map.written
        values["field_map_said_in"] = f"{own_map.node.file}, line {own_map.node.line}: field_map"
    values.setdefault("name", values["id"])
    return Merchant(**values)


# --- layers: the innermost one that has a key wins ---


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `over` over `under`, which has every section; always in new dicts: no merchant may change another's."""
    merged = {
        key: _merged(value, over.get(key, {})) if isinstance(value, dict) else value for key, value in under.items()
    }
    for key, value in over.items():
        if not isinstance(value, dict):
            merged[key] = value
    return merged


# --- secrets ---


def _secret(
    entry: Node,
    values: dict[str, Any],
    section: str,
    key: str,
    folder: Path,
    environ: Mapping[str, str],
    all_secrets: bool,
) -> Secret:
    reference: Reference | None = values[section].get(key)
    if reference is None:
        inner = entry.child(section)
        remedy = f"is missing; write {FORMS}"
        raise entry.problem(f"{section}.{key} {remedy}") if inner is None else inner.problem(f"{key} {remedy}")
    if not (values["enabled"] or all_secrets):
        return Secret(None, reference.written)
    return Secret(read_secret(reference, folder, environ), reference.written)


# --- one reader for each kind of value ---


def _id(node: Node) -> str:
    written = node.text()
    if not ID_FORM.fullmatch(written):
        raise node.problem("an id is 1-63 of a-z, 0-9 and -, no - first, such as hillside-cellars")
    return written


def _duration(node: Node) -> timedelta:
    written = node.written(_DURATION_FORMS)
    try:
        return parse_duration(written)
    except BadSettings as error:
        raise node.problem(error.message) from None


def _duration_above_zero(node: Node) -> timedelta:
    duration = _duration(node)
    if not duration:
        raise node.problem("must be above zero, such as 60s")
    return duration


def _keeping(node: Node) -> timedelta | None:
    expected = "always, or a duration of 90d or more"
    if node.written(expected) == "always":
        return None
    duration = _duration(node)
    if duration < SHORTEST_KEEPING:  # what was deleted would be read, and deleted, again and again
        raise node.problem(f"expected {expected}: orders of the last 90 days are compared with the shop's again")
    return duration


def _wait(node: Node) -> timedelta:
    """Read how long one request or batch is waited for."""
    wait = _duration_above_zero(node)
    if wait > _LONGEST_WAIT:
        raise node.problem("too long; at most 1d, and some seconds or minutes are usual")
    return wait


def _refresh(node: Node) -> timedelta:
    refresh = _duration(node)
    if refresh > _LONGEST_REFRESH:
        raise node.problem(f"too long; at most {_LONGEST_REFRESH.days}d, or what changes there is never seen")
    return refresh


def _rate(node: Node) -> float:
    rate = node.number()
    if rate <= 0:
        raise node.problem("must be a number above 0; a fraction such as 0.5 is fine")
    if not SLOWEST_RATE <= rate <= FASTEST_RATE:
        raise node.problem(
            f"must be from {SLOWEST_RATE} (a request in 17 minutes) to {FASTEST_RATE:.0f} a second, such as 0.5"
        )
    return rate


def _count(node: Node) -> int:
    count = node.integer()
    if count < 0:
        raise node.problem("must be a whole number, 0 or more")
    if count > _MOST_ONE_BY_ONE:
        raise node.problem(f"must be at most {_MOST_ONE_BY_ONE}")
    return count


class _PastDate(NamedTuple):
    """A date that must not lie after today; it is checked once the merchant's time zone is known."""

    day: date
    node: Node

    def checked(self, now: datetime, zone: ZoneInfo) -> date:
        today = max(now.astimezone(UTC).date(), now.astimezone(zone).date())
        if self.day > today:
            raise self.node.problem(
                f"this is after today ({today}): no order would be found; write a day that is past, such as 2005-01-01"
            )
        return self.day


def _now(environ: Mapping[str, str]) -> datetime:
    """Return `VS_ST_NOW`, else the clock's time; `environment.now` refuses one that is not a time."""
    try:
        moment = datetime.fromisoformat(environ.get("VS_ST_NOW", "").strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.now(UTC)
    return moment if FIRST_YEAR <= moment.year <= LAST_YEAR else datetime.now(UTC)


class _MapPath(NamedTuple):
    """The path of a field map as written, and where."""

    written: str
    node: Node


def _field_map(node: Node) -> str | _MapPath:
    written = node.text()
    return written if written == "default" else _MapPath(written, node)


def _date(node: Node) -> _PastDate:
    expected = "a date written YYYY-MM-DD, such as 2005-01-01"
    written = node.written(expected)
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", written):  # fromisoformat takes more forms
            raise ValueError
        found = date.fromisoformat(written)
    except ValueError:
        raise node.problem(f"expected {expected}") from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:  # at the ends of the calendar no day can be added or taken away
        raise node.problem(f"expected a date between the years {FIRST_YEAR} and {LAST_YEAR}")
    return _PastDate(found, node)


def _time_zone(node: Node) -> ZoneInfo:
    name = node.text()
    zone = _zone(name)
    if zone is None:
        raise node.problem(f"no such time zone; write one such as {_nearest_zone(name)}")
    return zone


@functools.lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder, or one that is too long
        return None


# What people write for a zone. The nearest name by its letters would be another zone, or one without summer time.
_ZONES_BY_WORD = {
    "America/Los_Angeles": "PT PST PDT PACIFIC PST8 CALIFORNIA OREGON WASHINGTON NEVADA NAPA SONOMA PORTLAND SEATTLE "
    "SANFRANCISCO",
    "America/Denver": "MT MST MDT MOUNTAIN MST7 COLORADO UTAH MONTANA WYOMING NEWMEXICO IDAHO SALTLAKECITY",
    "America/Phoenix": "ARIZONA TUCSON",
    "America/Chicago": "CT CST CDT CENTRAL CST6 TEXAS ILLINOIS MISSOURI MINNESOTA WISCONSIN AUSTIN DALLAS HOUSTON",
    "America/New_York": "ET EST EDT EASTERN EST5 NEWYORK VIRGINIA FLORIDA PENNSYLVANIA OHIO BOSTON ATLANTA",
    "America/Anchorage": "AKST AKDT AKT ALASKA",
    "Pacific/Honolulu": "HST HAST HADT HAWAII HAWAIIAN",
    "America/Halifax": "AST ADT AT ATLANTIC",
    "America/St_Johns": "NST NDT NT NEWFOUNDLAND",
    "America/Puerto_Rico": "PUERTORICO",
    "Europe/London": "BST",
    "Europe/Berlin": "CEST MESZ",
    "Australia/Sydney": "AEST AEDT",
    "Pacific/Auckland": "NZST NZDT",
    "UTC": "Z GMT+0 UTC+0 UTC0",
}
_ZONE_OF_WORD = {word: zone for zone, words in _ZONES_BY_WORD.items() for word in words.split()}
_ZONE_NOISE = re.compile(
    r"(?:US(?:A)?/|AMERICA/|\b(?:STANDARD|DAYLIGHT|SUMMER|TIME|ZONE|US|USA|AND|CANADA)\b|[^A-Z0-9+])"
)


@functools.lru_cache(maxsize=64)
def _nearest_zone(name: str) -> str:
    upper = name.upper()
    if (meant := _ZONE_OF_WORD.get(_ZONE_NOISE.sub("", upper)) or _ZONE_OF_WORD.get(upper)) is not None:
        return meant
    # Places only: `MST` and `Etc/GMT+8` have no summer time, and a person who errs by a letter does not mean them.
    places = sorted(zone for zone in zoneinfo.available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    near = difflib.get_close_matches(name, places, n=1)
    return near[0] if near else "America/Los_Angeles"


def _vinoshipper_url(node: Node) -> str:
    return _base_url(node, added="/api/v3/p", after="", usual=VINOSHIPPER_URL)


def _simpletexting_url(node: Node) -> str:
    return _base_url(node, added="/api", after="/v2", usual=SIMPLETEXTING_URL)


def _base_url(node: Node, *, added: str, after: str, usual: str) -> str:
    url = node.text()
    if (fault := _url_fault(url)) is not None:
        raise node.problem(fault)
    if twice := _would_be_twice(urlsplit(url).path, added, after):
        raise node.problem(
            f"leave out {twice} and what follows, because every call adds {added} by itself; the usual one is {usual}"
        )
    return url.rstrip("/")


def _would_be_twice(path: str, added: str, after: str) -> str:
    """Return the part of the path that each call adds once more, "" for none: all of it anywhere, or its start at the
    end.

    Args:
        after: the path before `added` at the system itself; a gateway may have a path that holds only `added`.
    """
    there = [word for word in path.casefold().split("/") if word]
    if f"{after}{added}/" in f"/{'/'.join(there)}/":
        return added
    words = added.strip("/").split("/")
    first = (words[:count] for count in range(len(words), 0, -1))
    return next((f"/{'/'.join(some)}" for some in first if there[-len(some) :] == some), "")


@functools.lru_cache(maxsize=1024)
def _url_fault(url: str) -> str | None:
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


def _on_ambiguous_phone(node: Node) -> str:
    return node.choice(("newest_order", "hold"))


# --- the keys, and their built-in values ---


def _read(node: Node, keys: Mapping[str, Any]) -> dict[str, Any]:
    """Read the values under `node`; `keys` says for each key how it is read, or which keys are inside it."""
    return {
        key: _read(child, keys[key]) if isinstance(keys[key], dict) else keys[key](child)
        for key, child in node.mapping(keys).items()
    }


_SECRETS = {"vinoshipper": ("api_key", "api_secret"), "simpletexting": ("api_token",)}

_SHARED_KEYS: dict[str, Callable[[Node], object] | dict[str, Any]] = {
    "enabled": Node.boolean,
    "time_zone": _time_zone,
    "vinoshipper": {
        "base_url": _vinoshipper_url,
        "api_key": read_reference,
        "api_secret": read_reference,
        "requests_per_second": _rate,
        "history_from": _date,
        "refresh": {
            "customer_list": _refresh,
            "customer_details": _refresh,
            "open_orders": _refresh,
            "settled_orders": _refresh,
            "reconcile": _refresh,
        },
    },
    "simpletexting": {
        "base_url": _simpletexting_url,
        "api_token": read_reference,
        "requests_per_second": _rate,
        "full_read": _refresh,
        "write_one_by_one_up_to": _count,
        "batch_wait": _wait,
    },
    "give_up_after": _wait,
    "field_map": _field_map,
    "on_ambiguous_phone": _on_ambiguous_phone,
    "require_age_evidence": Node.boolean,
    "keep_raw_bodies": _keeping,
}
_MERCHANT_KEYS = {"id": _id, "name": Node.text} | _SHARED_KEYS

_BUILT_IN: dict[str, Any] = {
    "enabled": True,
    "time_zone": ZoneInfo("America/Los_Angeles"),
    "vinoshipper": {
        "base_url": VINOSHIPPER_URL,
        "requests_per_second": 1.0,
        "history_from": date(2005, 1, 1),
        "refresh": {
            "customer_list": timedelta(hours=1),
            "customer_details": timedelta(hours=24),
            "open_orders": timedelta(hours=1),
            "settled_orders": timedelta(days=7),
            "reconcile": timedelta(hours=24),
        },
    },
    "simpletexting": {
        "base_url": SIMPLETEXTING_URL,
        "requests_per_second": 2.0,
        "full_read": timedelta(hours=24),
        "write_one_by_one_up_to": 100,
        "batch_wait": timedelta(seconds=120),
    },
    "give_up_after": timedelta(seconds=60),
    "field_map": "default",
    "on_ambiguous_phone": "newest_order",
    "require_age_evidence": False,
    "keep_raw_bodies": None,
}
