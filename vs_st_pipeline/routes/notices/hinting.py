"""Keeps what is hinted at until it is read, and says which hints the route wants (routes.md R13, R30, R34, R46).

Data flow: hints of the inbox -> callbacks of the merchant's own account: that account's file
                              -> hooks of Eshopbox: kept by their orders, which are read first
           answered replies of an account that several merchants share -> a hint for each merchant that is to act

What hints name at Commerce7 and Vinoshipper is read by the route that reads the system for all, else by walking its
lists: nothing of them need be kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from vs_st_pipeline.connectors.eshopbox import hook_queue
from vs_st_pipeline.connectors.gupshup.names import CALLBACK, KINDS
from vs_st_pipeline.connectors.gupshup.settings import CLIENT, GupshupAccount, GupshupSettings
from vs_st_pipeline.domain.hints import ANSWERED, CUSTOMER, ORDER, WHOLE, Call, Hint
from vs_st_pipeline.pipeline.hinted import Queue
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices.account import taking
from vs_st_pipeline.routes.notices.account.answering import Answered
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.systems import COMMERCE7, ESHOPBOX, GUPSHUP, NAME, VINOSHIPPER

WANTS: Final = {
    GUPSHUP: KINDS | {ANSWERED, WHOLE},
    ESHOPBOX: frozenset({ORDER, WHOLE}),
    COMMERCE7: frozenset({ORDER, CUSTOMER, WHOLE}),
    VINOSHIPPER: frozenset({ORDER, CUSTOMER, WHOLE}),
}


def own_account(run: Run) -> GupshupAccount | None:
    """Return the merchant's own account, whose callbacks stand under the merchant in the inbox; None: it has none."""
    return run.merchant.section(GupshupSettings).client


def is_callback(hint: Hint) -> bool:
    """Say whether a hint is content of Gupshup's, and no hint of ours at a reply that was taken already."""
    return hint.system == GUPSHUP and hint.kind != ANSWERED


def is_hook(hint: Hint) -> bool:
    """Say whether a hint is a hook of Eshopbox that names an order."""
    return hint.system == ESHOPBOX and hint.kind == ORDER and bool(hint.id)


def hand_over(run: Run, hints: Sequence[Hint]) -> None:
    """Store hints; what is stored already stays as it is. Callbacks of an account go into the account's file."""
    keep_callbacks(run, [one for one in hints if is_callback(one)])
    if hooks := [one for one in hints if is_hook(one)]:
        hook_queue.keep(run, hooks)


def keep_callbacks(run: Run, hints: Sequence[Hint]) -> list[Answered]:
    """Store callbacks of the merchant's own account in its file, under the account's lock; return what was answered.

    Where the merchant has taken its account out of the settings, what waited is kept all the same: a STOP among it
    holds when the account is back.

    Raises:
        TryLater: another process has the account for too long.
    """
    if not hints:
        return []
    account, found = own_account(run), list[Answered]()
    for of_app in (account,) if account is not None else _left(run, hints):
        store = AccountStore.of(run, of_app)
        with store.lock():
            found += taking.keep(store, hints, run=run)
    return found


def _left(run: Run, hints: Sequence[Hint]) -> Iterator[GupshupAccount]:
    """Yield the account that the merchant had, as far as its callbacks tell of it: once for each app."""
    told = (one.kept.get(CALLBACK) for one in hints)
    apps = {one.get("app") for one in told if isinstance(one, dict)}
    for app in sorted(one for one in apps if isinstance(one, str)):
        yield GupshupAccount.model_construct(id=f"{CLIENT}:{run.merchant.id}", kind=CLIENT, app_name=app)


def tell(inbox: Inbox, answered: Iterable[Answered]) -> None:
    """Hint at merchants that a message of theirs was answered, once for each reply, so that they act within seconds.

    Nobody is told of a merchant that has left: its hint would wait for ever.
    """
    at, folders = datetime.fromtimestamp(inbox.said_now(), UTC).isoformat(), inbox.path.parent / "merchants"
    arrivals = [
        Arrival(
            one.merchant, GUPSHUP, Call(ANSWERED, one.message_id, event_id=f"{ANSWERED} {one.message_id}"), (NAME,), at
        )
        for one in answered
        if (folders / one.merchant).is_dir()
    ]
    if arrivals:
        inbox.put(arrivals)


QUEUE: Final = Queue(hand_over, hook_queue.unread)
