"""Merchants who share an account, without sockets: a file in memory each, one data folder, a real inbox, a Gupshup that
only counts what has left. What the sender does between its places is done here by the same functions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

import vs_st_pipeline
from vs_st_pipeline.connectors.gupshup.hooks import read
from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import ledger, recovery
from vs_st_pipeline.routes.notices.account import claims, copying, taking
from vs_st_pipeline.routes.notices.account.claim import Claim, Held
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.messages import Message, notice_id
from vs_st_pipeline.routes.notices.report import NoticesReport, new_report
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.settings import Cap, NoticesSettings
from vs_st_pipeline.routes.notices.systems import GUPSHUP, NAME
from vs_st_pipeline.routes.notices.words import MessageKind

ROOT = Path(vs_st_pipeline.__file__).parent
NOON = datetime(2026, 3, 1, 12)
ASHA, RAVI = "+919810000111", "+919810000222"
CAP = Cap()


class PowerCut(BaseException):
    """The process is gone here: nothing after this place was done."""


def account(kind: str = "house", **more: Any) -> GupshupAccount:
    """Return the house's account, or that of merchant `one`."""
    id = "eshopbox-house" if kind == "house" else "client:one"
    values: dict[str, Any] = {"daily_recipients": None, **more}
    return GupshupAccount(
        id=id, kind=kind, api_key=Secret("key", "env:K"), app_name="App", app_id="a1", number="+919810000001", **values
    )


def message(of: GupshupAccount, unit: str = "shipment:eshopbox:s1", *, merchant: str = "one", **more: Any) -> Message:
    """Return the message of a failed delivery."""
    values: dict[str, Any] = {
        "kind": MessageKind.NOTICE, "phone": ASHA, "text": "Hi", "template_id": "t1", "category": "UTILITY",
        "unit_key": unit, "status": "failed_delivery", "occurrence": 1, "merchant_order": f"eshopbox:{unit}",
        "order_number": unit, "consent": {"source": "eshopbox_flag", "state": "in", "at": NOON.isoformat()}, **more,
    }  # fmt: skip
    id = notice_id(merchant, values["unit_key"], values["status"], values["occurrence"])
    return Message(notice_id=values.pop("notice_id", id), account=of, **values)


class _Warehouse:
    def __init__(self, folder: Path) -> None:
        self.data_dir, self.pace_dir = folder, folder / "pace"
        self.dbs: dict[str, Db] = {}

    def db(self, merchant: str) -> Db:
        if merchant not in self.dbs:
            cursor = duckdb.connect(":memory:")
            for schema in ("raw", "staged", "planned", "synced"):
                cursor.execute(f"create schema {schema}")
            for sql in sorted((ROOT / "routes/notices/sql").glob("*.sql")):
                cursor.execute(sql.read_text())
            self.dbs[merchant] = Db(cursor)
        return self.dbs[merchant]

    @contextmanager
    def use(self, merchant: str, route: str) -> Iterator[Db]:
        yield self.db(merchant)

    @contextmanager
    def sync_lock(self, *_: Any, **__: Any) -> Iterator[None]:
        yield

    def folder(self, merchant: str) -> Path:
        found = self.data_dir / "merchants" / merchant
        found.mkdir(parents=True, exist_ok=True)
        return found


