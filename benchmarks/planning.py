"""CPU and memory of planning one merchant's contacts: nobody changed, some did, everybody anew.

No network and no stand-in: a merchant is written into a file as reading and staging leave it, with one customer and one
order for each linked contact. Then the plan is made (everything is to be written), all contacts come to say what is
wanted and the ledger to know it, and the plan is made again: settled, with some customers changed, and with everything
forgotten that it was made from. Each size is measured in a process of its own.

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
    """Measure one size in a process of its own.

    Returns:
        `linked`; CPU seconds `first` (all to be written), `settled` (nobody changed; median of three), `changed`
        (`CHANGED` customers did), `anew` (everybody, settled); `looked_at` of `changed`; `peak_mb` of the process.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.planning", "--one", str(linked)], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
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


def _measure_here(linked: int) -> dict[str, float]:
    gc.set_threshold(50_000, 20, 20)  # as in a sync
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "merchants.yaml").write_text(SETTINGS, encoding="utf-8")
        [merchant] = read_merchants(folder / "merchants.yaml", {"KEY": "none"}).merchants
        run = Run(merchant, warehouse_at(folder), lambda: NOW)
        field_map = load_field_map(merchant)

        def plan(of: Run) -> Any:
            return planning.make_plan(of, field_map)

        with run.keeping():
            with run.open() as db, db.transaction():
                _make(db, run, linked, [row.to for row in field_map.fields if row.kind == "custom"])
            first, made = _cpu(lambda: plan(run))
            assert made.targets == linked, made
            run = _next(run)
            with run.open() as db:
                for first_id, last_id in _ranges(db):
                    with db.transaction():
                        _say_what_is_wanted(db, run, first_id, last_id)
            made = plan(run)
            assert made.targets == 0, made
            with run.open() as db, db.transaction():
                ledger.record_settled(db)
                ledger.record_links(db, at=run.now())
            plan(_next(run))
            settled = sorted(_cpu(lambda: plan(_next(run)))[0] for _ in range(3))[1]
            with run.open() as db, db.transaction():
                db.execute(
                    "update staged.customers set city = 'Napa', source_hash = md5(source_hash) "
                    f"where customer_id % {max(1, linked // CHANGED)} = 0"
                )
            changed, some = _cpu(lambda: plan(_next(run)))
            with run.open() as db, db.transaction():
                db.execute("delete from planned.inputs")
            anew, everybody = _cpu(lambda: plan(_next(run)))
            assert everybody.looked_at == linked, everybody
    return {
        "linked": linked,
        "first": first,
        "settled": settled,
        "changed": changed,
        "looked_at": some.looked_at,
        "anew": anew,
        "peak_mb": peak_mb(),
    }


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
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(_measure_here(int(sys.argv[2]))))
    else:
        main()
