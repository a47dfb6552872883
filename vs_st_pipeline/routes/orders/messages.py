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
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from vs_st_pipeline.connectors.commerce7 import reading, writing
from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.order_desk import NotReached, RefusedWrite, UnknownOutcome
from vs_st_pipeline.domain.single_reads import gap_after
from vs_st_pipeline.pipeline.status_file import read_status
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import app_messages, ledger, outbox, rules
from vs_st_pipeline.routes.orders.after_sent import CHANGED
from vs_st_pipeline.routes.orders.app_messages import Message
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.outbox import Outcome, Write
from vs_st_pipeline.routes.orders.rows import put
from vs_st_pipeline.routes.orders.states import ALERTED_NOTES
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
MOST_REFUSED: Final = 2  # messages in a row that our app may not leave; then it may leave none
_IN_DOUBT: Final = object()  # whether a message was taken is not known, or this order's was refused: it waits
_TIME: Final = len("20261201T000000")  # of a run's id
_LAST_RUN: Final = "last_run"  # fact: the run that has seen this ledger last
_LOST: Final = "messages_lost"  # fact: what was told before is not known for certain
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
    """What there is to tell of an order.

    Attributes:
        steps: messages in order, and what will have been said by each and those before it.
        told: what was told before; None: that is not known. is_adopted: the order was found at the shipper.
    """

    row: OrderRow
    steps: tuple[tuple[Message, dict[str, Any]], ...]
    told: _Told | None
    is_adopted: bool


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
        after_loss = is_after_loss(session, db)
    desk = _Desk(session, after_loss=after_loss)
    for place, one in enumerate(news, 1):
        if not desk.tell(one):
            return
        if place % EVERY == 0:
            run.progress(f"messages {place} of {len(news)}")
        if run.gives_way():  # a hinted order is not to wait until all of a club are told (R63)
            return
    if after_loss and only is None:
        with run.open() as db, db.transaction():
            ledger.keep_fact(db, run, _LOST, False)
            ledger.keep_fact(db, run, _LAST_RUN, run.run_id)


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
        told = [message for message, _ in one.steps if message.first_line]
        if not told:
            continue
        says = {"status": told[-1].status, "issues": list(told[-1].issues)}
        db.execute(
            "insert or replace into planned.commerce7_orders values (?, 'message', ?, ?, ?)",
            [order_id, json.dumps(says), run.run_id, run.now()],
        )
        count += len(told)
    return count + len(set(to_send) - found.keys())


def read_back(session: OrdersSession, order_id: str) -> str | None:
    """Return the first line of what our app said last of an order at the shop; None: it said nothing.

    It is asked where "Don't Send" may have been said before a loss (4.1). What is found is kept as told, so that no
    message asks the same again.

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
    ships = "lower(delivery_method) = 'ship'"
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
            and ({not shipping_only} or order_id in (select order_id from staged.shop_orders where {ships}))""",
        {"now": session.run.now(), "alerted": list(ALERTED_NOTES)},
    )
    rows = [row for row in rows if only is None or row.order_id in only]
    noted, told = ledger.notes_of(db, [row.order_id for row in rows]), _told(db)
    for row in rows:
        found = news_of(db, row, noted.get(row.order_id, {}), told.get(row.order_id))
        if found is not None:
            yield found


