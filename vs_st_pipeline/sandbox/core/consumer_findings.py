"""Judges what a client did at the stand-ins of route `consumers`, by their books and the consents of the orders."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.scenarios.consumer_accounts import ACCOUNTS, RECORDING

GIVEN = ("APPROVED", "GIVEN")
TARGET = {
    ("hubspot", "subscribed"): "subscription",
    ("hubspot", "list_added"): "list",
    ("klaviyo", "subscribe_asked"): "list",
    ("klaviyo", "list_added"): "list",
    ("salesforce", "member_added"): "campaign",
}
_FOUR = ("sopost", "hubspot", "klaviyo", "salesforce")


class _Handle(Protocol):
    @property
    def control(self) -> Any: ...


def findings(running: Mapping[str, _Handle]) -> list[Record]:
    """Return what no client may have done: without a consent that the orders ever showed, or by another's key.

    Args:
        running: the stand-ins by system; without SoPost's only keys are judged.
    """
    found = [{"system": name, **f} for name, one in running.items() if name in _FOUR for f in one.control.findings()]
    if "sopost" not in running:
        return found
    targets, people = _covered(running["sopost"].control.consents())
    for system, entry in _books(running):
        merchant, email = entry["merchant"], _address(entry.get("email"))
        key = TARGET.get((system, entry["what"]))
        if key is not None and (merchant, system, str(entry[key]), email) not in targets:
            found.append({**entry, "system": system, "what": f"{entry['what']}_without_consent"})
        records = merchant in RECORDING and system != "klaviyo"
        if entry["what"] == "created" and not records and (merchant, system, email) not in people:
            found.append({**entry, "system": system, "what": "created_without_consent"})
    return found


def overridden(running: Mapping[str, _Handle]) -> list[Record]:
    """Return whom a client subscribed against an opt-out that the API had told of, or of which it was never asked.

    Where a consent that covers the target is of an order made after the opt-out, it was the person's newer wish; a
    suppression by the system, and Salesforce's opt-out, which has no time, are not undone by any consent.
    """
    targets, _ = _covered(running["sopost"].control.consents())
    found = []
    for system, entry in _books(running):
        key = TARGET.get((system, entry["what"]))
        opted_out = entry.get("opted_out")
        if key is None or opted_out is None or entry.get("told") is False:
            continue
        newest = targets.get((entry["merchant"], system, str(entry[key]), _address(entry["email"])))
        if opted_out == "always" or newest is None or _instant(newest) <= _instant(opted_out):
            found.append({**entry, "system": system, "what": f"{entry['what']}_against_opt_out"})
    return found


def _books(running: Mapping[str, _Handle]) -> Iterator[tuple[str, Record]]:
    for system in ("hubspot", "klaviyo", "salesforce"):
        for entry in running[system].control.books() if system in running else ():
            if entry["seq"]:  # 0: no request, but a person's own doing
                yield system, entry


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _covered(consents: Iterable[Record]) -> tuple[dict[tuple[str, ...], str], set[tuple[str, ...]]]:
    """Return what consents cover: (merchant, system, target, address) with the newest order's time, and people."""
    given: dict[tuple[Any, ...], list[Record]] = {}
    for row in consents:
        if row["counts"]:
            said = (_loose(row.get("consent_id")), _loose(row.get("data_handler")))
            given.setdefault((row["merchant"], row["order_id"], row["version"], *said), []).append(row)
    targets: dict[tuple[str, ...], str] = {}
    people: set[tuple[str, ...]] = set()
    for (merchant, *_, consent_id, handler), rows in given.items():
        if not all(str(row.get("status")).upper() in GIVEN for row in rows):
            continue  # one that stands twice in an order is given only if each is
        email = _address(rows[0].get("email"))
        for entry in ACCOUNTS[merchant].settings():
            same = (_loose(entry["consent_id"]), _loose(entry["data_handler"])) == (consent_id, handler)
            for system, target in _targets(entry) if same else ():
                people.add((merchant, system, email))
                key = (merchant, system, target, email)
                targets[key] = max(targets.get(key, ""), rows[0]["created"])
    return targets, people


def _targets(entry: Record) -> Iterator[tuple[str, str]]:
    """Yield the targets of an entry of the settings: system, and id of a subscription, list or campaign."""
    for system, named in entry.items():
        for value in named.values() if isinstance(named, dict) else ():
            for one in value if isinstance(value, list) else [value]:
                yield system, str(one)


def _address(value: Any) -> str:
    return unicodedata.normalize("NFC", str(value or "")).strip().lower()


def _loose(text: Any) -> str:
    return " ".join(str(text).casefold().split())
