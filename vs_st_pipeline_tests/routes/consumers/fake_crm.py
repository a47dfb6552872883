"""A CRM in a file: what it holds outlives a process that is killed, and it can be told to go wrong in every way."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from vs_st_pipeline.domain.crm import (
    CrmRecord,
    Ended,
    Item,
    Result,
    Seen,
    Setup,
    Sought,
    Standing,
    State,
    Step,
    Target,
    TargetInfo,
)

FIRST_FIELDS = (Step.FIELDS, Step.CONSENT, Step.LISTS, Step.WITHDRAW, Step.UNLIST)
FIRST_CONSENT = (Step.CONSENT, Step.LISTS, Step.FIELDS, Step.WITHDRAW, Step.UNLIST)
Wrong = Callable[["FakeCrm", Step, Sequence[Item]], Mapping[str, Result] | None]
"""What happens to a request in place of its being done; None: it is done as usual."""


@dataclass
class FakeCrm:
    """See `domain.crm.Crm`.

    Attributes:
        wrong: what goes wrong with the next requests, in order; None: nothing with that one.
        takes: subscriptions are taken, and show only after `shown` was called.
        looks, sent: what was asked, and each item of each request.
    """

    path: Path
    steps: tuple[Step, ...] = FIRST_FIELDS
    chunk: int = 100
    most: int = 100
    records_all: bool = False
    shows_within: timedelta = timedelta(0)
    takes: bool = False
    infos: Mapping[Target, TargetInfo] = field(default_factory=dict)
    wrong: deque[Wrong | None] = field(default_factory=deque)
    clock: Callable[[], float] = lambda: 0.0
    on_look: Callable[[], None] = lambda: None
    looks: list[list[str]] = field(default_factory=list)
    sent: list[tuple[Step, list[Item]]] = field(default_factory=list)
    name: str = "hubspot"

    # --- its books ---

    @property
    def books(self) -> dict[str, Any]:
        if not self.path.exists():
            return {"records": {}, "states": {}, "members": {}, "taken": [], "log": []}
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found

    def keep(self, books: Mapping[str, Any]) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(books))
        os.replace(new, self.path)

    def state(self, email: str, target: Target, state: str, since: datetime | None = None) -> None:
        """What a person does there."""
        books = self.books
        books["states"][f"{email} {target.id}"] = [state, since.isoformat() if since else None]
        self.keep(books)

    def record(self, email: str, **values: str) -> str:
        books = self.books
        record_id = books["records"].get(email, {}).get("id") or f"r{len(books['records']) + 1}"
        books["records"][email] = {"id": record_id, "values": values}
        self.keep(books)
        return record_id

    def shown(self) -> None:
        """Show what was taken."""
        books = self.books
        for email, target in books["taken"]:
            books["states"][f"{email} {target}"] = ["subscribed", None]
        books["taken"] = []
        self.keep(books)

    def log(self, *steps: str) -> list[list[str]]:
        """What was done: step, address, and target or record, in order."""
        return [row for row in self.books["log"] if not steps or row[0] in steps]

    # --- the protocol ---

    def account(self) -> str | None:
        return "a1"

    def begin(self, targets: Collection[Target]) -> Setup:
        return Setup(None, {target: self.infos.get(target, TargetInfo()) for target in targets})

    def look(
        self, people: Sequence[Sought], targets: Collection[Target], fields: Collection[str]
    ) -> Mapping[str, Seen]:
        self.looks.append([one.email_key for one in people])
        self.on_look()
        books, at = self.books, self.clock()
        return {one.key: self._seen(books, one, targets, at) for one in people}

    def _seen(self, books: Mapping[str, Any], one: Sought, targets: Collection[Target], at: float) -> Seen:
        known = books["records"].get(one.email_key)
        record = CrmRecord(known["id"], one.email_key, known["values"], known) if known else None
        standings = {}
        for target in targets:
            state, since = books["states"].get(f"{one.email_key} {target.id}", ["never", None])
            on = books["members"].get(one.email_key, [])
            missing = tuple(name for name in target.lists if name not in on) if state == "subscribed" else ()
            standings[target] = Standing(State(state), datetime.fromisoformat(since) if since else None, missing)
        return Seen(record, None, standings, at)

    def requests(self, step: Step, items: Sequence[Item]) -> list[list[Item]]:
        groups: dict[Any, list[Item]] = {}
        for item in items:
            groups.setdefault((item.record_id is None) if step is Step.FIELDS else item.target, []).append(item)
        return [some[at : at + self.most] for some in groups.values() for at in range(0, len(some), self.most)]

    def send(self, step: Step, items: Sequence[Item]) -> Mapping[str, Result]:
        self.sent.append((step, list(items)))
        wrong = self.wrong.popleft() if self.wrong else None
        found = wrong(self, step, items) if wrong is not None else None
        return self.do(step, items) if found is None else found

    def do(self, step: Step, items: Sequence[Item]) -> dict[str, Result]:
        """Do what is asked."""
        books, found = self.books, {}
        for item in items:
            email = item.person.email_key
            found[item.id] = self._do(books, step, item, email)
            ended = found[item.id].ended
            if ended in (Ended.ACCEPTED, Ended.TAKEN):
                books["log"].append([step.value, email, item.target.id if item.target else str(item.record_id)])
        self.keep(books)
        return found

    def _do(self, books: dict[str, Any], step: Step, item: Item, email: str) -> Result:
        if step is Step.FIELDS:
            if item.record_id is None and email in books["records"]:
                return Result(Ended.EXISTS)
            known = books["records"].setdefault(email, {"id": f"r{len(books['records']) + 1}", "values": {}})
            known["values"] |= item.values
            return Result(Ended.ACCEPTED, known["id"])
        assert item.target is not None
        key = f"{email} {item.target.id}"
        if step is Step.CONSENT and self.takes:
            books["taken"].append([email, item.target.id])
            return Result(Ended.TAKEN)
        if step is Step.CONSENT:
            again = books["states"].get(key, ["never"])[0] == "unsubscribed"
            books["states"][key] = ["subscribed", None]
            return Result(Ended.OPTED_OUT if again else Ended.ACCEPTED)
        if step is Step.WITHDRAW:
            books["states"][key] = ["unsubscribed", "2026-06-01T12:00:00+00:00"]
        members = set(books["members"].get(email, []))
        if step is Step.LISTS:
            books["members"][email] = sorted(members | set(item.lists))
        elif step is Step.UNLIST:
            books["members"][email] = sorted(members - set(item.lists))
        return Result(Ended.ACCEPTED)


# --- ways to go wrong ---


def raising(error: Exception, *, after: bool = False) -> Wrong:
    """The request fails: before it is done, or after."""

    def wrong(crm: FakeCrm, step: Step, items: Sequence[Item]) -> None:
        if after:
            crm.do(step, items)
        raise error

    return wrong


def saying(*ended: Ended, code: str | None = None, http_status: int | None = None) -> Wrong:
    """The items are said to have ended so, in turn; nothing is done."""

    def wrong(crm: FakeCrm, step: Step, items: Sequence[Item]) -> Mapping[str, Result]:
        return {
            item.id: Result(ended[at % len(ended)], code=code, http_status=http_status) for at, item in enumerate(items)
        }

    return wrong


def hollow(*, done: bool) -> Wrong:
    """The answer names nobody."""

    def wrong(crm: FakeCrm, step: Step, items: Sequence[Item]) -> Mapping[str, Result]:
        if done:
            crm.do(step, items)
        return {}

    return wrong