def news_of(db: Db, row: OrderRow, noted: Mapping[str, str], told: _Told | None) -> News | None:
    """Return what there is to tell of an order, None: nothing."""
    if not app_messages.words(row):
        return None
    now = app_messages.news_of(row, noted)
    marks = {word: _mark(db, row, word, noted[word]) for word in now["notes"]}
    before: Mapping[str, Any] = told.said if told else {}
    seen = before.get("seen") or ()
    code_says = rules.sentence(row.code, json.loads(row.says or "{}")) if row.code else ""
    numbers = _numbers(db, row)
    steps: list[tuple[Message, dict[str, Any]]] = []
    # What was told of notes that do not last any more is forgotten: they are news if they come back.
    said = {**now, "notes": {word: mark for word, mark in (before.get("notes") or {}).items() if word in marks}}
    if any(now[part] != before.get(part) for part in ("state", "code", "stage")):
        message = app_messages.of_state(row, code_says, numbers)
        if not (seen and seen[0] == message.first_line):
            steps.append((message, dict(said)))
    for word, mark in marks.items():
        known = said["notes"].get(word)
        said = {**said, "notes": {**said["notes"], word: mark}}
        if known is not None and (known == mark or word not in {*AGAIN, CHANGED}):
            continue
        message = app_messages.of_note(row, word, noted[word], code_says, numbers)
        if (word == CHANGED and mark == row.told_changes) or message.issues[1] in seen:
            continue  # once per hash (6.5); or told before a loss
        steps.append((message, said))
    if not steps and said != before:  # nothing to tell, and that is to be remembered
        steps.append((Message("", ("",)), said))
    return News(row, tuple(steps), told, "adopted" in noted) if steps else None


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


def _told(db: Db, order_id: str | None = None) -> dict[str, _Told]:
    return {
        row[0]: _Told(json.loads(row[1]), *row[2:])
        for row in db.rows(
            """select order_id, said, first_line, status, attempts, next_at from synced.order_messages
               where $id is null or order_id = $id""",
            {"id": order_id},
        )
    }


def _keep_told(
    session: OrdersSession, db: Db, order_id: str, said: Mapping[str, Any], first_line: str, status: str
) -> None:
    row = {
        "order_id": order_id, "said": json.dumps(said), "first_line": first_line, "status": status,
        "told_at": session.run.now(), "attempts": 0, "next_at": None, "refused": False,
    }  # fmt: skip
    put(db, "synced.order_messages", "order_id", row)


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
        if one.get("appId") in (app, None)  # where no app is named, none can be told from ours
        for attempt in _attempts_in(one)
    ]
    if not attempts:
        return None
    last = max(enumerate(attempts), key=lambda pair: (_at(pair[1]), pair[0]))[1]
    issues = tuple(_issue(one) for one in last.get("issues") or ())
    return Message(str(last.get("status") or ""), issues) if issues else None


