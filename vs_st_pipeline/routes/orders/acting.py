"""Does what a person asks about single orders: send, keep back, void, look; each under the route's lock.

Data flow: words typed -> order ids -> sending, standing, judging -> the ledger.

What it changes at Vinoshipper it changes by the same functions as a sync; Commerce7 is told by the next sync (rulings,
orders 6). What may never be forced here: a rule that is no caution of ours, and a write whose outcome is not known.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7 import reading, stored
from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.pipeline.own_commands import Told
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.orders import (
    after_sent,
    evidence,
    fulfilling,
    judging,
    ledger,
    outbox,
    sending,
    show,
    staging,
    standing,
    voiding,
)
from vs_st_pipeline.routes.orders.acts import PERSON, Result, act, row_of, start_of
from vs_st_pipeline.routes.orders.ended import UNSETTLED, Ended
from vs_st_pipeline.routes.orders.knowing import DONT_SEND, is_kept_back, known_of
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.payload import Unsendable, build
from vs_st_pipeline.routes.orders.rules import PASSABLE
from vs_st_pipeline.routes.orders.sentences import sentence
from vs_st_pipeline.routes.orders.session import OrdersSession
from vs_st_pipeline.routes.orders.states import BY_SHIPPER, State
from vs_st_pipeline.routes.orders.told import why_of

Record = dict[str, Any]

SHADOW: Final = "shadow"
_SETTLED_BY_READING: Final = (outbox.CREATE, outbox.UPDATE, outbox.CANCEL)


# --- the commands -----------------------------------------------------------------------------------------------------


def send(run: Run, words: Sequence[str], accept: Sequence[str] = ()) -> Told:
    """Judge orders and send them now. Raises BadArguments: a code that cannot be passed, an order that is none."""
    if wrong := sorted(set(accept) - set(PASSABLE)):
        raise BadArguments(
            f"{', '.join(wrong)} cannot be passed; what may be, as a caution of ours: {', '.join(sorted(PASSABLE))}"
        )
    passed = frozenset(accept)
    return act(run, words, lambda session, order_id: _send(session, order_id, passed), asks=True)


def dont_send(run: Run, words: Sequence[str]) -> Told:
    """Keep orders back for good."""
    return act(run, words, _dont_send, asks=False)


def void(run: Run, word: str, reason: str) -> Told:
    """Ask Vinoshipper to cancel an order, and read whether it did. Raises BadArguments: no reason, or no order."""
    reason = check_reason(reason)
    return act(run, [word], lambda session, order_id: _void(session, order_id, reason), asks=False)


def check_reason(reason: str) -> str:
    """Return why an order is voided, without outer blanks. Raises BadArguments: it says nothing."""
    if not reason.strip():
        raise BadArguments("say why with --reason: it is told to Vinoshipper")
    return " ".join(reason.split())


def check(run: Run, word: str, *, compliance: bool = False) -> Told:
    """Read an order at both systems now; or only ask whether it would be compliant."""
    return act(run, [word], _ask_compliance if compliance else _check, asks=True)


# --- one order --------------------------------------------------------------------------------------------------------


def _send(session: OrdersSession, order_id: str, accept: frozenset[str]) -> Result:
    row = row_of(session, order_id)
    if row is not None and row.state is State.SENT:
        return Result(order_id, True, f"was sent already, as {row.vs_number}")
    if row is not None and row.state is State.VOIDED:
        return Result(order_id, False, "is voided, which is final; place a new order at Commerce7")
    with session.run.open() as db:
        is_lifted = is_kept_back(row) or order_id in evidence.kept_back(db)
    if is_lifted:
        evidence.append_kept_back(session.run, order_id, kept=False)
        evidence.recover(session.run)
    ended = sending.send(session, order_id, accept=accept, who=session.run.who)
    if ended.row is None:
        return Result(order_id, False, "was paid before `start`, and is never sent", more=_BEFORE_START)
    if ended.done:
        return Result(order_id, True, f"is sent, as {ended.row.vs_number}")
    says, more = f"is not sent: {why_not(ended)}", {"code": ended.why}
    return Result(order_id, False, says, more=more, error=ended.error)


_BEFORE_START: Final = {"state": str(State.NOT_REQUIRED), "message": "Not Required to Send", "code": "before_start"}


def _dont_send(session: OrdersSession, order_id: str) -> Result:
    run = session.run
    with run.open() as db, db.transaction():
        row = ledger.find(db, [order_id]).get(order_id)
        if row is None:
            return Result(order_id, True, "was paid before `start`, and is never sent", more=_BEFORE_START)
        if row.state is State.NOT_REQUIRED and row.code == DONT_SEND:
            return Result(order_id, True, "is kept back already")
        if row.state not in (State.FAILED, State.WAITING, State.NOT_REQUIRED):
            return Result(order_id, False, _NOT_TO_KEEP_BACK[row.state].format(row.vs_number))
        if outbox.open_writes(db, _SETTLED_BY_READING, order_id):
            says = "may be at Vinoshipper: a write is not settled; wait until it is"
            return Result(order_id, False, says)
        evidence.append_kept_back(run, order_id, kept=True)
        ledger.move(
            db, run, row, PERSON, "not to be sent", state=State.NOT_REQUIRED, code=DONT_SEND, says=None,
            **_to_be_read(session, row),
        )  # fmt: skip
    return Result(order_id, True, "is not sent, for good; `vs-st orders send` lifts that")


def _to_be_read(session: OrdersSession, row: OrderRow) -> Record:
    """Return when an order that is kept back is read at Vinoshipper: only where that may hold it unaccepted (4.2)."""
    if row.next_read_at is None and (row.state is not State.FAILED or row.code not in BY_SHIPPER):
        return {"next_read_at": None}
    now = session.run.now()
    return {"failed_at": now, "reads": 0, "next_read_at": now + standing.first_gap(DONT_SEND)}


_NOT_TO_KEEP_BACK: Final = {
    State.SENDING: "is being sent: wait until it is known whether Vinoshipper has it",
    State.SENT: "is sent, as {}; `vs-st orders void` cancels it there",
    State.VOIDED: "is voided, which is final",
}


def _void(session: OrdersSession, order_id: str, reason: str) -> Result:
    row = row_of(session, order_id)
    if row is not None and row.state is State.VOIDED:
        return Result(order_id, True, "is voided already")
    if row is None or row.state is not State.SENT:
        failed = row is not None and row.state is State.FAILED
        says = "was not sent, so there is nothing to void" + ("; use `vs-st orders dont-send`" if failed else "")
        return Result(order_id, False, says, more=_BEFORE_START if row is None else {})
    ended = sending.void(session, order_id, reason, who=session.run.who)
    if ended.done:
        return Result(order_id, True, "is voided: Vinoshipper shows it cancelled")
    says, more = f"is not voided: {why_not(ended)}", {"code": ended.why}
    return Result(order_id, False, says, more=more, error=ended.error)


def _check(session: OrdersSession, order_id: str) -> Result:
    """Read both systems; then do all that coming back means for a sent order, and judge any other."""
    run = session.run
    _read_shop(session, order_id)
    row = row_of(session, order_id)
    number = _number(session, order_id, row)
    if number is not None:
        held = session.desk.read(number)
        if row is not None:
            with run.open() as db, db.transaction():
                row = standing.apply(session, db, row, held, by="look")
            _record_voids(session)
    row = row_of(session, order_id)
    if row is not None and row.state in (State.SENT, State.VOIDED):
        after_sent.look(session, session.only)
        if session.writes:
            fulfilling.fulfil(session, session.only)
    elif row is None or row.state is not State.SENDING:
        judging.judge(session)
        judging.look_first(session)
    row = row_of(session, order_id)
    if row is None:
        return Result(order_id, True, "was paid before `start`, and is never sent", more=_BEFORE_START)
    return Result(order_id, True, _how(run, row))


def _ask_compliance(session: OrdersSession, order_id: str) -> Result:
    """Ask whether an order would be compliant; nothing else is asked, and nothing changes."""
    with session.run.open() as db:
        row = ledger.find(db, [order_id]).get(order_id)
        order = stored.load(db, [order_id]).get(order_id)
        known = None if order is None else known_of(session, db, order, row)
    if order is None or known is None:
        return Result(order_id, False, "cannot be asked about: nothing of it is held but its number")
    try:
        body = build(order, known).body
    except Unsendable as fault:
        return Result(order_id, False, f"cannot be asked about: {sentence(fault.code, fault.says)}")
    answer = session.desk.check_compliance(body)
    says = answer.get("isCompliant")
    verdict = "compliant" if says is True else "not compliant" if says is False else "not said"
    return Result(order_id, True, f"Vinoshipper says: {verdict}", more={"compliance": answer})


def _record_voids(session: OrdersSession) -> None:
    """Record what a sync records only once its brake let it pass: who names an order is not braked (9)."""
    waiting, session.once_safe = session.once_safe, []
    for record in waiting:
        record()


def _read_shop(session: OrdersSession, order_id: str) -> None:
    at = time.monotonic()
    if order_id not in session.reads:
        reading.read_one(session.run, session.shop, order_id, PERSON, start=start_of(session))
        session.reads[order_id] = at
    staging.stage(session)


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


def why_not(ended: Ended) -> str:
    """Return why an order was not sent or voided, and what to do, in a sentence that begins with the code."""
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
    noted = f"; noted: {', '.join(order['noted'])}" if order["noted"] else ""
    return f"{show.how(order)}{noted}; `vs-st orders show {row.order_number}` says more"
