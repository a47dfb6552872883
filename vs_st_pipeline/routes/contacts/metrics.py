"""Measures what the checks of this route check, from its own tables."""

from __future__ import annotations

import json
from collections.abc import Callable

from vs_st_pipeline.connectors.simpletexting.custom_fields import resolve_fields
from vs_st_pipeline.connectors.simpletexting.error_codes import describe_code
from vs_st_pipeline.connectors.simpletexting.stored_contacts import read_custom_fields
from vs_st_pipeline.connectors.vinoshipper import limitations
from vs_st_pipeline.domain import brake
from vs_st_pipeline.domain.formats import counted, humanize
from vs_st_pipeline.domain.phone import mask_phone
from vs_st_pipeline.pipeline.metrics import Metric, Sample, some_named
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY
from vs_st_pipeline.routes.contacts import map_file

CUSTOMERS = Sample("customer_id", lambda key: f"customer {key}")
ORDERS = Sample("order_number", lambda key: f"order {key}")
CONTACTS = Sample("phone", mask_phone)


def missing_rows(what: str) -> Callable[[Run, Db], Metric]:
    def find(run: Run, db: Db) -> Metric:
        now = db.value("select rows from raw.reads where what = ?", [what])
        before = db.value("select rows from synced.baseline where what = ?", [what])
        synced = int(db.value("select count(distinct id) from synced.ledger"))
        if now is None or before is None or synced < brake.FEWEST:
            return Metric(0, int(before or now or 0), "nothing to compare with yet")
        return Metric(max(0, before - now), before, f"{counted(now, 'rows')} now, {before} at the last sync")

    return find


def missing_custom_fields(run: Run, db: Db) -> Metric:
    field_map = map_file.load_field_map(run.merchant)
    missing = [field.to for field in resolve_fields(field_map, read_custom_fields(db)).missing]
    return Metric(len(missing), len(field_map.fields), ", ".join(missing))


def of_linked(reason: str) -> Callable[[Run, Db], Metric]:
    """Measure linked contacts that are held or noted for one reason."""

    def find(run: Run, db: Db) -> Metric:
        rows = """planned.targets where subject_id is not null and (held = $reason or id in
                  (select id from planned.notes where note = $reason))"""
        count = db.value(f"select count(*) from {rows}", {"reason": reason})
        linked = db.value("select count(*) from planned.targets where subject_id is not null")
        return Metric(
            int(count), int(linked), sample=some_named(db, CONTACTS, rows, {"reason": reason}) if count else ""
        )

    return find


def held(run: Run, db: Db) -> Metric:
    reasons = db.rows("select held, count(*) from planned.targets where held is not null group by 1 order by 1")
    linked = db.value("select count(*) from planned.targets where subject_id is not null")
    told = ", ".join(f"{row[0]} {row[1]}" for row in reasons)
    some = some_named(db, CONTACTS, "planned.targets where held is not null") if reasons else ""
    return Metric(sum(row[1] for row in reasons), int(linked), told, some)


def rejected(run: Run, db: Db) -> Metric:
    """Measure contacts that SimpleTexting refuses; by code how many, for how long, what it means, what to do."""
    codes = db.rows("select code, count(*), min(first_at) from synced.rejects group by 1 order by 3, 1 nulls last")
    written = db.value("select count(*) from (select id from synced.ledger union select id from synced.rejects)")
    told = []
    for code, count, since in codes:
        meaning = describe_code(code)
        told.append(f"{meaning.code} {count}, for up to {humanize(run.now() - since)}: {meaning.means} {meaning.do}")
    some = some_named(db, CONTACTS, f"planned.targets semi join synced.rejects using ({KEY})") if codes else ""
    return Metric(sum(row[1] for row in codes), int(written), " | ".join(told), some)


def unknown(run: Run, db: Db) -> Metric:
    """Measure contacts with a write that was sent, or may have been, and has no answer that says what became of it."""
    row = db.row(
        """select count(distinct id) filter (outcome is null), count(distinct id),
                  min(sent_at) filter (outcome is null) from synced.writes"""
    ) or (0, 0, None)
    detail = f"the oldest was sent {humanize(run.now() - row[2])} ago" if row[2] else ""
    some = some_named(db, CONTACTS, "synced.writes where outcome is null") if row[0] else ""
    return Metric(int(row[0]), int(row[1]), detail, some)


def not_as_left(run: Run, db: Db) -> Metric:
    """Measure values that differed from what was accepted when all sides were last compared (`vs-st reconcile`)."""
    row = db.row(
        """select made_at, how, contacts, same + ours + theirs + both_sides, theirs + both_sides, fields
           from synced.reconciled order by made_at desc, run_id desc limit 1"""
    )
    if row is None:
        return Metric(0, 0, "never compared; vs-st reconcile does it")
    made_at, how, contacts, values, edited, fields = row
    counts = {name: sides.get("theirs", 0) + sides.get("both", 0) for name, sides in json.loads(fields).items()}
    where = "".join(f", {name} {count}" for name, count in counts.items() if count)
    # A time and no age: the finding is shown as it was measured, perhaps hours ago.
    return Metric(
        int(edited), int(values), f"{made_at:%Y-%m-%d %H:%M} UTC, {how}, {counted(contacts, 'contacts')}{where}"
    )


def written_though_held(run: Run, db: Db) -> Metric:
    """Measure contacts that the last plan's run wrote although that plan holds them back or does not link."""
    written = """select distinct h.system, h.object, h.id from synced.history as h join planned.plan as p using (run_id)
                 where event = 'accepted'"""
    row = db.row(
        f"""select count(*) filter (c.held is not null or c.subject_id is null), count(*)
            from ({written}) join planned.targets as c using ({KEY})"""
    ) or (0, 0)
    return Metric(int(row[0]), int(row[1]))


def unseen(kind: str) -> Callable[[Run, Db], Metric]:
    """Measure ways of asking that have no effect in this account, so that something is seen late or not at all."""
    of = sum(spot.kind == kind for spot in limitations.ALL.values())

    def find(run: Run, db: Db) -> Metric:
        found = [(spot, since) for spot, since in limitations.read_limitations(db) if spot.kind == kind]
        return Metric(
            len(found),
            max(of, len(found)),
            "; ".join(f"{spot.sentence} (since {since:%Y-%m-%d})" for spot, since in found),
        )

    return find