@dataclass
class Office:
    """All of them. at: the clock. sent: notice ids that have left, in order."""

    path: Path
    account: GupshupAccount = field(default_factory=account)
    at: datetime = NOON
    sent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self.warehouse = _Warehouse(self.path)
        self.inbox = Inbox(self.path)

    def run(self, merchant: str = "one") -> Run:
        """Return a run of a merchant."""
        settings = NoticesSettings(countries=("IN",), accounts=(self.account,))
        sections = {"notices": settings, "gupshup": settings.gupshup()}
        found = Merchant(merchant, merchant.title(), sections=sections, give_up_after=timedelta(seconds=2))
        warehouse: Any = self.warehouse
        return Run(found, warehouse, lambda: self.at.replace(tzinfo=UTC), route=NAME, inbox=self.inbox)

    def store(self, merchant: str = "one") -> AccountStore:
        """Return the account's file, for a merchant."""
        return AccountStore.of(self.run(merchant), self.account)

    def session(self, merchant: str = "one") -> NoticesSession:
        """Return a session of a merchant."""
        run = self.run(merchant)
        return NoticesSession(run, new_report(merchant, run.run_id))

    def sync(self, merchant: str = "one") -> NoticesReport:
        """Do what a sync does with the account before it judges anything."""
        session = self.session(merchant)
        recovery.begin(session)
        taking.take(session, self.account)
        copying.copy(session, self.account)
        session.close()
        return session.told

    def claim(self, what: Message, merchant: str = "one", **more: Any) -> Claim | Held:
        """Claim a message."""
        values: dict[str, Any] = {"now": self.at, "cap": CAP, "is_stop": taking.is_stop(self.store(merchant)), **more}
        return claims.claim(self.store(merchant), what, inbox=self.inbox, **values)

    def send(self, what: Message, answer: str | None = "m1", merchant: str = "one") -> str:
        """Do what the sender does for one message; `answer`: its message id, None: no answer. Returns the state."""
        run, store = self.run(merchant), self.store(merchant)
        with run.open() as db, db.transaction():
            if not ledger.about_to_send(db, run, what):
                return "out"
        found = self.claim(what, merchant)
        if isinstance(found, Held):
            with run.open() as db, db.transaction():
                ledger.held(db, run, what.notice_id, found.reason, until=found.until)
            return found.reason
        if found.is_mine:
            self.sent.append(what.notice_id)
            state = "accepted" if answer is not None else "unknown"
            found = claims.settle(store, what.notice_id, state, now=self.at, message_id=answer)
        with run.open() as db, db.transaction():
            ledger.from_claim(db, run, found, self.account)
        return found.state

    def later(self, **spent: float) -> None:
        """Let time pass, by VS_ST_NOW."""
        self.at += timedelta(**spent)

    # --- what Gupshup calls --------------------------------------------------------------------------------------

    def call(self, kind: str, payload: dict[str, Any], *, app: str = "App", at: datetime | None = None) -> None:
        """Have a callback come into the inbox."""
        envelope = {"app": app, "timestamp": _ms(at or self.at), "version": 2, "type": kind, "payload": payload}
        self.body(json.dumps(envelope).encode())

    def body(self, body: bytes) -> None:
        """Have any body come into the inbox."""
        name = self.account.inbox_name
        at = self.at.replace(tzinfo=UTC).isoformat()
        self.inbox.put([Arrival(name, GUPSHUP, one, (NAME,), at) for one in read(body)])

    def receipt(self, kind: str, gs_id: str | None, id: str | None = None, phone: str = ASHA, **more: Any) -> None:
        """Have a receipt come: `enqueued` and `failed` by Gupshup's id, the others by WhatsApp's."""
        at = more.pop("at", self.at)
        own = id or (gs_id if kind in ("enqueued", "failed") else f"wa-{gs_id}")
        payload = {"id": own, "gsId": gs_id, "type": kind, "destination": phone[1:], "payload": {"ts": _ms(at), **more}}
        self.call("message-event", {name: value for name, value in payload.items() if value is not None}, at=at)

    def reply(self, id: str, text: str = "", phone: str = ASHA, **more: Any) -> None:
        """Have a reply come: a text, or with `button` a tap; `postback`, `gs_id`, `wa_id` as it quotes them."""
        at, button = more.get("at", self.at), more.get("button")
        inner = {"text": text or button or "", **({"type": "button"} if button else {})}
        if more.get("postback"):
            inner["postbackText"] = more["postback"]
        kind = more.get("kind") or ("quick_reply" if button else "text")
        context = {"id": more.get("wa_id"), "gsId": more.get("gs_id")}
        payload = {
            "id": id, "source": phone[1:], "type": kind, "payload": inner,
            "context": {name: value for name, value in context.items() if value},
        }  # fmt: skip
        self.call("message", payload, at=at)

    # --- what stands ---------------------------------------------------------------------------------------------

    def rows(self, sql: str, *params: Any, merchant: str = "one") -> list[Any]:
        """Ask a merchant's database."""
        found = self.warehouse.db(merchant).rows(sql, list(params))
        return [row[0] for row in found] if found and len(found[0]) == 1 else found

    def of_account(self, sql: str, *params: Any) -> list[Any]:
        """Ask the account's file."""
        with self.store().read() as db:
            found = [tuple(row) for row in db.execute(sql, params)]
        return [row[0] for row in found] if found and len(found[0]) == 1 else found

    def state(self, what: Message, merchant: str = "one") -> tuple[str | None, str | None]:
        """Return how a message stands in the ledger, and by its claim."""
        found = claims.find(self.store(merchant), what.notice_id)
        rows = self.rows("select state from synced.notices where notice_id = ?", what.notice_id, merchant=merchant)
        return (rows[0] if rows else None), (None if found is None else str(found.state))

    def lose_database(self, merchant: str = "one") -> None:
        """Lose a merchant's database."""
        self.warehouse.dbs.pop(merchant)

    def lose_account(self) -> None:
        """Lose the account's file, but not the evidence beside it."""
        for file in (self.path / "accounts" / self.account.id).glob("account.sqlite*"):
            file.unlink()


def as_retry(what: Message, **more: Any) -> Message:
    """Return the same message with other values."""
    return replace(what, **more)


def _ms(at: datetime) -> int:
    return int(at.replace(tzinfo=UTC).timestamp() * 1000)
