"""Tells the shop how each order stands, by app-sync messages on the order (orders.md 7.4; rulings, orders 6).

Data flow: the ledger, notes -> news against synced.order_messages -> `POST /app-sync` -> synced.order_messages.

What is told is news against what was told last, so that nothing is told twice, and reading an order anew tells nothing.
Of several news the newest goes, and one `Error` for each alerted note besides. A message whose answer said nothing is
looked for before it is told again. Where it is not known what was told (the ledger was lost), the shop is asked first.

It is long because what was told, what may be told again and what is only asked are decided for one order together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from vs_st_pipeline.connectors.commerce7 import reading, writing
from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.single_reads import gap_after
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import app_messages, ledger, outbox, rules
from vs_st_pipeline.routes.orders.after_sent import CHANGED
from vs_st_pipeline.routes.orders.app_messages import Message
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.outbox import Outcome
from vs_st_pipeline.routes.orders.states import ALERTED_NOTES, State
from vs_st_pipeline.routes.orders.systems import SHOP

if TYPE_CHECKING:
    from vs_st_pipeline.routes.orders.session import OrdersSession

NO_MESSAGES: Final = "no_messages"
BEFORE_START: Final = "before_start"
PROMPT: Final = timedelta(minutes=15)
"""An order that was first seen later than this after it was paid may have been told of before a loss."""
AGAIN: Final = frozenset({"tracking_changed"})
"""Alerted notes that are told again when they say something else; `changed_after_sent` goes by its hash."""
EVERY: Final = 200
_DOWN: Final = "messages_refused"  # fact: how often messages were refused as such, and when they are tried again


@dataclass(frozen=True, slots=True)
class _Told:
    """What was last told of an order; `said` as `app_messages.news_of` makes it, with what notes said."""

    said: Mapping[str, Any]
    first_line: str
    status: str
    attempts: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class News:
    """What there is to tell of an order: messages in order, and what will have been said by all of them."""

    row: OrderRow
    messages: tuple[Message, ...]
    said: dict[str, Any]
    is_known: bool


def tell(session: OrdersSession, only: Collection[str] | None = None) -> None:
    """Tell the shop what is new, oldest paid first.

    Args:
        only: ids of the orders that this run is about; None: all.

    Raises:
        PipelineError: the shop cannot be asked, or does not accept the key.
    """
    if not session.writes or session.settings.messages == "off":
        return
    run = session.run
    with run.open() as db:
        if not _may_be_tried(run.now(), db):
            return
        news = list(_all_news(session, db, only))
    desk = _Desk(session)
    for place, one in enumerate(news, 1):
        if not desk.tell(one):
            break
        if place % EVERY == 0:
            run.progress(f"messages {place} of {len(news)}")
        if run.gives_way():  # a hinted order is not to wait until all of a club are told (R63)
            break


def plan(session: OrdersSession, db: Db, to_send: Collection[str] = (), only: Collection[str] | None = None) -> int:
    """Store what would be told as planned, inside the caller's transaction; returns how many messages.

    Args:
        to_send: ids of the orders that are to be sent: each will have something to tell by it.
    """
    settings, run = session.settings, session.run
    if settings.messages == "off":
        return 0
    count = 0
    found = {one.row.order_id: one for one in _all_news(session, db, only)}
    for order_id, one in found.items():
        says = {"status": one.messages[-1].status, "issues": list(one.messages[-1].issues)}
        db.execute(
            "insert or replace into planned.commerce7_orders values (?, 'message', ?, ?, ?)",
            [order_id, json.dumps(says), run.run_id, run.now()],
        )
        count += len(one.messages)
    return count + len(set(to_send) - found.keys())


def read_back(session: OrdersSession, order_id: str) -> str | None:
    """Return the first line of what our app said last of an order at the shop; None: it said nothing (4.1, `dont_send`).

    What is found is kept as told, so that no message asks the same again.

    Raises:
        PipelineError: the shop does not say it; with 403 or 404 the app may not read messages.
    """
    last = _last_attempt(session, order_id)
    with session.run.open() as db, db.transaction():
        if not db.value("select 1 from synced.order_messages where order_id = ?", [order_id]):
            _keep_seen(session, db, order_id, last)
    return None if last is None else last.first_line


# --- what is new --------------------------------------------------------------------------------------------------


def _all_news(session: OrdersSession, db: Db, only: Collection[str] | None) -> Iterator[News]:
    ships = "s.delivery_method is not null and lower(s.delivery_method) = 'ship'"
    shipping_only = session.settings.messages == "shipping"
    rows = ledger.read(
        db,
        f"""order_id in (
            select o.order_id from synced.orders as o left join synced.order_messages as m using (order_id)
            where o.state not in ('waiting', 'sending') and o.code is distinct from '{BEFORE_START}'
              and (m.next_at is null or m.next_at <= $now)
              and (m.order_id is null or m.said ->> '$.state' is distinct from o.state
                   or m.said ->> '$.code' is distinct from o.code
                   or m.said ->> '$.stage' is distinct from case when o.state = 'sent' then o.stage end
                   or o.order_id in (select order_id from synced.order_notes
                                     where list_contains($alerted::varchar[], note))))
            and order_id not in (select id from raw.commerce7_orders where gone_at is not null)
            {f"and order_id in (select order_id from staged.shop_orders as s where {ships})" if shipping_only else ""}""",
        {"now": session.run.now(), "alerted": list(ALERTED_NOTES)},
    )
    rows = [row for row in rows if only is None or row.order_id in only]
    noted, told = ledger.notes_of(db, [row.order_id for row in rows]), _told(db)
    for row in rows:
        found = news_of(session, db, row, noted.get(row.order_id, {}), told.get(row.order_id))
        if found is not None:
            yield found


def news_of(
    session: OrdersSession, db: Db, row: OrderRow, noted: Mapping[str, str], told: _Told | None
) -> News | None:
    """Return what there is to tell of an order, None: nothing."""
    now = app_messages.news_of(row, noted)
    if not app_messages.words(row):
        return None
    now["notes"] = {word: _mark(db, row, word, noted[word]) for word in now["notes"]}
    before = told.said if told else {}
    code_says = rules.sentence(row.code, json.loads(row.says or "{}")) if row.code else ""
    numbers = _numbers(db, row)
    messages: list[Message] = []
    if any(now[part] != before.get(part) for part in ("state", "code", "stage")):
        messages.append(app_messages.of_state(row, code_says, numbers))
    known: Mapping[str, Any] = before.get("notes") or {}
    for word, mark in now["notes"].items():
        if word not in known or (word in {*AGAIN, CHANGED} and known[word] != mark):
            if word == CHANGED and mark == row.told_changes:
                continue  # once per hash (6.5)
            messages.append(app_messages.of_note(row, word, noted[word], code_says, numbers))
    return News(row, tuple(messages), now, told is not None) if messages else None


def _mark(db: Db, row: OrderRow, word: str, says: str) -> str:
    """Return what tells one saying of a note from another."""
    if word == CHANGED:
        return str(db.value("select sent_hash from staged.shop_orders where order_id = ?", [row.order_id]))
    return hashlib.sha256(says.encode()).hexdigest()[:16]


def _numbers(db: Db, row: OrderRow) -> list[str]:
    packages = db.value("select packages from staged.shipments where vs_number = ?", [row.vs_number])
    told = [one.get("tracking_number") for one in json.loads(packages or "[]")]
    return list(dict.fromkeys(number for number in told if number))


# --- what was told ------------------------------------------------------------------------------------------------


def _told(db: Db) -> dict[str, _Told]:
    return {
        order_id: _Told(json.loads(said), first_line, status, attempts, next_at)
        for order_id, said, first_line, status, attempts, next_at in db.rows(
            "select order_id, said, first_line, status, attempts, next_at from synced.order_messages"
        )
    }


def _keep_told(
    session: OrdersSession, db: Db, order_id: str, said: Mapping[str, Any], first_line: str, status: str
) -> None:
    db.execute(
        """insert or replace into synced.order_messages
               (order_id, said, first_line, status, told_at, attempts, next_at, refused)
           values ($id, $said, $first, $status, $now, 0, null, false)""",
        {
            "id": order_id, "said": json.dumps(said), "first": first_line, "status": status,
            "now": session.run.now(),
        },
    )  # fmt: skip


def _keep_seen(session: OrdersSession, db: Db, order_id: str, last: Message | None) -> None:
    """Keep what the shop shows of our last message: it is compared with what there is to tell."""
    issues = list(last.issues) if last else []
    _keep_told(session, db, order_id, {"seen": issues}, issues[0] if issues else "", last.status if last else "")


def _last_attempt(session: OrdersSession, order_id: str) -> Message | None:
    """Return what our app said last of an order, as the shop has it; None: nothing."""
    app = session.run.merchant.section(Commerce7Settings).app_id.reveal()
    attempts = [
        attempt
        for one in reading.app_syncs(session.shop, order_id)
        if one.get("appId") == app
        for attempt in one.get("attempts") or ()
        if isinstance(attempt, dict)
    ]
    if not attempts:
        return None
    last = max(enumerate(attempts), key=lambda pair: (str(pair[1].get("activityDate") or ""), pair[0]))[1]
    issues = tuple(_issue(one) for one in last.get("issues") or ())
    return Message(str(last.get("status") or ""), issues) if issues else None


def _issue(one: Any) -> str:
    return str(one.get("issue") or "") if isinstance(one, dict) else str(one)


def _may_be_tried(now: datetime, db: Db) -> bool:
    refused = ledger.fact(db, _DOWN)
    return not refused or str(refused.get("next_at") or "") <= now.isoformat()


def is_after_loss(session: OrdersSession, db: Db) -> bool:
    """Say whether the ledger is not the one that the last run left: it was lost, or an older one was put back."""
    last = read_status(session.run.warehouse.data_dir, session.run.merchant.id, session.run.route).last
    if last is None or not last.run_id:
        return False
    known = ledger.fact(db, LAST_RUN)
    return known is None or last.run_id[:_TIME] > str(known)[:_TIME] or bool(ledger.fact(db, _LOST))


def note_run(session: OrdersSession) -> None:
    """Keep which run has seen this ledger last, at the end of each run."""
    run = session.run
    with run.open() as db:
        lost = is_after_loss(session, db)
        with db.transaction():
            if lost and not ledger.fact(db, _LOST):
                ledger.keep_fact(db, run, _LOST, True)
            ledger.keep_fact(db, run, LAST_RUN, run.run_id)


# --- telling ------------------------------------------------------------------------------------------------------


class _Desk:
    """Tells orders one by one, until the shop takes no messages."""

    def __init__(self, session: OrdersSession, *, after_loss: bool) -> None:
        self.session, self.run, self.after_loss = session, session.run, after_loss
        self.refused = 0  # in a row, as such

    def tell(self, news: News) -> bool:
        """Tell what is new of one order; False: no message can be told in this sync any more."""
        try:
            return self._tell(news)
        except PipelineError as error:
            if not _is_refusal(error):
                raise
            return self._no_messages(news.row.order_id, error.http_status)

    def _tell(self, news: News) -> bool:
        row = news.row
        with self.run.open() as db:
            unknown = next(reversed(outbox.open_writes(db, (outbox.MESSAGE,), row.order_id)), None)
        if unknown is not None and self._settle(unknown, last_look=True):
            return self._again(row)
        if self._asks_first(news):
            last = _last_attempt(self.session, row.order_id)
            with self.run.open() as db, db.transaction():
                _keep_seen(self.session, db, row.order_id, last)
            return self._again(row)
        for message, said in zip(news.messages, news.steps, strict=True):
            if not self._send(row, message, said):
                return False
            with self.run.open() as db:
                if outbox.open_writes(db, (outbox.MESSAGE,), row.order_id):
                    return True  # in doubt: the others wait
        return True

    def _again(self, row: OrderRow) -> bool:
        """Tell what is new of an order now that it is known what was told before."""
        with self.run.open() as db:
            noted = ledger.notes_of(db, [row.order_id]).get(row.order_id, {})
            told = _told(db, row.order_id).get(row.order_id)
            found = news_of(self.session, db, row, noted, told)
        return True if found is None or told is None else self._tell(found)

    def _asks_first(self, news: News) -> bool:
        """Say whether it has to be asked first what was told: after a loss (rulings, orders 6)."""
        row = news.row
        if "seen" in news.before:
            return False
        if news.is_known:
            return self.after_loss and row.order_id not in self.asked
        late = row.first_seen_at - row.paid_at > PROMPT
        return self.after_loss or late or news.is_adopted
