"""A brand's orders as SoPost's reading leaves them in raw, in memory: what staging and loading make of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

import vs_st_pipeline
from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.connectors.sopost.statuses import classify
from vs_st_pipeline.connectors.sopost.streams import STREAMS
from vs_st_pipeline.domain.loosely import loosely
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.forms import Choice, DefaultOrFile, OwnFile
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.consumers import consumers, staging
from vs_st_pipeline.routes.consumers.consumers import Consumer
from vs_st_pipeline.routes.consumers.settings import ConsentEntry, ConsumersSettings, HubSpotTarget, KlaviyoTarget
from vs_st_pipeline.routes.consumers.systems import NAME

ROOT = Path(vs_st_pipeline.__file__).parent
NOW = datetime(2026, 5, 20, 12)
NEWS, TRIAL, OWN = "c-news", "c-trial", "c-own"
BRAND = "Glow Skin"


class Crm(SettingsModel):
    """What the route asks of a CRM's own settings."""

    without_consent: Choice[str] = "skip"
    field_map: DefaultOrFile = OwnFile()


def consents() -> tuple[ConsentEntry, ...]:
    return (
        ConsentEntry(
            consent_id=NEWS,
            data_handler=BRAND,
            text_version="2026-05",
            hubspot=HubSpotTarget(subscription=1, lists=(42,)),
            klaviyo=KlaviyoTarget(list="K1"),
        ),
        ConsentEntry(consent_id=TRIAL, data_handler=BRAND, hubspot=HubSpotTarget(subscription=2)),
        ConsentEntry(consent_id=OWN, data_handler="SoPost", ignore=True),
    )


def consent(consent_id: str = NEWS, handler: str = BRAND, status: Any = "APPROVED", **more: Any) -> dict[str, Any]:
    """Return an entry of an order's consents; a status of `...` leaves it out."""
    entry = {"consent_id": consent_id, "consent_name": f"{consent_id} name", "data_handler": handler, "status": status}
    return {**{key: value for key, value in entry.items() if value is not ...}, **more}


class _Warehouse:
    def __init__(self, db: Db) -> None:
        self.db = db

    @contextmanager
    def use(self, merchant: str, route: str) -> Iterator[Db]:
        yield self.db
        self.db.flush()


