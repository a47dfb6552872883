"""CPU and memory of planning one merchant's contacts: nobody changed, some did, everybody anew.

No network and no stand-in: a merchant is written into a file as reading and staging leave it, with one customer and one
order for each linked contact. Then the plan is made (everything is to be written), all contacts come to say what is
wanted and the ledger to know it, and the plan is made again: settled, with some customers changed, and with everything
forgotten that it was made from. What plans is a process of its own, and what writes the merchant is another one, so
that the memory is a plan's.

    python -m benchmarks.planning [LINKED...]
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.memory import peak_mb
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.run import Run, new_run_id
from vs_st_pipeline.platform.warehouse import ledger
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.contacts import planning
from vs_st_pipeline.routes.contacts.map_file import load_field_map

NOW = datetime(2026, 3, 2, 18, tzinfo=UTC)
SIZES = (300, 3_000, 10_000, 100_000)
CHANGED = 20
SETTINGS = """\
merchants:
  - id: one
    vinoshipper: {api_key: env:KEY, api_secret: env:KEY}
    simpletexting: {api_token: env:KEY}
"""


def measure(linked: int) -> dict[str, float]:
    """Measure one size.

    Returns:
        `linked`; CPU seconds `first` (all to be written), `settled` (nobody changed; median of three), `changed`
        (`CHANGED` customers did), `anew` (everybody, settled); `looked_at` of `changed`; `peak_mb` of the largest of
        the processes that plan.
    """
    found: dict[str, float] = {"linked": linked, "peak_mb": 0}
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "merchants.yaml").write_text(SETTINGS, encoding="utf-8")
        for step in _STEPS:
            command = [sys.executable, "-m", "benchmarks.planning", "--step", step, name, str(linked)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
            found["peak_mb"] = max(found["peak_mb"], told.pop("peak_mb", 0))
            found.update(told)
    return found


def main() -> None:
    """Print one line per size."""
    print(f"{'linked':>8} {'first':>9} {'settled':>9} {f'{CHANGED} changed':>11} {'anew':>9} {'peak':>8}")
    for linked in [int(argument) for argument in sys.argv[1:]] or SIZES:
        found = measure(linked)
        print(
            f"{linked:8,} {found['first']:7.2f} s {found['settled'] * 1000:6.1f} ms {found['changed'] * 1000:8.1f} ms "
            f"{found['anew']:7.2f} s {found['peak_mb']:5.0f} MB"
        )


def _do(step: str, folder: Path, linked: int) -> dict[str, float]:
    """Do one step with the merchant of a folder; returns what it measured."""
    gc.set_threshold(50_000, 20, 20)  # as in a sync
    [merchant] = read_merchants(folder / "merchants.yaml", {"KEY": "none"}).merchants
    run = Run(merchant, warehouse_at(folder), lambda: NOW)
    with run.keeping():
        return _STEPS[step](run, linked)


def _written(run: Run, linked: int) -> dict[str, float]:
    """Write the merchant."""
    labels = [row.to for row in load_field_map(run.merchant).fields if row.kind == "custom"]
    with run.open() as db, db.transaction():
        _make(db, run, linked, labels)
    return {}


def _first(run: Run, linked: int) -> dict[str, float]:
    """Plan for the first time: everything is to be written."""
    with run.open() as db:
        run = replace(run, run_id=db.value("select run_id from raw.reads limit 1"))
    first, made = _cpu(lambda: _plan(run))
    assert made.targets == linked, made
    return {"first": first, "peak_mb": peak_mb()}


def _accepted(run: Run, _linked: int) -> dict[str, float]:
    """Let all contacts say what is wanted, and the ledger know it."""
    with run.open() as db:
        for first_id, last_id in _ranges(db):
            with db.transaction():
                _say_what_is_wanted(db, run, first_id, last_id)
    made = _plan(run)
    assert made.targets == 0, made
    with run.open() as db, db.transaction():
        ledger.record_settled(db)
        ledger.record_links(db, at=run.now())
    return {}


def _settled(run: Run, linked: int) -> dict[str, float]:
    """Plan where nobody changed, where some did, and everybody anew."""
    _plan(_next(run))
    settled = sorted(_cpu(lambda: _plan(_next(run)))[0] for _ in range(3))[1]
    with run.open() as db, db.transaction():
        db.execute(
            "update staged.customers set city = 'Napa', source_hash = md5(source_hash) "
            f"where customer_id % {max(1, linked // CHANGED)} = 0"
        )
    changed, some = _cpu(lambda: _plan(_next(run)))
    with run.open() as db, db.transaction():
        db.execute("delete from planned.inputs")
    anew, everybody = _cpu(lambda: _plan(_next(run)))
    assert everybody.looked_at == linked, everybody
    told = {"settled": settled, "changed": changed, "looked_at": some.looked_at, "anew": anew}
    return {**told, "peak_mb": peak_mb()}


_STEPS: dict[str, Callable[[Run, int], dict[str, float]]] = {
    "written": _written,
    "first": _first,
    "accepted": _accepted,
    "settled": _settled,
}


def _plan(of: Run) -> Any:
    return planning.make_plan(of, load_field_map(of.merchant))


def _cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    done = work()
    return time.process_time() - began, done


def _next(run: Run) -> Run:
    return replace(run, run_id=new_run_id())


def _make(db: Db, run: Run, linked: int, labels: list[str]) -> None:
    """Write a merchant as reading and staging leave it."""
    values = {"linked": linked, "run": run.run_id, "now": run.now()}
    for place, label in enumerate(labels):
        db.execute("insert into raw.simpletexting_custom_fields values (?, ?)", [label, f"f{place}"])
    for what in ("customers", "contacts", "orders"):
        db.execute("insert into raw.reads values (?, ?, ?, ?)", [what, run.run_id, linked, run.now()])
    for sql in (
        """insert into raw.vinoshipper_customers by name
           select 700000 + i as customer_id, cast(7073000000 + i as varchar) as phone, md5('' || i) as list_hash,
                  md5('' || i) as detail_hash, $now::timestamp as detail_at, 200 as detail_status,
                  false as detail_wanted
           from range($linked) as r(i)""",
        """insert into staged.customers by name
           select 700000 + i as customer_id, 'First' || i as first_name, 'Last' || i as last_name,
                  'person.' || i || '@example.com' as email, cast(7073000000 + i as varchar) as phone,
                  date '1950-01-01' + cast(i % 15000 as integer) as birth_date, true as has_detail,
                  'Sonoma' as city, 'CA' as state,
                  '[{"id": "m' || i || '", "club_name": "Red Club", "joined": "2024-05-0' || (1 + i % 9)
                  || 'T10:00:00+00:00", "on_hold": false}]' as memberships, 'Red Club' as club_names,
                  'Active' as club_status, md5('' || i) as source_hash
           from range($linked) as r(i)""",
        """insert into raw.vinoshipper_orders by name
           select '9' || (100000 + i) as order_number, 700000 + i as customer_id, $now::timestamp as detail_at,
                  200 as detail_status, md5('o' || i) as detail_hash, false as detail_wanted
           from range($linked) as r(i)""",
        """insert into staged.orders by name
           select '9' || (100000 + i) as order_number, 700000 + i as customer_id, 'SUCCESS' as status,
                  'DELIVERED' as order_status, true as counted,
                  '2026-01-1' || (i % 9) || 'T10:00:00+00:00' as purchased_at,
                  '2026-01-20' as shipped_at, '2026-01-25' as delivered_at, '2024-05-01' as customer_since,
                  'WEB' as cart_type, 'GRND' as rate_code, 'UPS Ground' as rate_description, 'UPS' as carrier,
                  '[{"carrier": "UPS", "tracking_number": "1Z' || i || '"}]' as packages,
                  cast(40 + i % 100 as varchar) || '.50' as total, md5('o' || i) as source_hash, true as receipt_known,
                  'https://example.com/receipt/' || i as receipt_url
           from range($linked) as r(i)""",
        """insert into raw.simpletexting_contacts by name
           select *, md5(body) as body_hash from (
               select md5('c' || i)[:24] as contact_id, cast(7073000000 + i as varchar) as phone, 'OPT_IN' as status,
                      $now::timestamp as read_at, $run as read_run, 'MANUAL' as first_source,
                      '{"contactId":"' || md5('c' || i)[:24] || '","contactPhone":"' || (7073000000 + i)
                      || '","firstName":"","lastName":"","email":"","birthday":null,"comment":"","lists":[],'
                      || '"customFields":{},"subscriptionStatus":"OPT_IN","created":"2025-01-01T00:00:00Z",'
                      || '"updated":"2025-01-01T00:00:00Z","updateSource":"MANUAL"}' as body
               from range($linked) as r(i))""",
    ):
        db.execute(sql, {name: value for name, value in values.items() if f"${name}" in sql})


def _ranges(db: Db) -> list[tuple[str, str]]:
    """Return all contacts' ids as ranges of some thousands."""
    return [
        (row[0], row[1])
        for row in db.rows(
            """select min(id), max(id) from (select id, row_number() over (order by id) // 5000 as part
                                             from planned.targets) group by part order by 1"""
        )
    ]


