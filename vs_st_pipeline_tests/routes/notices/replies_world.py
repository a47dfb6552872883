"""A merchant's file in memory with a parcel that failed and a message about it: what replies and actions are tried on.

The order is read by a fake that stages nothing new, unless a test changes it; Eshopbox answers what a test tells it to;
a message that is sent is only noted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest

import vs_st_pipeline
from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount, GupshupSettings
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.platform.http.client import Heard
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import actions, replies, sources_table
from vs_st_pipeline.routes.notices.messages import notice_id
from vs_st_pipeline.routes.notices.report import new_report
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.stage_names import PUSH
from vs_st_pipeline.routes.notices.systems import NAME

ROOT = Path(vs_st_pipeline.__file__).parent
NOW = datetime(2026, 3, 2, 6)  # 11:30 in India
SENT = NOW - timedelta(hours=2)
FAILED = SENT - timedelta(hours=1)
PHONE, ORDER, UNIT = "+919810000009", "eshopbox:A1", "shipment:eshopbox:S1"
NOTICE = notice_id("kk", UNIT, "failed_delivery", 1)
BUTTONS = json.dumps([{"action": "reattempt", "title": "Reattempt"}, {"action": "cancel", "title": "Cancel"}])
DONE = Heard(200, {"Content-Type": "application/json"}, b'{"status": "success"}')
SECRET = Secret("s", "env:S")
ACCOUNT = GupshupAccount(
    id="client:kk", kind="client", api_key=SECRET, app_name="App", app_id="a1", number="+919810000001"
)


class Killed(BaseException):
    """This process ends here."""


class _Warehouse:
    def __init__(self, db: Db, folder: Path) -> None:
        self.db, self.data_dir = db, folder

    @contextmanager
    def use(self, merchant: str, route: str) -> Iterator[Db]:
        yield self.db
        self.db.flush()

    def folder(self, merchant: str) -> Path:
        return self.data_dir


@dataclass
class Eshopbox:
    """Takes resolutions; `answers` says what is answered, one after the other, then `DONE`."""

    settings: EshopboxSettings
    answers: list[Heard | PipelineError] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    reached: Any = lambda _name: None

    @property
    def http(self) -> Eshopbox:
        return self

    def token(self) -> str:
        return "t"

    def renew(self) -> bool:
        return True

    def post_once(self, call: str, url: str, body: bytes, **_: Any) -> Heard:
        self.reached("request")
        self.calls.append(json.loads(body))
        answer = self.answers.pop(0) if self.answers else DONE
        self.reached("answer")
        if isinstance(answer, PipelineError):
            raise answer
        return answer


class World:
    """One merchant's file; `at` is its clock."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, **notices: Any) -> None:
        self.cursor = duckdb.connect(":memory:", config={"threads": 1})
        for schema in ("raw", "staged", "planned", "synced"):
            self.cursor.execute(f"create schema {schema}")
        for path in sorted((ROOT / "routes/notices/sql").glob("*.sql")):
            self.cursor.execute(path.read_text())
        self.folder, self.at = folder, NOW
        self.db = Db(self.cursor)
        self.eshopbox_settings: dict[str, Any] = {}
        self.notices = {"countries": ("IN",), "accounts": (ACCOUNT,), **notices}
        self.eshopbox = Eshopbox(self._eshopbox())
        self.unreadable: PipelineError | None = None
        self.reads, self.seq = 0, 0
        patch.setattr(sources_table, "read_again", self._read_again)
        patch.setattr(NoticesSession, "eshopbox", property(lambda _: self.eshopbox))
        self.fail()
        self.message()

    def _eshopbox(self) -> EshopboxSettings:
        return EshopboxSettings(
            workspace="kk", workspace_url="https://kk.example", client_id=SECRET, client_secret=SECRET,
            refresh_token=SECRET, **self.eshopbox_settings,
        )  # fmt: skip

    def _read_again(self, session: NoticesSession, merchant_order: str) -> bool:
        self.reads += 1
        if self.unreadable is not None:
            raise self.unreadable
        self.cursor.execute(
            "update staged.notice_orders set read_at = ?, read_real = ? where merchant_order = ?",
            [self.at, time.time(), merchant_order],
        )
        return True

    # --- what is there ------------------------------------------------------------------------------------------------

    def fail(self, unit: str = UNIT, occurrence: int = 1, at: datetime = FAILED, **columns: Any) -> None:
        """Have a parcel fail; its order is staged where it is not there."""
        self.status(unit, "failed_delivery", 40, occurrence, at, **columns)
        if not self.rows("select 1 from staged.notice_orders"):
            self.store(
                "staged.notice_orders", merchant_order=ORDER, source="eshopbox", order_number="A1",
                contact_phone="98100 00009", tracking_id="T1", read_at=at,
                ndr=json.dumps({unit: {"reason": "x", "resolutions": ["ACTF001", "ACTF002", "ACTF003"]}}),
                more=json.dumps({"units": {unit: {"tracking_id": "T1"}}}),
            )  # fmt: skip

    def status(
        self, unit: str, status: str, rank: int, occurrence: int = 1, at: datetime = FAILED, **columns: Any
    ) -> None:
        """Have a parcel reach a status."""
        self.store(
            "staged.journey_events",
            **{
                "unit_key": unit, "status": status, "occurrence": occurrence, "merchant_order": ORDER,
                "source": "eshopbox", "source_status": status, "rank": rank, "ends": rank >= 50, "occurred_at": at,
                "last_at": at, "basis": "read", "first_seen_at": at, "confirmed": True, "in_baseline": False,
                "evidence": "{}", **columns,
            },
        )  # fmt: skip

    def message(self, notice: str = NOTICE, **columns: Any) -> None:
        """Have a message accepted."""
        self.store(
            "synced.notices",
            **{
                "notice_id": notice, "kind": "notice", "unit_key": UNIT, "status": "failed_delivery", "occurrence": 1,
                "merchant_order": ORDER, "order_number": "A1", "state": "delivered", "first_seen_at": SENT,
                "changed_at": SENT, "account": ACCOUNT.id, "destination": PHONE, "buttons": BUTTONS,
                "claimed_at": SENT, "accepted_at": SENT, **columns,
            },
        )  # fmt: skip

    def reply(self, title: str = "Reattempt", message_id: str | None = None, **columns: Any) -> str:
        """Have a button tapped, by its title."""
        self.seq += 1
        message_id = message_id or f"m{self.seq}"
        self.store(
            "staged.replies",
            **{
                "account": ACCOUNT.id, "message_id": message_id, "phone": PHONE, "kind": "button", "button_text": title,
                "at": self.at, "notice_id": NOTICE, "matched_by": "gs_id", "seq": self.seq, **columns,
            },
        )  # fmt: skip
        return message_id

    def ndr(self, unit: str = UNIT, **told: Any) -> None:
        """Have the order say something else of a failed delivery."""
        self.cursor.execute("update staged.notice_orders set ndr = ?", [json.dumps({unit: told})])

    # --- what is done -------------------------------------------------------------------------------------------------

    def session(self, *, writes: bool = True) -> NoticesSession:
        self.eshopbox.settings = self._eshopbox()
        settings = NoticesSettings(**self.notices)
        merchant = Merchant(
            "kk",
            "KapasKraft",
            time_zone=ZoneInfo("Asia/Kolkata"),
            sections={
                "notices": settings,
                "eshopbox": self.eshopbox.settings,
                "gupshup": GupshupSettings(accounts=settings.accounts, selected=settings.accounts[0]),
            },
        )
        warehouse: Any = _Warehouse(self.db, self.folder)
        run = Run(merchant, warehouse, lambda: self.at.replace(tzinfo=UTC), route=NAME)
        return NoticesSession(run, new_report("kk"), (PUSH,) if writes else ())

    def sync(self) -> NoticesSession:
        """Judge the replies and take the actions that are due."""
        session = self.session()
        replies.judge(session)
        actions.perform(session)
        return session

    # --- what is found ------------------------------------------------------------------------------------------------

    def store(self, table: str, **row: Any) -> None:
        names = ", ".join(f'"{name}"' for name in row)
        self.cursor.execute(f"insert into {table} ({names}) values ({', '.join('?' * len(row))})", [*row.values()])

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        return self.cursor.execute(sql, params).fetchall()

    def outcomes(self) -> list[str | None]:
        return [row[0] for row in self.rows("select outcome from staged.replies order by seq")]

    def states(self) -> list[str]:
        return [row[0] for row in self.rows("select state from synced.actions order by attempt")]

    def told(self) -> list[tuple[str, str | None]]:
        return self.rows("select what, mode from staged.activity order by seq")

    @property
    def codes(self) -> list[str]:
        return [call["resolutionCode"] for call in self.eshopbox.calls]


def simple(**attributes: Any) -> Any:
    return SimpleNamespace(**attributes)