class World:
    """One merchant's file; `at` is its clock."""

    def __init__(self, **crms: str) -> None:
        self.cursor = duckdb.connect(":memory:")
        for schema in ("raw", "staged", "planned", "synced"):
            self.cursor.execute(f"create schema {schema}")
        folders = ["platform/warehouse", *(f"connectors/{name}" for name in ("sopost", "hubspot", "klaviyo"))]
        for folder in (*folders, "connectors/salesforce", "routes/consumers"):
            for path in sorted((ROOT / folder / "sql").glob("*.sql")):
                self.cursor.execute(path.read_text())
        self.db = Db(self.cursor, [("sopost", stream) for stream in STREAMS])
        self.sopost: dict[str, Any] = {}
        self.settings: dict[str, Any] = {"consents": consents()}
        self.crms = crms or {"hubspot": "skip", "klaviyo": "skip"}
        self.at, self.changed, self.events = NOW, 0, 0

    @property
    def run(self) -> Run:
        sopost = SoPostSettings(base_url="https://sopost.example", token=Secret("t", "env:T"), **self.sopost)
        sections: dict[str, SettingsModel] = {"sopost": sopost, "consumers": ConsumersSettings(**self.settings)}
        sections |= {name: Crm(without_consent=how) for name, how in self.crms.items()}
        merchant = Merchant("glow", "Glow", sections=sections)
        warehouse: Any = _Warehouse(self.db)
        return Run(merchant, warehouse, lambda: self.at.replace(tzinfo=UTC), route=NAME)

    def stage(self, *read: str) -> staging.StagedCounts:
        return staging.stage(self.run, read or None)

    def event(self, order_id: str, word: str, at: datetime | None = None, event_id: str | None = None) -> None:
        self.events += 1
        event_id = f"e{self.events}" if event_id is None else event_id
        self.cursor.execute(
            "insert into raw.sopost_events by name select $key as event_key, $seq as seq, $order as order_id, "
            "$id as event_id, $word as event, '' as activity_id, $loose as word, $at::timestamp as received_at",
            {
                **{"key": f"k{self.events}", "seq": self.events, "order": order_id, "id": event_id, "word": word},
                **{"loose": loosely(word), "at": at or self.at},
            },
        )

    def read(self, order_id: str, status: str = "APPROVED", *, body: Any = None, **said: Any) -> None:
        """Store a read of an order, as `connectors.sopost.reading` does.

        Args:
            said: keys of the order; `...` leaves one out, and `raw_...` are columns of the table.
        """
        raw = {key[4:]: said.pop(key) for key in list(said) if key.startswith("raw_")}
        order = {
            **{"id": order_id, "short_id": f"S-{order_id}", "activity_id": "a1", "status": status},
            **{"email": f"{order_id}@example.com", "full_name": "Ada Lovage", "telephone": "+447700900001"},
            **{"identity": f"i-{order_id}", "provider": "Form", "consents": [consent()], "custom_questions": []},
            "line_items": [{"stock_partition_id": "p2"}, {"stock_partition_id": "p1"}],
            "address": {"line_1": "1 Sample Street", "line_2": None, "town": "London", "territory": "GBR"},
            **said,
        }
        text = json.dumps({key: value for key, value in order.items() if value is not ...}) if body is None else body
        settings = self.run.merchant.section(SoPostSettings)
        kept = classify(settings, status) in ("approved", "later") and settings.wants_activity(order["activity_id"])
        self.changed += 1
        known = self.db.row("select first_seen_at, was_approved from raw.sopost_orders where id = ?", [order_id])
        row: dict[str, Any] = {
            **{"system": "sopost", "object": "orders", "id": order_id, "asked_id": order_id, "may_create": True},
            **{"first_seen_at": self.at - timedelta(minutes=1), "first_seen_by": "webhook", "first_class": "approved"},
            "first_event_at": self.at - timedelta(minutes=1),
            "was_approved": classify(settings, status) == "approved" or bool(known and known[1]),
            "body": text if kept else None,
            "body_sha256": hashlib.sha256(text.encode()).hexdigest(),
            **{"status": status, "status_word": loosely(status), "activity_id": order["activity_id"]},
            **{"read_at": self.at, "left_at": self.at, "last_try": "read", "changed": self.changed},
        }
        if row["activity_id"] is ...:
            row["activity_id"] = None
        if known:
            row["first_seen_at"] = known[0]
        row |= raw
        names = ", ".join(f"${name} as {name}" for name in row)
        self.cursor.execute(f"insert or replace into raw.sopost_orders by name select {names}", row)

    def load(self, crm: str = "hubspot", *people: str) -> dict[str, Consumer]:
        """Return people by their addresses: those named, else all with a staged order."""
        keys = list(people) or [
            row[0] for row in self.db.rows("select distinct email_key from staged.sopost_orders where email_key > ''")
        ]
        return {one.person.email_key: one for one in consumers.load(self.run, self.db, crm, keys)}

    def row(self, table: str, key: str) -> dict[str, Any]:
        """Return one row of a table by its first column."""
        (found,) = self.rows(table, key)
        return found

    def rows(self, table: str, key: str | None = None) -> list[dict[str, Any]]:
        names, rows = self.db.columns(f"select * from {table} order by all")
        return [dict(zip(names, row, strict=True)) for row in rows if key is None or row[0] == key]

    def due(self) -> set[tuple[str, str]]:
        return {(row["crm"], row["email_key"]) for row in self.rows("planned.consumers_due")}

    def settled(self) -> None:
        """Have everybody's plan accepted: nobody waits."""
        self.cursor.execute("delete from planned.consumers_due")

    def evidence(self, order_id: str, consent_id: str = NEWS, **columns: Any) -> None:
        """Store that a consent was used at HubSpot."""
        row = {
            **{"evidence_id": f"ev-{order_id}-{consent_id}", "seq": 1, "crm": "hubspot", "target": "1", "lists": "[]"},
            **{"key": "k", "consent_id": consent_id, "data_handler": BRAND, "order_id": order_id, "run_id": "r"},
            **{"state_before": "never", "state_before_at": NOW, "action": "subscribe", "sent_at": NOW},
            "outcome": "accepted",
        }
        self.store("synced.consent_evidence", **{**row, **columns})

    def store(self, table: str, **columns: Any) -> None:
        """Add a row, with those of the columns that the table has."""
        schema, name = table.split(".")
        known = {
            row[0]
            for row in self.db.rows(
                "select column_name from duckdb_columns() where schema_name = ? and table_name = ?", [schema, name]
            )
        }
        told: Mapping[str, Any] = {key: value for key, value in columns.items() if key in known}
        names = ", ".join(f"${key} as {key}" for key in told)
        self.cursor.execute(f"insert into {table} by name select {names}", told)


def words_of(values: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    return [value[name] for value in values]
