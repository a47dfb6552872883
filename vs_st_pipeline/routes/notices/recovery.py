"""Brings the ledger in step with the accounts' claims after a crash, a loss, or with an older database (7.1, 7.6).

Data flow: account.sqlite <-> synced.notices, before anything is decided.

A message has five steps, and the power may go between any two of them:

    the ledger says `sending`     then: no claim of this try, so nothing left; it waits again
    the claim is made             then: it may be out; unknown
    the request, the answer       then: the same
    the claim has the answer      then: the ledger gets it from there
    the ledger, with activity     then: nothing is left to do

A merchant's database that is lost or older gets what the claims say. An account's file that is lost or older gets what
the evidence beside it and this ledger know, before anything is sent; a message that nobody can tell of is unknown.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import ledger, reply_rules
from vs_st_pipeline.routes.notices.account import claim_rows, claims, copying, evidence, left, taking
from vs_st_pipeline.routes.notices.account.claim import FREE, Claim, Claimed, may_move
from vs_st_pipeline.routes.notices.account.claim_rows import MESSAGE_IDS, WA_IDS
from vs_st_pipeline.routes.notices.account.store import NUMBER, SALT, AccountStore, about, hash_of
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import OUT, State, Wait

_COLUMNS: Final = (
    "notice_id", "kind", "unit_key", "status", "occurrence", "merchant_order", "order_number", "reply_id", "state",
    "reason", "destination", "claimed_at", "tries", "message_id", "wa_id", "accepted_at", "code", "vendor_reason",
    "settled_by", "retries", "retry_at", "template_id", "category", "buttons", "changed_at",
    "occurred_at", "occurred_to",
)  # fmt: skip


def begin(session: NoticesSession) -> None:
    """Settle open claims of this merchant, and bring its ledger and the accounts' files in step, both ways."""
    run = session.run
    for account in session.gupshup.accounts:
        store = session.store(account)
        taking.note_words(store, reply_rules.load(run.merchant))
        left.note(store)
        if not store.evidence.path.exists():
            with store.write() as file:
                evidence.make_again(file, store.evidence)
        lost = _refill(run, store)
        if lost:
            taking.take_again(store, run=run)
        _sweep(store)
        _unsent(run, store, lost=lost)
        copying.copy(session, account)
    _left_alone(session)


def _sweep(store: AccountStore) -> None:
    """Make open claims unknown: those of this merchant, which sends under its sync lock alone, and old ones."""
    with store.read() as file:
        if file.execute("select 1 from claims where state = 'open' limit 1").fetchone() is None:
            return
    with store.write() as file:
        claims.sweep(file)
        for row in file.execute(
            "select * from claims where state = 'open' and merchant = ?", [store.merchant]
        ).fetchall():
            claim_rows.change(file, claim_rows.of_row(row), state=Claimed.UNKNOWN)


def _unsent(run: Run, store: AccountStore, *, lost: bool) -> None:
    """Let rows wait again of which there is no claim of this try: nothing left. With the claims lost nobody knows."""
    with run.open() as db:
        rows = db.rows(
            "select notice_id, tries from synced.notices where state = 'sending' and account = ?", [store.account.id]
        )
        if not rows:
            return
        with store.read() as file:
            found = {notice_id: claim_rows.read(file, notice_id) for notice_id, _ in rows}
        with db.transaction():
            for notice_id, tries in rows:
                claim = found[notice_id]
                if claim is not None and claim.tries > tries:
                    continue  # the copy that follows says how it stands
                if claim is not None and claim.state not in FREE:
                    ledger.from_claim(db, run, claim, store.account)
                elif lost and claim is None:
                    _unknown(db, run, notice_id)
                else:
                    _wait(db, run, notice_id)


def _wait(db: Db, run: Run, notice_id: str) -> None:
    db.execute(
        "update synced.notices set state = 'waiting', reason = null, changed_at = ? where notice_id = ?",
        [run.now(), notice_id],
    )


def _unknown(db: Db, run: Run, notice_id: str) -> None:
    db.execute(
        """update synced.notices set state = 'unknown', claimed_at = coalesce(claimed_at, changed_at), changed_at = ?,
               run_id = ? where notice_id = ?""",
        [run.now(), run.run_id, notice_id],
    )


def _left_alone(session: NoticesSession) -> None:
    """Take rows for unknown that were about to leave by an account which is not installed any more."""
    run, installed = session.run, [one.id for one in session.gupshup.accounts]
    with run.open() as db:
        rows = db.rows(
            """select notice_id from synced.notices where state = 'sending'
               and (account is null or account not in (select unnest($installed::varchar[])))""",
            {"installed": installed},
        )
        if rows:
            with db.transaction():
                for (notice_id,) in rows:
                    _unknown(db, run, notice_id)