def _attempts_in(one: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the times that an app said something; a row without any is one itself."""
    tried = one.get("attempts")
    return [one] if not isinstance(tried, list) else [each for each in tried if isinstance(each, Mapping)]


def _at(attempt: Mapping[str, Any]) -> str:
    """Return when something was said, as a text that sorts; `""` where it is not told."""
    return next((str(told) for key in _TIMES if (told := attempt.get(key))), "")


def _issue(one: Any) -> str:
    """Return a line of what was said: the vendor shows it as `{"issue": text}`, and is sent it as a text."""
    if not isinstance(one, Mapping):
        return str(one)
    return next((str(told) for key in _LINES if (told := one.get(key))), "")


_TIMES: Final = ("activityDate", "lastActivityDate", "createdAt", "updatedAt")
_LINES: Final = ("issue", "message", "text", "description")


# --- a ledger that was lost, or an older one that was put back ----------------------------------------------------


def is_after_loss(session: OrdersSession, db: Db) -> bool:
    """Say whether the ledger is not the one that the last run left: what it says of what was told may be too little."""
    if ledger.fact(db, _LOST):
        return True
    last = read_status(session.run.warehouse.data_dir, session.run.merchant.id, session.run.route).last
    if last is None or not last.run_id:
        return False
    known = ledger.fact(db, _LAST_RUN)
    return known is None or last.run_id[:_TIME] > str(known)[:_TIME]


def note_run(session: OrdersSession) -> None:
    """Keep which run this ledger has seen last; called at the end of each run."""
    run = session.run
    with run.open() as db:
        lost = is_after_loss(session, db)
        with db.transaction():
            if bool(ledger.fact(db, _LOST)) != lost:
                ledger.keep_fact(db, run, _LOST, lost)
            ledger.keep_fact(db, run, _LAST_RUN, run.run_id)


# --- telling ------------------------------------------------------------------------------------------------------


class _Desk:
    """Tells orders one by one, until the shop takes no messages."""

    def __init__(self, session: OrdersSession, *, after_loss: bool) -> None:
        self.session, self.run, self.after_loss = session, session.run, after_loss
        self.refused = 0  # in a row: our app may leave no message on these

    def tell(self, news: News) -> bool:
        """Tell what is new of one order; False: no message can be told in this sync any more."""
        try:
            return self._tell(news)
        except PipelineError as error:
            if error.http_status not in writing.NO_MESSAGES:
                raise
            return self._no_messages(news.row.order_id, error.http_status)

    def _tell(self, news: News) -> bool:
        row = news.row
        with self.run.open() as db:
            unknown = next(reversed(outbox.open_writes(db, (outbox.MESSAGE,), row.order_id)), None)
        if unknown is not None:
            if not self._settle(unknown):
                return True
            return self._again(news)
        if self._asks_first(news):
            last = _last_attempt(self.session, row.order_id)
            with self.run.open() as db, db.transaction():
                _keep_seen(self.session, db, row.order_id, last)
            return self._again(news)
        for message, said in news.steps:
            if not message.first_line:
                with self.run.open() as db, db.transaction():
                    told = news.told
                    _keep_told(self.session, db, row.order_id, said, told.first_line if told else "", "")
            elif not (goes_on := self._send(row, message, said)) or goes_on is _IN_DOUBT:
                return goes_on is _IN_DOUBT
        return True

    def _again(self, news: News) -> bool:
        """Tell what is new of an order now that it is known what was told before."""
        row = news.row
        with self.run.open() as db:
            noted = ledger.notes_of(db, [row.order_id]).get(row.order_id, {})
            row = ledger.find(db, [row.order_id])[row.order_id]
            found = news_of(db, row, noted, _told(db, row.order_id).get(row.order_id))
        return True if found is None else self._tell(found)

    def _asks_first(self, news: News) -> bool:
        """Say whether it has to be asked first what was told (rulings, orders 6)."""
        row = news.row
        if news.told is not None:
            return self.after_loss and "seen" not in news.told.said
        return self.after_loss or news.is_adopted or row.first_seen_at - row.paid_at > PROMPT

    def _send(self, row: OrderRow, message: Message, said: Mapping[str, Any]) -> object:
        """Leave one message; returns True, `_IN_DOUBT`, or False where no more can be left in this sync."""
        session, run, order_id = self.session, self.run, row.order_id
        body = message.body(order_id)
        about = {"status": message.status, "issues": [_digest(one) for one in message.issues], "said": dict(said)}
        with run.open() as db, db.transaction():
            write = outbox.begin(
                db, run, system=SHOP, call=outbox.MESSAGE, order_id=order_id, vs_number=None,
                body_hash=_digest(json.dumps(body, sort_keys=True)), about=json.dumps(about),
            )  # fmt: skip
        try:
            answer = writing.tell(session.shop, body)
        except PipelineError:  # the key is not accepted: nothing was told
            with run.open() as db, db.transaction():
                outbox.end(db, run, write, Outcome.NOT_REACHED)
            raise
        match answer:
            case writing.ShopDone():
                with run.open() as db, db.transaction():
                    outbox.end(db, run, write, Outcome.DONE, http_status=answer.http_status)
                    self._has_told(db, row, message, said, answer.http_status)
                return True
            case RefusedWrite():
                with run.open() as db, db.transaction():
                    outbox.end(db, run, write, Outcome.REFUSED, http_status=answer.http_status)
                if answer.http_status in writing.NO_MESSAGES:
                    return self._no_messages(order_id, answer.http_status)
                self._refuse(order_id, answer.http_status)
                return _IN_DOUBT
            case NotReached():
                with run.open() as db, db.transaction():
                    outbox.end(db, run, write, Outcome.NOT_REACHED)
                return False
            case UnknownOutcome():
                with run.open() as db, db.transaction():
                    ledger.act(
                        db, run, order_id, "unknown", f"message: {answer.why}", http_status=answer.http_status,
                        trace_id=answer.trace_id,
                    )  # fmt: skip
                self._settle(write)
                return _IN_DOUBT

    def _has_told(
        self, db: Db, row: OrderRow, message: Message, said: Mapping[str, Any], http_status: int | None
    ) -> None:
        run, order_id = self.run, row.order_id
        _keep_told(self.session, db, order_id, said, message.first_line, message.status)
        if (mark := said["notes"].get(CHANGED)) is not None:
            db.execute("update synced.orders set told_changes = ? where order_id = ?", [mark, order_id])
        text = f"told: {message.first_line} ({message.status})"
        ledger.act(db, run, order_id, "message", text, code=row.code, http_status=http_status)
        self.session.counts.add("messages", (order_id, len(self.session.counts.of("messages"))))
        ledger.unnote(db, order_id, [NO_MESSAGES])
        ledger.unnote(db, "", [NO_MESSAGES])
        if ledger.fact(db, _DOWN):
            ledger.keep_fact(db, run, _DOWN, None)
        self.refused = 0

    def _settle(self, write: Write) -> bool:
        """Look for a message whose answer said nothing; says whether it is known now what became of it.

        In the sync that told it, a message that is not there may still come: it is looked for in the next sync too.
        """
        run = self.run
        last = _last_attempt(self.session, write.order_id)
        about = json.loads(write.about)
        is_there = last is not None and (last.status, [_digest(one) for one in last.issues]) == (
            about["status"],
            about["issues"],
        )
        if not is_there and write.run_id == run.run_id:
            return False
        with run.open() as db, db.transaction():
            outbox.end(db, run, write, Outcome.ADOPTED if is_there else Outcome.MISSING)
            if is_there and last is not None:
                row = ledger.find(db, [write.order_id])[write.order_id]
                self._has_told(db, row, last, about["said"], None)
        return True

    def _refuse(self, order_id: str, http_status: int | None) -> None:
        """Keep that a message was refused: it is told again with growing gaps."""
        run = self.run
        with run.open() as db, db.transaction():
            attempts = (db.value("select attempts from synced.order_messages where order_id = ?", [order_id]) or 0) + 1
            db.execute(
                """insert into synced.order_messages (order_id, said, first_line, status, told_at, attempts, next_at,
                       refused)
                   values ($id, '{}', '', '', $now, $attempts, $next, true)
                   on conflict (order_id) do update set attempts = excluded.attempts, next_at = excluded.next_at,
                       refused = true""",
                {"id": order_id, "now": run.now(), "attempts": attempts, "next": run.now() + gap_after(attempts + 1)},
            )
            ledger.act(db, run, order_id, "message", "refused", http_status=http_status)

    def _no_messages(self, order_id: str, http_status: int | None) -> bool:
        """Note that our app may leave no message; 404 may be about this order alone, so another one is tried."""
        run = self.run
        self.refused += 1
        with run.open() as db, db.transaction():
            if http_status != 403 and self.refused < MOST_REFUSED:
                ledger.note(db, run, order_id, NO_MESSAGES)
            else:
                ledger.note(db, run, "", NO_MESSAGES)
                attempts = (ledger.fact(db, _DOWN) or {}).get("attempts", 0) + 1
                next_at = run.now() + gap_after(attempts)
                ledger.keep_fact(db, run, _DOWN, {"attempts": attempts, "next_at": next_at.isoformat()})
                return False
        self._refuse(order_id, http_status)
        return True


def _digest(text: str) -> str:
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:16]


def _may_be_tried(now: datetime, db: Db) -> bool:
    refused = ledger.fact(db, _DOWN)
    return not refused or str(refused.get("next_at") or "") <= now.isoformat()
