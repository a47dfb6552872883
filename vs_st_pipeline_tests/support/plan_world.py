"""A merchant's file as reading and staging leave it, and the hands that change it, without a system or a command."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.domain.plan import Change
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.pipeline.plan_cache import load_cached_plan, save_cached_plan
from vs_st_pipeline.pipeline.targets import Plan
from vs_st_pipeline.platform.run import Run, new_run_id
from vs_st_pipeline.platform.warehouse import ledger, retries
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry
from vs_st_pipeline.routes.contacts import planning
from vs_st_pipeline.routes.contacts.map_file import load_field_map
from vs_st_pipeline.routes.contacts.plan_inputs import plan_inputs
from vs_st_pipeline.routes.contacts.report import new_report
from vs_st_pipeline_tests.support.fresh_plan import same_as_fresh

SETTINGS = """\
merchants:
  - id: one
    vinoshipper: {api_key: env:KEY, api_secret: env:KEY}
    simpletexting: {api_token: env:KEY}
"""
NOON = datetime(2026, 3, 1, 20, tzinfo=UTC)


class World:
    """A merchant's file as reading and staging leave it, and the hands that change it."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        (folder / "merchants.yaml").write_text(SETTINGS, encoding="utf-8")
        [merchant] = read_merchants(folder / "merchants.yaml", {"KEY": "none"}).merchants
        self.now = NOON
        self.run = Run(merchant, warehouse_at(folder / "data"), lambda: self.now)
        self.map: FieldMap = load_field_map(merchant)
        self.dice = random.Random(seed)
        self.made = 0

    def fill(self, people: int) -> None:
        with self.run.open() as db, db.transaction():
            for place, row in enumerate(row for row in self.map.fields if row.kind == "custom"):
                db.execute("insert into raw.simpletexting_custom_fields values (?, ?)", [row.to, f"f{place}"])
            for what in ("customers", "contacts", "orders"):
                db.execute("insert into raw.reads values (?, 'r', ?, ?)", [what, people, self.run.now()])
            for number in range(people):
                self.customer(db, 700_000 + number, phone(number))
                self.order(db, f"9{number:05}", 700_000 + number)
                self.contact(db, f"c{number:05}", phone(number))

    # One record each.

    def stamp(self) -> str:
        self.made += 1
        return f"h{self.made}"

    def customer(self, db: Db, id_: int, number: str | None, **values: Any) -> None:
        values = {"birth_date": date(1980, 1, 1), "birth_year": None, "email": f"{id_}@example.com", **values}
        db.execute("delete from raw.vinoshipper_customers where customer_id = ?", [id_])
        db.execute("delete from staged.customers where customer_id = ?", [id_])
        stamp = self.stamp()
        db.execute(
            """insert into raw.vinoshipper_customers by name
               select ? as customer_id, ? as phone, ? as list_hash, ? as detail_hash, ?::timestamp as detail_at""",
            [id_, number, stamp, stamp, self.run.now()],
        )
        db.execute(
            """insert into staged.customers by name
               select ? as customer_id, ? as first_name, ? as email, ? as phone, ?::date as birth_date,
                      ?::integer as birth_year, true as has_detail, ? as city, '[]' as memberships, '' as club_names,
                      '' as club_status, ? as source_hash""",
            [id_, f"First {stamp}", values["email"], number, values["birth_date"], values["birth_year"], stamp, stamp],
        )

    def order(self, db: Db, number: str, customer: int, **values: Any) -> None:
        values = {
            "purchased_at": "2026-01-10T10:00:00+00:00",
            "birth_date": None,
            "detail_at": self.run.now(),
            **values,
        }
        db.execute("delete from raw.vinoshipper_orders where order_number = ?", [number])
        db.execute("delete from staged.orders where order_number = ?", [number])
        stamp = self.stamp()
        db.execute(
            """insert into raw.vinoshipper_orders by name
               select ? as order_number, ?::bigint as customer_id, ? as detail_hash, ?::timestamp as detail_at""",
            [number, customer, stamp, values["detail_at"]],
        )
        db.execute(
            """insert into staged.orders by name
               select ? as order_number, ?::bigint as customer_id, 'SUCCESS' as status, 'DELIVERED' as order_status,
                      true as counted, ? as purchased_at, '[]' as packages, ? as total, true as receipt_known,
                      ?::date as birth_date, ? as source_hash""",
            [number, customer, values["purchased_at"], f"{len(stamp)}.50", values["birth_date"], stamp],
        )

    def contact(self, db: Db, id_: str, number: str | None, **values: Any) -> None:
        values = {"status": "OPT_IN", "carried": "", "email": "", "custom": {}, "source": "MANUAL", **values}
        custom = {**values["custom"], **({"f1": values["carried"]} if values["carried"] else {})}
        body = {
            "contactId": id_, "contactPhone": number or "+44 20 7946 0000", "firstName": "", "lastName": "",
            "email": values["email"], "birthday": None, "customFields": custom, "updateSource": values["source"],
            "subscriptionStatus": values["status"], "comment": self.stamp(),
        }  # fmt: skip
        db.execute("delete from raw.simpletexting_contacts where contact_id = ?", [id_])
        text = json.dumps(body)
        db.execute(
            """insert into raw.simpletexting_contacts by name
               select ? as contact_id, ? as body, md5(?) as body_hash, ?::timestamp as read_at, ? as read_run,
                      ? as phone, nullif(?, '') as email, nullif(?, '') as customer_id, ? as status""",
            [id_, text, text, self.run.now(), self.run.run_id, number, values["email"], values["carried"],
             values["status"]],
        )  # fmt: skip

    # What a sync does.

    def stands(self) -> bool:
        """Whether a sync would keep the former plan; if so, it is what a plan of everybody says."""
        with self.run.open() as db:
            kept = load_cached_plan(self.run, db, plan_inputs(self.run, db, self.map))
        if kept is not None:
            fresh = same_as_fresh(self.run, lambda: planning.make_plan(self.run, self.map))
            assert (fresh.targets, fresh.unmatched) == (0, kept.planned["unmatched"])
            assert (dict(fresh.held), dict(fresh.noted)) == (kept.held, kept.noted)
        return kept is not None

    def keep(self, made: Plan) -> None:
        report = new_report("one", self.run.run_id)
        report.planned |= {"contacts": made.targets, "fields": made.fields, "unmatched": made.unmatched}
        report.held, report.noted = made.held, made.noted
        with self.run.open() as db:
            save_cached_plan(self.run, db, plan_inputs(self.run, db, self.map), report, [])

    def plan(self) -> Plan:
        made = planning.make_plan(self.run, self.map)
        fresh = same_as_fresh(self.run, lambda: planning.make_plan(self.run, self.map))
        assert replace(made, looked_at=0) == replace(fresh, looked_at=0)
        return made

    def next_run(self, minutes: float = 5) -> None:
        self.now += timedelta(minutes=minutes)
        self.run = replace(self.run, run_id=new_run_id(), full=False)

    def push(self, share: float = 1.0, shown: float = 0.5) -> None:
        """Let a share of what is planned be accepted, and some of it be seen in the contact, as a sync remembers it."""
        with self.run.open() as db, db.transaction():
            found: dict[str, list[Change]] = {}
            for id_, *change in db.rows(
                "select id, field, key, kind, policy, old, new from planned.changes order by id, position"
            ):
                found.setdefault(id_, []).append(Change(*change))
            for id_, changes in found.items():
                if self.dice.random() > share:
                    continue
                sent = OutboxEntry(self.stamp(), contact_ref(id_), self.run.run_id, "update", None, tuple(changes), {})
                ledger.record_accepted(db, [sent], at=self.run.now())
                if self.dice.random() < shown:
                    self.shows(db, id_, changes)
            retries.forget_settled_rejects(db)
            ledger.record_observed(db, at=self.run.now(), run_id=self.run.run_id)
            db.execute("delete from planned.learned")
            ledger.record_links(db, at=self.run.now())
            ledger.record_baseline(db, at=self.run.now())
            ledger.record_settled(db)

    def shows(self, db: Db, id_: str, changes: list[Change]) -> None:
        body = json.loads(db.value("select body from raw.simpletexting_contacts where contact_id = ?", [id_]))
        for change in changes:
            (body if change.kind == "builtin" else body["customFields"])[change.key] = change.new
        text = json.dumps(body)
        db.execute(
            """update raw.simpletexting_contacts set body = ?, body_hash = md5(?), read_run = ?,
                      email = nullif(lower(?), ''), customer_id = coalesce(?, customer_id) where contact_id = ?""",
            [text, text, self.run.run_id, body["email"], body["customFields"].get("f1"), id_],
        )


def phone(number: int) -> str:
    return str(7_073_000_000 + number)
