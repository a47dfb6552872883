"""Does what a person asks about single orders: send, keep back, void, look; each under the route's lock.

Data flow: words typed -> order ids (asked of Commerce7, where none is held) -> sending, standing, judging -> the ledger.

What it changes at Vinoshipper it changes by the same functions as a sync; Commerce7 is told by the next sync (rulings,
orders 6). What may never be forced here: a rule that is no caution of ours, and a write whose outcome is not known.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7 import reading, stored
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.pipeline.once.schedule import write_next_due
from vs_st_pipeline.pipeline.own_commands import Told
from vs_st_pipeline.pipeline.route import BadArguments
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import (
    after_sent,
    finding,
    fulfilling,
    judging,
    ledger,
    outbox,
    sending,
    show,
    stages,
    staging,
    standing,
    voiding,
)
from vs_st_pipeline.routes.orders.ended import UNSETTLED, Ended
from vs_st_pipeline.routes.orders.knowing import DONT_SEND, known_of
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.payload import Unsendable, build
from vs_st_pipeline.routes.orders.rules import PASSABLE
from vs_st_pipeline.routes.orders.session import OrdersSession, open_session
from vs_st_pipeline.routes.orders.stage_names import PUSH
from vs_st_pipeline.routes.orders.states import BY_SHIPPER, State
from vs_st_pipeline.routes.orders.sentences import sentence
from vs_st_pipeline.routes.orders.told import acted, why_of

Record = dict[str, Any]

SHADOW: Final = "shadow"
PERSON: Final = "person"
"""Why an order is read, as the connector keeps it; and the kind of an activity that a person caused."""
_SETTLED_BY_READING: Final = (outbox.CREATE, outbox.UPDATE, outbox.CANCEL)


class _Result:
    """What came of one order: `done` decides the exit code."""

    def __init__(
        self, order_id: str, *, done: bool, says: str, more: Record | None = None, error: PipelineError | None = None
    ) -> None:
        self.order_id, self.done, self.says, self.more, self.error = order_id, done, says, more or {}, error


Each = Callable[[OrdersSession, str], _Result]


# --- the commands -----------------------------------------------------------------------------------------------------


def send(run: Run, words: Sequence[str], accept: Sequence[str] = ()) -> Told:
    """Judge orders and send them now. Raises BadArguments: a code that cannot be passed, an order that is none."""
    if wrong := sorted(set(accept) - set(PASSABLE)):
        raise BadArguments(
            f"{', '.join(wrong)} cannot be passed; what may be, as a caution of ours: {', '.join(sorted(PASSABLE))}"
        )
    passed = frozenset(accept)
    return _act(run, words, lambda session, order_id: _send(session, order_id, passed), asks=True)


def dont_send(run: Run, words: Sequence[str]) -> Told:
    """Keep orders back for good."""
    return _act(run, words, _dont_send, asks=False)


def void(run: Run, word: str, reason: str) -> Told:
    """Ask Vinoshipper to cancel an order, and read whether it did. Raises BadArguments: no reason, or no order."""
    reason = check_reason(reason)
    return _act(run, [word], lambda session, order_id: _void(session, order_id, reason), asks=False)


def check_reason(reason: str) -> str:
    """Return why an order is voided, without outer blanks. Raises BadArguments: it says nothing."""
    if not reason.strip():
        raise BadArguments("say why with --reason: it is told to Vinoshipper")
    return " ".join(reason.split())


def check(run: Run, word: str, *, compliance: bool = False) -> Told:
    """Read an order at both systems now; or only ask whether it would be compliant."""
    return _act(run, [word], _ask_compliance if compliance else _check, asks=True)


# --- one order --------------------------------------------------------------------------------------------------------


def _send(session: OrdersSession, order_id: str, accept: frozenset[str]) -> _Result:
    row = _row(session, order_id)
    if row is not None and row.state is State.SENT:
        return _Result(order_id, done=True, says=f"was sent already, as {row.vs_number}")
    if row is not None and row.state is State.VOIDED:
        return _Result(order_id, done=False, says="is voided, which is final; place a new order at Commerce7")
    ended = sending.send(session, order_id, accept=accept, who=session.run.who)
    if ended.row is None:
        return _Result(order_id, done=False, says="was paid before `start`, and is never sent", more=_BEFORE_START)
    if ended.done:
        return _Result(order_id, done=True, says=f"is sent, as {ended.row.vs_number}")
    says, more = f"is not sent: {_why(ended)}", {"code": ended.why}
    return _Result(order_id, done=False, says=says, more=more, error=ended.error)


_BEFORE_START: Final = {"state": str(State.NOT_REQUIRED), "message": "Not Required to Send", "code": "before_start"}


def _dont_send(session: OrdersSession, order_id: str) -> _Result:
    run = session.run
    with run.open() as db, db.transaction():
        row = ledger.find(db, [order_id]).get(order_id)
        if row is None:
            return _Result(order_id, done=True, says="was paid before `start`, and is never sent", more=_BEFORE_START)
        if row.state is State.NOT_REQUIRED and row.code == DONT_SEND:
            return _Result(order_id, done=True, says="is kept back already")
        if row.state not in (State.FAILED, State.WAITING, State.NOT_REQUIRED):
            return _Result(order_id, done=False, says=_NOT_TO_KEEP_BACK[row.state].format(row.vs_number))
        if outbox.open_writes(db, _SETTLED_BY_READING, order_id):
            says = "may be at Vinoshipper: a write is not settled; wait until it is"
            return _Result(order_id, done=False, says=says)
        ledger.move(
            db, run, row, PERSON, "not to be sent", state=State.NOT_REQUIRED, code=DONT_SEND, says=None,
            **_to_be_read(session, row),
        )  # fmt: skip
    return _Result(order_id, done=True, says="is not sent, for good; `vs-st orders send` lifts that")


def _to_be_read(session: OrdersSession, row: OrderRow) -> Record:
    """Return when an order that is kept back is read at Vinoshipper: only where that may hold it unaccepted (4.2)."""
    if row.state is not State.FAILED or row.code not in BY_SHIPPER:
        return {"next_read_at": None}
    now = session.run.now()
    return {"failed_at": now, "reads": 0, "next_read_at": now + standing.first_gap(DONT_SEND)}


_NOT_TO_KEEP_BACK: Final = {
    State.SENDING: "is being sent: wait until it is known whether Vinoshipper has it",
    State.SENT: "is sent, as {}; `vs-st orders void` cancels it there",
    State.VOIDED: "is voided, which is final",
}


def _void(session: OrdersSession, order_id: str, reason: str) -> _Result:
    row = _row(session, order_id)
    if row is not None and row.state is State.VOIDED:
        return _Result(order_id, done=True, says="is voided already")
    if row is None or row.state is not State.SENT:
        failed = row is not None and row.state is State.FAILED
        says = "was not sent, so there is nothing to void" + ("; use `vs-st orders dont-send`" if failed else "")
        return _Result(order_id, done=False, says=says, more=_BEFORE_START if row is None else None)
    ended = sending.void(session, order_id, reason, who=session.run.who)
    if ended.done:
        return _Result(order_id, done=True, says="is voided: Vinoshipper shows it cancelled")
    says, more = f"is not voided: {_why(ended)}", {"code": ended.why}
    return _Result(order_id, done=False, says=says, more=more, error=ended.error)


def _check(session: OrdersSession, order_id: str) -> _Result:
    """Read both systems; then do all that coming back means for a sent order, and judge any other."""
    run = session.run
    _read_shop(session, order_id)
    row = _row(session, order_id)
    number = _number(session, order_id, row)
    if number is not None:
        held = session.desk.read(number)
        if row is not None:
            with run.open() as db, db.transaction():
                row = standing.apply(session, db, row, held, by="look")
            _record_voids(session)
    row = _row(session, order_id)
    if row is not None and row.state in (State.SENT, State.VOIDED):
        after_sent.look(session, session.only)
        if session.writes:
            fulfilling.fulfil(session, session.only)
    elif row is None or row.state is not State.SENDING:
        judging.judge(session)
        judging.look_first(session)
    row = _row(session, order_id)
    if row is None:
        return _Result(order_id, done=True, says="was paid before `start`, and is never sent", more=_BEFORE_START)
    return _Result(order_id, done=True, says=_how(run, row))


def _ask_compliance(session: OrdersSession, order_id: str) -> _Result:
    """Ask whether an order would be compliant; nothing else is asked, and nothing changes."""
    with session.run.open() as db:
        row = ledger.find(db, [order_id]).get(order_id)
        order = stored.load(db, [order_id]).get(order_id)
        known = None if order is None else known_of(session, db, order, row)
    if order is None or known is None:
        return _Result(order_id, done=False, says="cannot be asked about: nothing of it is held but its number")
    try:
        body = build(order, known).body
    except Unsendable as fault:
        return _Result(order_id, done=False, says=f"cannot be asked about: {sentence(fault.code, fault.says)}")
    answer = session.desk.check_compliance(body)
    says = answer.get("isCompliant")
    verdict = "compliant" if says is True else "not compliant" if says is False else "not said"
    return _Result(order_id, done=True, says=f"Vinoshipper says: {verdict}", more={"compliance": answer})


def _record_voids(session: OrdersSession) -> None:
    """Record what a sync records only once its brake let it pass: who names an order is not braked (9)."""
    waiting, session.once_safe = session.once_safe, []
    for record in waiting:
        record()


def _read_shop(session: OrdersSession, order_id: str) -> None:
    at = time.monotonic()
    if order_id not in session.reads:
        reading.read_one(session.run, session.shop, order_id, PERSON, start=_start(session))
        session.reads[order_id] = at
    staging.stage(session)


def _start(session: OrdersSession) -> datetime:
    return session.settings.start_at(session.run.merchant.time_zone)


def _row(session: OrdersSession, order_id: str) -> OrderRow | None:
    with session.run.open() as db:
        return ledger.find(db, [order_id]).get(order_id)


def _number(session: OrdersSession, order_id: str, row: OrderRow | None) -> str | None:
    """Return under which number an order is, or would be, at Vinoshipper."""
    if row is not None and row.vs_number is not None:
        return row.vs_number
    with session.run.open() as db:
        number = db.value("select order_number from staged.shop_orders where order_id = ?", [order_id])
    return None if number is None else f"{show.prefix_of(session.run.merchant)}-{number}"


_NOT_DONE: Final = {
    UNSETTLED: "whether Vinoshipper has taken an earlier write is not known yet; it is looked for in every sync",
    SHADOW: "`mode` is `shadow`, so nothing is written",
    voiding.SHIPPED: "it is on its way already",
    voiding.REFUSED: "Vinoshipper refused to cancel it; look at it there",
    voiding.NOT_THERE: "Vinoshipper does not show it",
    voiding.NOT_SENT: "it was not sent",
    "void_unknown": "Vinoshipper does not show it cancelled yet; it is looked for in every sync, and not asked twice",
}


def _why(ended: Ended) -> str:
    """Return why something was not done, and what to do, in a sentence that begins with the code."""
    code = ended.why or ""
    if code in _NOT_DONE:
        says = _NOT_DONE[code]
    elif ended.row is not None and ended.row.code == code and code:
        says = why_of(ended.row)
    else:
        says = "whether Vinoshipper has it is not known yet; it is looked for in every sync"
    return f"({code}) {says}" if code else says


def _how(run: Run, row: OrderRow) -> str:
    with run.open() as db:
        order = show.in_full(db, row.order_id)
    return f"{show.how(order)}; `vs-st orders show {row.order_number}` says more"


# --- all of them ------------------------------------------------------------------------------------------------------


def _act(run: Run, words: Sequence[str], each: Each, *, asks: bool) -> Told:
    """Do the same with each order, one after the other, under the lock.

    Args:
        asks: whether an order that is not held is asked of Commerce7.

    Raises:
        BadArguments: a word names no order; then nothing was done with any.
        PipelineError: nothing could be done with any.
    """
    for word in words:
        finding.check_word(word)
    ids: dict[str, str] = {}
    unknown: list[str] = []
    results: list[_Result] = []
    with open_session(run, (PUSH,)) as session, run.sync_lock():
        stages.begin(session)
        for word in words:
            if (order_id := _find(session, word, asks=asks)) is None:
                unknown.append(word)
            else:
                ids.setdefault(order_id, word)
        if not unknown:
            session.only = frozenset(ids)
            try:
                results += (each(session, order_id) for order_id in ids)
            finally:
                if not run.dry_run:
                    write_next_due(run, run.now())  # the next sync tells Commerce7
        session.told.add_up()
    error = session.report.error
    if unknown:
        raise BadArguments(f"there is no order {', '.join(unknown)}" + (" at Commerce7" if asks else " here"))
    if error is not None and not results:
        raise error
    with run.open() as db:
        return _told(run, db, ids, results, error)


def _find(session: OrdersSession, word: str, *, asks: bool) -> str | None:
    """Return the id of the order that a word names; one that is not held is read from Commerce7, and staged."""
    run = session.run
    prefix = show.prefix_of(run.merchant)
    with run.open() as db:
        held = finding.held(db, word, prefix)
    if held is not None or not asks:
        return held
    if finding.is_id(word):
        at = time.monotonic()
        found = reading.read_one(run, session.shop, word.lower(), PERSON, start=_start(session))
        session.reads |= {found.id: at} if found is not None else {}
    else:  # a row of a list may lack what a single read shows, so it is no read of the order
        number = finding.plain_number(word, prefix)
        found = reading.find_number(run, session.shop, number, PERSON, start=_start(session))
    if found is None:
        return None
    session.only = frozenset([found.id])
    staging.stage(session)
    judging.judge(session)
    return found.id


def _told(
    run: Run, db: Db, ids: dict[str, str], results: Sequence[_Result], error: PipelineError | None
) -> Told:
    rows = ledger.find(db, ids)
    done = {one.order_id: one for one in results}
    orders, lines = [], []
    for order_id, word in ids.items():
        result, row = done.get(order_id), rows.get(order_id)
        number = str(db.value("select order_number from staged.shop_orders where order_id = ?", [order_id]) or word)
        more = result.more if result else {}
        orders.append(acted(row, number, done=bool(result and result.done), **more))
        said = result.says if result else "was not looked at: something went wrong before"
        lines.append(f"{orders[-1]['order_number']} {said}")
        if "compliance" in more:
            lines += [f"  {line}" for line in _shown(more["compliance"])]
    error = error or next((one.error for one in results if one.error is not None), None)
    well = error is None and all(one["done"] for one in orders)
    return Told({"merchant": run.merchant.id, "orders": orders}, lines, well=well, error=error)


def _shown(answer: Record) -> list[str]:
    return json.dumps(answer, indent=2, default=str).split("\n")
