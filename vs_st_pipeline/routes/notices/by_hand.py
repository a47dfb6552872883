"""Does what only a person may say: what became of a message, who may be written, that an account sends again.

Data flow: the account's file first, then this merchant's ledger and activity, in one transaction (notices.md 7.6, 9).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount, GupshupSettings
from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices import ledger, listing
from vs_st_pipeline.routes.notices.account import claims, consents, pauses
from vs_st_pipeline.routes.notices.account.consents import Consent
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.words import ConsentSource, State


def account_of(run: Run, account_id: str) -> GupshupAccount:
    """Return one of the accounts that a merchant has installed. Raises BadArguments: it has no such account."""
    for account in run.merchant.section(GupshupSettings).accounts:
        if account.id == account_id:
            return account
    raise BadArguments(f"{run.merchant.id} has no account {account_id}")


def resolve(run: Run, notice_id: str, *, sent: bool, because: str) -> State:
    """Take a person's word on a message of which nobody knows; returns how it stands then.

    Raises:
        BadArguments: there is no such message of this merchant, or it is not unknown.
    """
    with run.sync_lock():
        for account in run.merchant.section(GupshupSettings).accounts:
            store = AccountStore.of(run, account)
            standing = claims.find(store, notice_id)
            if standing is None or standing.merchant != run.merchant.id:
                continue
            claim = claims.resolve(store, notice_id, sent=sent)
            if claim is None:
                raise BadArguments(f"this message is {standing.state}, and nothing is to be settled by a person")
            with run.open() as db, db.transaction():
                move = ledger.resolved(db, run, claim, account, "sent" if sent else "not-sent", because)
            return move.after
    raise BadArguments("no message of that id was claimed for this merchant; `vs-st why` shows the ids")


def note_consent(run: Run, account_id: str, phone: str, state: str, evidence: Mapping[str, Any]) -> None:
    """Note that a phone may be written by an account, or may not; on the disk when this returns (5.8, 5.9).

    Args:
        phone: E.164. state: `in` or `out`.
    """
    store = AccountStore.of(run, account_of(run, account_id))
    # An opt-in is the word of this merchant's customer; a phone that opted out is written by nobody of the account.
    whose = run.merchant.id if state == "in" else None
    consents.put(
        store,
        [Consent(phone, ConsentSource.OPERATOR, state, run.now(), merchant=whose, evidence=evidence)],
    )


def resume(run: Run, account_id: str) -> bool:
    """Let a stopped account send again; returns whether it was stopped.

    Its next list of templates is taken as it is: one that has none of those that are known says nothing by itself (10),
    and a person knows whether all were replaced.
    """
    store = AccountStore.of(run, account_of(run, account_id))
    listing.take_as_it_is(store, run.now())
    return pauses.resume(store)
