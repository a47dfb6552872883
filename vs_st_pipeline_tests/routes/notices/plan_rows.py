"""A merchant's file in memory, its staged rows written by hand, and an account's file: what planning is tried on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest

import vs_st_pipeline
from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount, GupshupSettings, TemplateParam, TemplateSettings
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.forms import OwnFile
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import planning, sources_table, status_map
from vs_st_pipeline.routes.notices.report import new_report
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.settings import NoticesSettings, NotificationSettings
from vs_st_pipeline.routes.notices.systems import NAME

ROOT = Path(vs_st_pipeline.__file__).parent
NOW = datetime(2026, 5, 20, 10)  # 15:30 in India
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WANTED = TemplateSettings(id="t1", params=(TemplateParam(variable="customer_name"),), buttons=("reattempt",))
STATUSES = status_map.read(OwnFile())
KEYS = ("created", "packed", "on_the_way", "failed_delivery", "delivered")
PHONE = "+919810000001"
CLIENT = GupshupAccount.model_construct(
    id="client:kk", kind="client", templates={}, daily_recipients=1000, number="+919810000099", base_url="https://x",
    charges_confirmed=None,
)  # fmt: skip


class _Warehouse:
    def __init__(self, db: Db, folder: Path) -> None:
        self.db, self.data_dir, self.pace_dir = db, folder, folder / "pace"

    @contextmanager
    def use(self, merchant: str, route: str) -> Iterator[Db]:
        yield self.db
        self.db.flush()

    def folder(self, merchant: str) -> Path:
        (self.data_dir / merchant).mkdir(exist_ok=True)
        return self.data_dir / merchant


class World:
    """One merchant; `at` is its clock, `complete` says whether all sources were read to their end once.

    `sources` says so of each that it has after the start.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cursor = duckdb.connect(":memory:", config={"threads": 1})
        for schema in ("raw", "staged", "planned", "synced"):
            self.cursor.execute(f"create schema {schema}")
        for part in ("platform/warehouse", "routes/notices"):
            for path in sorted((ROOT / part / "sql").glob("*.sql")):
                self.cursor.execute(path.read_text())
        self.db, self.at, self.complete = Db(self.cursor), NOW, True
        self.accounts: tuple[GupshupAccount, ...] = (CLIENT,)
        self.more: dict[str, Any] = {}
        self.runs: dict[str, Any] = {}
        self.only: frozenset[str] | None = None
        self.sources: dict[str, bool] = {"eshopbox": True}
        self.warehouse: Any = _Warehouse(self.db, folder)
        self.hinted: list[str] = []
        self.read_again: list[str] = []
        monkeypatch.setattr(sources_table, "is_complete", lambda session: self.complete)
        monkeypatch.setattr(sources_table, "complete", lambda session: dict(self.sources))
        monkeypatch.setattr(sources_table, "hint", lambda session, orders: self.hinted.extend(orders))
        monkeypatch.setattr(sources_table, "read_again", self._read_again)

    def begin(self, ago: timedelta = 5 * DAY) -> None:
        """Let the merchant have begun a while ago, with nothing there."""
        now, self.at = self.at, self.at - ago
        self.plan()
        self.at = now

    def session(self) -> NoticesSession:
        base = {
            "countries": ("IN",),
            "notifications": {key: NotificationSettings(enabled=True, template=WANTED) for key in KEYS},
        }
        selected = self.accounts[0] if self.accounts else None
        merchant = Merchant(
            "kk", "KapasKraft", time_zone=ZoneInfo("Asia/Kolkata"),
            sections={
                "notices": NoticesSettings(**{**base, **self.more}),
                "gupshup": GupshupSettings.model_construct(accounts=self.accounts, selected=selected),
            },
        )  # fmt: skip
        run = Run(merchant, self.warehouse, lambda: self.at.replace(tzinfo=UTC), route=NAME, **self.runs)
        return NoticesSession(run, new_report("kk"), only=self.only)

    def _read_again(self, session: NoticesSession, merchant_order: str) -> bool:
        self.read_again.append(merchant_order)
        self.cursor.execute(
            "update staged.notice_orders set read_at = ?, read_real = ? where merchant_order = ?",
            [self.at, time.time(), merchant_order],
        )
        return True

    # --- what is staged ---------------------------------------------------------------------------------------------

    def store(self, table: str, **columns: Any) -> None:
        names = ", ".join(f'"{name}"' for name in columns)
        verb = "insert" if table == "staged.consents" else "insert or replace"  # the one table without a key
        self.cursor.execute(
            f"{verb} into {table} ({names}) values ({', '.join('?' * len(columns))})", [*columns.values()]
        )

    def order(self, number: int = 1, **columns: Any) -> str:
        key = f"eshopbox:{number}"
        first = {
            "source": "eshopbox", "order_number": f"KK{number}", "placed_at": self.at - 2 * DAY, "country": "IN",
            "items": json.dumps([{"unit_key": None, "title": "Shirt", "quantity": 1}]), "whatsapp_flag": True,
            "read_at": self.at, "read_real": time.time(),
        }  # fmt: skip
        recipient = {"phone": PHONE, "name": "Asha Rao", "phone_raw": PHONE, "country": "IN", "phone_fault": None}
        own = {name: columns.pop(name) for name in tuple(columns) if name in recipient}
        self.store("staged.notice_orders", merchant_order=key, **(first | columns))
        self.store("staged.recipients", merchant_order=key, zones=["Asia/Kolkata"], **(recipient | own))
        return key

    def event(self, status: str = "packed", number: int = 1, ago: timedelta = HOUR, **columns: Any) -> None:
        """Stage a status of the order's shipment, or of the order itself."""
        meaning = STATUSES.of_key[status]
        at = self.at - ago
        first = {
            "unit_key": f"{'order' if status == 'created' else 'shipment'}:eshopbox:{number}", "occurrence": 1,
            "merchant_order": f"eshopbox:{number}", "source": "eshopbox", "source_status": status,
            "rank": meaning.rank, "ends": meaning.ends, "occurred_at": at, "last_at": at, "basis": "read",
            "first_seen_at": at, "confirmed": True, "in_baseline": False,
        }  # fmt: skip
        self.store("staged.journey_events", status=status, **(first | columns))

    def parcel(self, number: int = 1, status: str = "packed", **columns: Any) -> None:
        """Stage an order and a status of it."""
        self.order(number, **columns)
        self.event(status, number)

    def parcels(self, count: int, start: int = 1) -> None:
        """Stage many orders, each with a phone of its own and a packed shipment."""
        self.parcel(start)
        first = f"eshopbox:{start}"
        number = f"cast({start} + i as varchar)"
        for table, changes in (
            ("notice_orders", f"'eshopbox:' || {number} as merchant_order, 'KK' || {number} as order_number"),
            ("recipients", f"'eshopbox:' || {number} as merchant_order, '+91981' || lpad({number}, 7, '0') as phone"),
            (
                "journey_events",
                f"'eshopbox:' || {number} as merchant_order, 'shipment:eshopbox:' || {number} as unit_key",
            ),
        ):
            self.cursor.execute(
                f"""insert or replace into staged.{table} select t.* replace ({changes})
                    from staged.{table} as t, range({count}) as r(i) where merchant_order = ?""",
                [first],
            )

    def list_templates(self, status: str = "APPROVED") -> None:
        """Have the account's list say that the template is there."""
        with self.session().store(CLIENT).write() as db:
            db.execute(
                """insert or replace into templates (template_id, status, category, type, data, buttons, read_at, gone)
                   values ('t1', ?, 'UTILITY', 'TEXT', 'Hi {{1}}', ?, ?, 0)""",
                [status, json.dumps([{"type": "QUICK_REPLY", "text": "Again"}]), self.at.isoformat()],
            )
            db.execute(
                "insert or replace into facts values ('templates_read', ?, ?)", [repr(time.time()), self.at.isoformat()]
            )

    # --- what is done -----------------------------------------------------------------------------------------------

    def plan(self) -> NoticesSession:
        """Plan as of now, with a list of templates that is fresh."""
        self.list_templates()
        session = self.session()
        planning.plan(session)
        return session

    def verdicts(self) -> dict[str, str]:
        """Return what the plan says, by order number and status: the reason, or `due`."""
        rows = self.db.rows("select order_number, status, occurrence, coalesce(reason, verdict) from planned.notices")
        return {f"{row[0]} {row[1]}" + (f" {row[2]}" if row[2] > 1 else ""): row[3] for row in rows}

    def ledger(self) -> dict[str, tuple[str, str | None]]:
        rows = self.db.rows("select order_number, status, state, reason from synced.notices")
        return {f"{row[0]} {row[1]}": (row[2], row[3]) for row in rows}

    def sent(self, number: int, status: str = "packed", state: str = "delivered", ago: timedelta = HOUR) -> None:
        """Let a notice have gone out."""
        at = self.at - ago
        self.cursor.execute(
            """update synced.notices set state = ?, claimed_at = ?, accepted_at = ?, destination = ?
               where order_number = ? and status = ?""",
            [state, at, at, PHONE, f"KK{number}", status],
        )


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A merchant that began five days ago."""
    made = World(tmp_path, monkeypatch)
    made.begin()
    return made
