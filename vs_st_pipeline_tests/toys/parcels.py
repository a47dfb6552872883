"""A toy route that says things once: each step of a parcel's journey becomes one message.

What an unknown outcome becomes is the merchant's choice, so that each rule is proved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from vs_st_pipeline.domain.brake import Verdict
from vs_st_pipeline.domain.errors import PipelineError, Unsafe
from vs_st_pipeline.pipeline import whole_hints
from vs_st_pipeline.pipeline.once import hints
from vs_st_pipeline.pipeline.once.delivery import Delivered, deliver, settle
from vs_st_pipeline.pipeline.once.hints import Hint
from vs_st_pipeline.pipeline.once.items import (
    Answer,
    Drop,
    Gate,
    Go,
    Item,
    Kind,
    Look,
    OnUnknown,
    Row,
    Wait,
    stable_key,
)
from vs_st_pipeline.pipeline.once.session import opened
from vs_st_pipeline.pipeline.verdicts import refused
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.migrations import Lineage
from vs_st_pipeline_tests.toys.client import PARCEL, Client, Merchant

EVERY = timedelta(minutes=5)


def kinds(merchant: Merchant) -> list[Kind]:
    """Each step is a kind; `notes` melt, and go only when nothing of the journeys is open."""
    rule = OnUnknown(merchant.on_unknown)
    steps = [Kind(step, rule, dead_after=timedelta(days=30)) for step in ("created", "shipped", "delivered")]
    return [*steps, Kind("note", rule, phase=1, melts=True)]


class Sender:
    """What the route knows of the shop as a destination."""

    def __init__(self, client: Client, parcels: dict[str, dict[str, Any]]) -> None:
        self._client, self._parcels = client, parcels

    def gate(self, item: Item, row: Row) -> Gate:
        parcel = self._parcels.get(item.entity, {})
        if parcel.get("lost"):
            return Drop("lost")
        return Wait("asked to wait") if parcel.get("wait") else Go()

    def send(self, item: Item, row: Row) -> Answer:
        return self._client.post(item)

    def look(self, item: Item | None, row: Row) -> Look:
        return self._client.look(row.key)


def sync(run: Run) -> Delivered:
    """Read, plan, say: the story."""
    merchant: Any = run.merchant
    told, client = Delivered(), Client(merchant, run.route)
    if run.route in merchant.paused:
        return told  # R51: no call, no write
    try:
        with opened(run, kinds(merchant), **route(run)) as outbox, whole_hints.taken(run, hints.QUEUE):
            with run.open() as db:
                sender = Sender(client, staged(db))
            if not run.dry_run:
                settle(outbox, sender, told)
            before, verdict = _read(run, client), None
            if before:
                verdict = Verdict("messages", "shrank", before, f"{before:.0%} of the parcels are gone")
            if verdict and refused(run, [verdict]):
                raise Unsafe(verdict.sentence)
            with run.open() as db:
                sender = Sender(client, staged(db))
                planned = list(_planned(merchant.id, staged(db)))
            enqueued = outbox.enqueue(planned)
            told.waiting["planned"] = len(enqueued.new)
            if not run.dry_run:
                deliver(outbox, sender, told)
    except PipelineError as error:
        told.error = error
    finally:
        client.http.close()
    return told


TABLES = Lineage(
    "parcels",
    (
        (
            1,
            """create schema toy;
               create table toy.parcels (id varchar primary key, body varchar not null);
               create table toy.told (parcel varchar, step varchar, answer varchar);""",
        ),
    ),
)
"""The route's own tables."""


def route(run: Run) -> dict[str, Any]:
    """What the toolkit is told of the route's own answers and times."""
    return {"settled": _told, "next_due": lambda: run.now() + EVERY}


def staged(db: Db) -> dict[str, dict[str, Any]]:
    """The parcels as they were last read."""
    return {row[0]: json.loads(row[1]) for row in db.rows("select id, body from toy.parcels order by id")}


def _told(db: Db, row: Row, answer: object) -> None:
    """What moves with the answer: the route's own book."""
    db.execute("insert into toy.told values (?, ?, ?)", [row.entity, row.kind, type(answer).__name__])


def _read(run: Run, client: Client) -> float:
    """Read what is hinted at first, then what the list shows; returns the share of parcels that are gone."""
    with run.open() as db:
        wanted, known = hints.waiting(db), staged(db)
    for parcel in dict.fromkeys(hint.id for hint in wanted):  # once, whoever wants it
        _read_one(run, client, parcel, [hint for hint in wanted if hint.id == parcel])
    listed = client.ids()
    for parcel in listed:
        if parcel not in {hint.id for hint in wanted}:
            _read_one(run, client, parcel, [])
    gone = len(set(known) - set(listed)) / len(known) if known else 0.0
    return gone if gone > 0.2 else 0.0


def _read_one(run: Run, client: Client, parcel: str, answered: list[Hint]) -> None:
    try:
        found = client.parcel(parcel)
    except PipelineError:
        return  # one record's trouble: its hint waits, what is known stands
    with run.open() as db, db.transaction():
        db.execute("insert or replace into toy.parcels values (?, ?)", [parcel, json.dumps(found)])
        if not run.dry_run:
            hints.settle(db, answered)


def _planned(merchant: str, parcels: dict[str, dict[str, Any]]) -> Iterator[Item]:
    for parcel, found in parcels.items():
        people = (("phone", found["phone"]),)
        for step in [*found["journey"], *(["note"] if found.get("note") else [])]:
            about = (step, found["note"]) if step == "note" else (step,)
            text = json.dumps({"to": found["phone"], "text": " ".join([parcel, *about])})
            evidence = {"journey": found["journey"], "phone": found["phone"]}
            yield Item(step, parcel, stable_key("parcels", merchant, parcel, *about), text, evidence, people)


__all__ = ["PARCEL", "kinds", "staged", "sync"]