# --- a lost or older file of the account ------------------------------------------------------------------------------


def _refill(run: Run, store: AccountStore) -> bool:
    """Put into the account's file what this merchant's ledger knows, if the file is not the one that was copied.

    Returns:
        Whether the file had been lost or was older: then it may not know of all that was claimed.
    """
    with run.open() as db:
        number, seq = copying.last_copied(db, store.account)
        with store.read() as file:
            here, newest = about(file, NUMBER), int(file.execute("select seq from counter").fetchone()[0])
        if number in ("", here) and seq <= newest:
            return False
        names = ", ".join(_COLUMNS)
        rows = db.rows(f"select {names} from synced.notices where account = ? and tries > 0", [store.account.id])
        sending = db.rows(
            f"select {names} from synced.notices where account = ? and tries = 0 and state = 'sending'",
            [store.account.id],
        )
        ids = db.rows(
            """select distinct notice_id, gs_id, wa_id from staged.receipts
               where account = ? and notice_id is not null""",
            [store.account.id],
        )
    with store.write() as file:
        if number == here:  # an older one was put back: whoever has copied from it copies all of it again
            evidence.replay(file, store.evidence)
            file.execute("update about set value = ? where name = ?", [str(secrets.randbits(62)), NUMBER])
        file.execute("update counter set seq = max(seq, ?)", [seq])
        salt = about(file, SALT)
        for row in [*rows, *sending]:
            _put_back(file, store.merchant, dict(zip(_COLUMNS, row, strict=True)), salt)
        for notice_id, gs_id, wa_id in ids:  # of earlier tries too: late receipts and replies name them
            for table, id in ((MESSAGE_IDS, gs_id), (WA_IDS, wa_id)):
                if id is not None:
                    claim_rows.take_id(file, table, id, notice_id)
    return True


def _put_back(file: sqlite3.Connection, merchant: str, row: Mapping[str, Any], salt: str) -> None:
    state = _state_of(row)
    standing = claim_rows.read(file, row["notice_id"])
    if state is None or (standing is not None and not _knows_more(row, state, standing)):
        return
    told = row["destination"]
    phone_hash = hash_of(salt, told) if told is not None else (standing.phone_hash if standing is not None else "")
    message_id = row["message_id"]
    if message_id is not None and not claim_rows.take_id(file, MESSAGE_IDS, message_id, row["notice_id"]):
        message_id = None
    if row["wa_id"] is not None:
        claim_rows.take_id(file, WA_IDS, row["wa_id"], row["notice_id"])
    made = Claim(
        row["notice_id"],
        row["kind"],
        merchant,
        state,
        max(1, row["tries"]),
        row["claimed_at"] or row["changed_at"],
        phone_hash=phone_hash,
        exempt=standing.exempt if standing is not None else False,
        message_id=message_id,
        wa_id=row["wa_id"],
        accepted_at=row["accepted_at"],
        unit_key=row["unit_key"],
        status=row["status"],
        occurrence=row["occurrence"],
        occurred_at=row["occurred_at"],
        occurred_to=row["occurred_to"],
        merchant_order=row["merchant_order"],
        order_number=row["order_number"],
        reply_id=row["reply_id"],
        template_id=row["template_id"],
        category=row["category"],
        buttons=row["buttons"],
        code=row["code"],
        reason=row["vendor_reason"],
        evidence=row["settled_by"],
        retries=row["retries"],
        retry_at=row["retry_at"],
    )
    claim_rows.change(file, made)


def _state_of(row: Mapping[str, Any]) -> Claimed | None:
    """Return how a ledger's row says that its claim stood; None: it may be claimed anew, so none need be there."""
    state = State(row["state"])
    if state is State.SENDING:
        return Claimed.UNKNOWN
    if state is State.WAITING:
        return Claimed.FAILED if row["reason"] == Wait.RETRY else None
    if state is State.DROPPED:  # it had failed, and was given up while it waited for another try
        return Claimed.FAILED if row["message_id"] is not None else None
    return Claimed(state) if state in OUT | {State.REJECTED} else None


def _knows_more(row: Mapping[str, Any], state: Claimed, standing: Claim) -> bool:
    if row["tries"] != standing.tries:
        return bool(row["tries"] > standing.tries)
    if standing.state in (Claimed.UNKNOWN, Claimed.OPEN):
        return state is not Claimed.UNKNOWN
    return may_move(standing.state, state)
