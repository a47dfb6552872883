"""Decides whether an answer to a read of one record is believed: whose it is, whether it is whole, what is absent.

Data flow: one record's answer + what was stored of it -> proved (or `BadRecord`), and what is carried over from before.

Every read of a single record, of every system, goes through here: a connector says in a `RecordKind` which key holds a
record's own id, which keys are always there and which are documented, and gets the rules R22, R23 and R40 of routes.md.

It is long because absence, nulls, sticky keys and foreign parts are one decision about one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar

import msgspec

from vs_st_pipeline.domain.errors import BadRecord

CLEARS_AFTER = timedelta(minutes=15)  # R23: a second absence this long after the first is not a slip any more
NULL_CLEARS_AFTER = timedelta(days=1)  # R23: the same for a sticky value's explicit null
NAMED = "="
FIRST_GAP, LARGEST_GAP = timedelta(minutes=15), timedelta(days=1)
MANY, ONE_IN = 25, 5  # R40: more than a fifth of this many failures is the system's trouble too

T = TypeVar("T")

Kept: TypeAlias = dict[str, dict[str, Any]]
"""What is carried over, by place in the record: its `value`, `since` when it is absent, `null_at` of a first null.

For a part that names a person (`=customer`): the `value` that is believed, which person it `was`, and which `other`
person an answer named `since` then.
"""

Says: TypeAlias = Callable[[object, date], bool]
"""Says whether a value may replace a sticky value, on this day."""

ERROR_KEYS = ("error", "errors", "errorCode")


@dataclass(frozen=True, slots=True)
class RecordKind:
    """What a connector says of one kind of record.

    Attributes:
        system: name of the connector, for errors.
        name: `customer`, `order`, `receipt`, `contact`: names the kind in tables and reports.
        id_keys: keys that may hold the record's own id; the first that is there counts.
        id_required: whether an answer without an id is not an answer.
        always: keys that are always there, null or not; an answer without one is not whole.
        documented: keys whose absence is no statement (R23), as paths: `email`, `shippingAddress.city`,
            `memberships[].hold` (elements are told apart by their `id`, else by their position). `a|b`: either one is
            enough. The vendor documents that a key with `!` is never null, so its null counts as absent.
        sticky: paths that no absence ever clears; only an explicit null read twice, a day or more apart, does.
        named: parts that say whose the record is, with the key that names that person (`customer`: `id`). A person
            other than the known one is believed when a second read, 15 minutes or more after the first, names the same
            person again; until then the whole part stays as it was.
    """

    system: str
    name: str
    id_keys: tuple[str, ...]
    id_required: bool = True
    always: tuple[str, ...] = ()
    documented: tuple[str, ...] = ()
    sticky: Mapping[str, Says] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)


# --- R22: is it that record? ----------------------------------------------------------------------------------------


def prove(kind: RecordKind, body: object, asked: str | int, *, answers_for: Collection[str] = ()) -> None:
    """Check that an answer is the record that was asked for, and enough of it to be believed.

    Args:
        body: the decoded answer.
        asked: the id that was asked for.
        answers_for: other ids that may answer in its place (a system that merges records names them).

    Raises:
        BadRecord: it is not an object, an error, another record, or lacks a key that is always there.
    """
    if not isinstance(body, Mapping):
        raise _bad(kind, "is not an object")
    if is_error(body):
        raise _bad(kind, "is an error with a success status")
    own = next((told for key in kind.id_keys if (told := id_text(body.get(key))) is not None), None)
    if own is None:
        if kind.id_required or not body:
            raise _bad(kind, "does not say whose it is")
    elif own != str(asked).strip() and own not in answers_for:
        raise _bad(kind, "is another record than the one that was asked for")
    if any(key not in body for key in kind.always):
        raise _bad(kind, "lacks a part that is always there")


class MayBeError(msgspec.Struct, kw_only=True):
    """The shape of an answer that may be an error: what stands beside the error is no statement."""

    error: Any = None
    errors: Any = None
    errorCode: Any = None  # noqa: N815 (the vendors' spelling)

    @property
    def is_error(self) -> bool:
        """Say whether the answer says of itself that it is an error."""
        return any(getattr(self, key) for key in ERROR_KEYS)


def is_error(body: Mapping[str, Any]) -> bool:
    """Say whether an answer calls itself an error; the rest of such an answer is no statement."""
    return any(body.get(key) for key in ERROR_KEYS)


def _bad(kind: RecordKind, what: str) -> BadRecord:
    return BadRecord(f"the answer to a read of one {kind.name} {what}; what is known stands", system=kind.system)


def id_text(value: object) -> str | None:
    """Return an id as text, however it is written: `700103`, `"700103"`, `700103.0`; None where it is not an id."""
    if value.__class__ is str:  # nearly all are, and this is asked for a dozen values of each record
        return value.strip() or None
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, Decimal):
        return f"{value:.0f}" if value == value.to_integral_value() and abs(value.adjusted()) < 40 else None
    if isinstance(value, int):
        return str(value)
    return (value.strip() or None) if isinstance(value, str) else None


# --- R23: what do absent keys mean? ---------------------------------------------------------------------------------


def carry(kind: RecordKind, body: object, before: object, kept: Mapping[str, Any], now: datetime) -> Kept:
    """Work out which values of a record are carried over from what was stored, because its new answer omits them.

    Args:
        body: the new answer.
        before: the stored answer as it was believed (`believed`), None where there is none.
        kept: what was carried over until now.
        now: UTC without zone, the clock of everything that is stored.
    """
    found: Kept = {}
    for path in kind.documented:
        for place, value in _absent(path, body, before):
            former = kept.get(place)
            if former and now - datetime.fromisoformat(former["since"]) >= CLEARS_AFTER:
                continue
            found[place] = former or {"value": value, "since": now.isoformat()}
    for path, says in kind.sticky.items():
        if (entry := _keep_sticky(path, says, body, before, kept.get(path), now)) is not None:
            found[path] = entry
    for path, key in kind.named.items():
        if (entry := _keep_person(path, key, body, before, kept.get(NAMED + path), now)) is not None:
            found[NAMED + path] = entry
    return found


def believed(kind: RecordKind, body: object, kept: Mapping[str, Any]) -> Any:
    """Return the record as it is believed: the answer, completed with what is carried over."""
    if not kept or not isinstance(body, Mapping):
        return body
    whole: Any = _copied(body)
    for path in kind.named:
        if (entry := kept.get(NAMED + path)) is not None:
            _put(whole, path, _copied(entry["value"]), over=True)
    for place, entry in kept.items():
        if place.startswith(NAMED):
            continue
        if place in kind.sticky:
            if is_hollow(_at(whole, place)):
                _put(whole, place, entry["value"], over=True)
        else:
            _put(whole, place, entry["value"])
    return whole


def wants_another_read(kind: RecordKind, kept: Mapping[str, Any]) -> bool:
    """Say whether something is carried over that a second absence would clear."""
    return any(place not in kind.sticky for place in kept)


def may_lack(kind: RecordKind, body: object, today: date) -> bool:
    """Say whether an answer omits anything documented, so that it has to be compared with the stored one."""
    if any(not says(_at(body, path), today) for path, says in kind.sticky.items()):
        return True
    return any(True for path in kind.documented for _ in _absent(path, body, None, whatever=True))


def is_hollow(value: object) -> bool:
    """Say whether a value says nothing: null, blank, empty, or an object that holds only such values."""
    if isinstance(value, str):  # asked first, because nearly all are, and a class is quicker to tell than a Mapping
        return not value.strip()
    if isinstance(value, Mapping):
        return all(is_hollow(part) for part in value.values())
    return value is None or value == []


def _keep_sticky(
    path: str, says: Says, body: object, before: object, former: Mapping[str, Any] | None, now: datetime
) -> dict[str, Any] | None:
    today = now.date()
    new, old = _at(body, path), _at(before, path)
    if says(new, today):
        return None
    if says(old, today):
        value = old
    elif former:
        value = former["value"]
    elif not is_hollow(old) and is_hollow(new):
        value = old
    else:
        return None
    entry: dict[str, Any] = dict(former) if former else {"since": now.isoformat()}
    entry["value"] = value
    parent, dot, last = path.rpartition(".")
    inside = _at(body, parent) if dot else body
    if isinstance(inside, Mapping) and last in inside and inside[last] is None:
        first = entry.get("null_at")
        if first is None:
            entry["null_at"] = now.isoformat()
        elif now - datetime.fromisoformat(first) >= NULL_CLEARS_AFTER:
            return None
    return entry


def _keep_person(
    path: str, key: str, body: object, before: object, former: Mapping[str, Any] | None, now: datetime
) -> dict[str, Any] | None:
    """Keep a part that now names another person than was known, unless a second read confirms the other person."""
    new = id_text(_at(body, f"{path}.{key}"))
    if new is None:
        return dict(former) if former else None
    was = former["was"] if former else id_text(_at(before, f"{path}.{key}"))
    if was is None or new == was:
        return None
    if former and former["other"] == new:
        return None if now - datetime.fromisoformat(former["since"]) >= CLEARS_AFTER else dict(former)
    value = former["value"] if former else _at(before, path)
    return {"value": value, "was": was, "other": new, "since": now.isoformat()}


def _absent(path: str, body: object, before: object, *, whatever: bool = False) -> Iterator[tuple[str, Any]]:
    """Yield the places of a documented path that the new answer omits, with the old answer's value there.

    Args:
        whatever: yield them also where the old answer says nothing.
    """
    head, _, rest = path.partition("[].")
    if rest:
        yield from _absent_in_list(head, rest, body, before, whatever=whatever)
        return
    parent, dot, last = path.rpartition(".")
    inside = _at(body, parent) if dot else body
    if not isinstance(inside, Mapping):
        if dot or whatever:  # the parent speaks for its parts, or is carried over whole
            return
        inside = {}
    names = last.split("|")
    if _speaks(inside, names):
        return
    outside = _at(before, parent) if dot else before
    for name in (part.rstrip("!") for part in names):
        value = outside.get(name) if isinstance(outside, Mapping) else None
        if whatever or not is_hollow(value):
            yield f"{parent}{dot}{name}", value
            if whatever:
                return


def _absent_in_list(head: str, rest: str, body: object, before: object, *, whatever: bool) -> Iterator[tuple[str, Any]]:
    new, old = _at(body, head), _at(before, head)
    if not isinstance(new, list):
        return
    known = dict(_named(old)) if isinstance(old, list) else {}
    names = rest.split("|")
    for key, row in _named(new):
        if _speaks(row, names):
            continue
        if whatever:
            yield head, None
            return
        former = known.get(key, {})
        for name in (part.rstrip("!") for part in names):
            if not is_hollow(former.get(name)):
                yield f"{head}[{key}].{name}", former[name]


def _speaks(inside: Mapping[str, Any], names: list[str]) -> bool:
    return any(inside.get(name[:-1]) is not None if name.endswith("!") else name in inside for name in names)


def _named(rows: list[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for place, row in enumerate(rows):
        if isinstance(row, Mapping):
            yield (id_text(row.get("id")) or f"#{place}", row)


def _at(value: object, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name.rstrip("!")) if isinstance(value, Mapping) else None
    return value


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(part) for key, part in value.items()}
    return [_copied(part) for part in value] if isinstance(value, list) else value


def _put(whole: dict[str, Any], place: str, value: Any, *, over: bool = False) -> None:
    head, bracket, tail = place.partition("[")
    if bracket:
        key, _, name = tail.partition("].")
        rows = _at(whole, head)
        row = dict(_named(rows)).get(key) if isinstance(rows, list) else None
        if isinstance(row, dict) and row.get(name) is None:
            row[name] = value
        return
    parent, dot, last = place.rpartition(".")
    inside = _at(whole, parent) if dot else whole
    if isinstance(inside, dict) and (over or inside.get(last) is None):
        inside[last] = value


# --- known, not given, not understood -------------------------------------------------------------------------------


class Reading:
    """Reads the values of one record, and notes which of them are given and cannot be understood.

    Attributes:
        unread: our own names of values that are there and cannot be read; never the same as not given.
    """

    def __init__(self) -> None:
        self.unread: set[str] = set()

    def take(self, name: str, value: object, read: Callable[[Any], T | None]) -> T | None:
        """Return the value as `read` understands it; None where it is not given, or not understood, which is noted."""
        found = read(value)
        if found is None and is_given(value):
            self.unread.add(name)
        return found

    def part(self, value: object, *names: str) -> Mapping[str, Any]:
        """Return an object inside the record; where it is something else, note all of `names` as not understood."""
        if isinstance(value, Mapping):
            return value
        if value is not None:  # a blank text in place of an object is not an empty object
            self.unread.update(names)
        return {}


def is_given(value: object) -> bool:
    """Say whether a value is there: neither null nor blank."""
    return value is not None and not (isinstance(value, str) and not value.strip())