def _say_what_is_wanted(db: Db, run: Run, first_id: str, last_id: str) -> None:
    """Let contacts say what they should, as read in this run, and the ledger know it, as after writes and readings."""
    rows = db.rows(
        """select t.id, t.wanted, c.body
           from planned.targets as t join raw.simpletexting_contacts as c on c.contact_id = t.id
           where t.id between ? and ?""",
        [first_id, last_id],
    )
    bodies, emails, carried = [], [], []
    for _, wanted, text in rows:
        body = json.loads(text)
        for field, key, kind, _, value in json.loads(wanted):
            (body if kind == "builtin" else body["customFields"])[key] = value
            if field == "VScustomerID":
                carried.append(value)
        bodies.append(json.dumps(body))
        emails.append(body["email"])
    columns = {"id": [row[0] for row in rows], "body": bodies, "email": emails, "customer_id": carried}
    with db.batch(columns) as batch:
        db.execute(
            f"""update raw.simpletexting_contacts as c
                set body = b.body, body_hash = md5(b.body), email = b.email, customer_id = b.customer_id, read_run = ?
                from {batch} as b where b.id = c.contact_id""",
            [run.run_id],
        )
    sent = """from (select system, object, id, unnest(from_json(wanted, '["json"]')) as want
                    from planned.targets where id between $first and $last)"""
    values = {"now": run.now(), "first": first_id, "last": last_id}
    db.execute(
        f"""insert into synced.ledger by name
            select system, object, id, want->>0 as field, want->>4 as sent, want->>4 as stored,
                   $now::timestamp as accepted_at, 'r' as run_id, 'batch' as call {sent}""",
        values,
    )
    db.execute(
        f"""insert into synced.history by name
            select (select coalesce(max(seq), 0) from synced.history) + row_number() over () as seq,
                   system, object, id, want->>0 as field, 'accepted' as event,
                   want->>4 as new, $now::timestamp as written_at, 'r' as run_id, 'batch' as call {sent}""",
        values,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        print(json.dumps(_do(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))))
    else:
        main()
