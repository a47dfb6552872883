"""Lets messages leave: judged once more, claimed, sent once, what came of it noted (notices.md 7.1).

outbox row `sending` in the merchant's database   then killed: planned again
the claim in the account's file, fsynced          then killed: what the claim says, else `unknown`
the request, its answer into the claim            then: settled by `recovery`, a receipt, a reply or a person
the ledger, activity and evidence, in one go

One thread judges, claims, and writes the merchant's file; `asking` has a few, each with one message. While one waits
for its answer others may leave, up to as many as a number may have open. After an answer that was no success they leave
one by one: what stops an account shall stop the next message, not the fifth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from time import monotonic, sleep
from typing import Final

from vs_st_pipeline.connectors.gupshup.answers import Outcome
from vs_st_pipeline.connectors.gupshup.codes import meaning
from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.domain.errors import BadKey, BadSettings, GiveUp, PipelineError
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.http.rate_limit import Urgency
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import asking, ledger, planning
from vs_st_pipeline.routes.notices.account import claims, pauses, taking
from vs_st_pipeline.routes.notices.account.claim import Claim, Held
from vs_st_pipeline.routes.notices.messages import Message
from vs_st_pipeline.routes.notices.planning import Verdict
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import Noted, State, Wait

CROWDED_FOR: Final = 5.0  # seconds in which other processes may have all that a number may have open
MOST_IN_A_ROW: Final = 3
"""Messages in a row that do not get through, or orders that cannot be read, before the rest waits for the next sync."""
JUDGED_FOR: Final = 1.0  # seconds that a verdict holds, while those judged with it leave
MOST_AT_ONCE: Final = 16
NOTED_AT_ONCE: Final = 8
NOTED_AFTER: Final = 0.25  # seconds
_UNREAD: Final = Verdict(Wait.SOURCE_STALE, 6, drops=False)
_RULES: Final[dict[str, int]] = {Wait.OPTED_OUT: 8, Wait.ACCOUNT_STOPPED: 10}  # else 16


@contextmanager
def opened(session: NoticesSession) -> Iterator[Desk]:
    """Open a desk for a run; at the end all that left is noted."""
    with ThreadPoolExecutor(claims.MOST_OPEN, thread_name_prefix="gupshup") as pool, session.urgent(Urgency.WRITE):
        desk = Desk(session, pool)
        try:
            yield desk
        finally:
            desk.finish()


@dataclass(slots=True)
class Desk:
    """Where messages leave from.

    Attributes:
        is_careful: the last answer was no success, or none has come yet: messages leave one by one.
        lost: messages in a row that did not get through. unread: orders in a row that could not be read.
        source: why no more orders are read in this run.
    """

    session: NoticesSession
    pool: ThreadPoolExecutor
    is_careful: bool = True
    lost: int = 0
    unread: int = 0
    source: PipelineError | None = None
    _ahead: dict[str, Message | Verdict | PipelineError] = field(default_factory=dict)  # judged, and not used yet
    _at_once: int = 1
    _judged_at: float = 0.0
    _under_way: set[Future[asking.Done]] = field(default_factory=set)
    _finished: list[asking.Done] = field(default_factory=list)
    _finished_at: float = 0.0  # the first of them, by the monotonic clock
    _closed: dict[str, Held | None] = field(default_factory=dict)  # by account, as last looked up
    _halved: dict[str, bool] = field(default_factory=dict)

    def send_notice(self, due: deque[str]) -> None:
        """Judge the next notice once more, and send it if it may go; what may not is noted with its reason.

        Args:
            due: ids in the order of sending; the first is taken off.

        Raises:
            TryLater: the run was stopped while it waited.
        """
        account = self.session.gupshup.selected
        self._make_room()
        if account is not None and self.closed(account) is None:
            self.take_permit(account)
            self._make_room()
        held = None if account is None else self.closed(account)
        if held is not None:
            self._turn_down(due.popleft(), held)
            return
        if self.source is not None:
            planning.turned_down(self.session, due.popleft(), _UNREAD)
            return
        found = self._judged(due)
        notice_id = due.popleft()
        if isinstance(found, PipelineError):
            self._could_not_read(notice_id, found)
            return
        self.unread = 0
        if isinstance(found, Verdict):
            planning.turned_down(self.session, notice_id, found)
        elif (held := self.send(found)) is not None:
            self._turn_down(notice_id, held)

    def _judged(self, due: deque[str]) -> Message | Verdict | PipelineError:
        """Return how the next notice is judged now; some more are judged with it, as many as leave within a second."""
        if due[0] in self._ahead and monotonic() - self._judged_at < JUDGED_FOR:
            return self._ahead.pop(due[0])
        self._at_once = 1 if self._ahead else min(2 * self._at_once, MOST_AT_ONCE)
        self._judged_at = monotonic()
        self._ahead = planning.again_all(self.session, list(islice(due, self._at_once)))
        return self._ahead.pop(due[0])

    def send(self, message: Message) -> Held | None:
        """Store, claim and send a message; returns why it could not be claimed now."""
        run, account = self.session.run, message.account
        with self._noting() as db:
            if not ledger.about_to_send(db, run, message):
                return None
        failpoint("outbox")
        found = self._claim(message)
        if isinstance(found, Held):
            with self._noting() as db:
                ledger.held(db, run, message.notice_id, found.reason, rule=_rule(found), until=found.until)
            if found.reason in (Wait.ACCOUNT_STOPPED, Wait.TRY_LATER):
                self._closed[account.id] = found
            return found
        if not found.is_mine:  # it was claimed before: what that claim says counts
            with self._noting() as db:
                ledger.from_claim(db, run, found, account)
            return None
        failpoint("claimed")
        client, store = self.session.sender(account), self.session.store(account)
        self._under_way.add(self.pool.submit(asking.ask, run, client, store, message, found))
        return None

    def closed(self, account: GupshupAccount) -> Held | None:
        """Return why an account takes no message now; None: it takes them."""
        error = self.session.stopped.get(account.id)
        if error is not None:
            return Held(Wait.ACCOUNT_STOPPED if isinstance(error, GiveUp) else Wait.TRY_LATER)
        if account.id not in self._closed:
            found = pauses.state(self.session.store(account), self.session.run.now())
            self._closed[account.id] = None if found is None else Held(found.reason, found.until)
        return self._closed[account.id]

    def take_permit(self, account: GupshupAccount) -> None:
        """Wait until a message of this account may leave; while its rate is halved, a message takes two permits.

        Raises:
            TryLater: the run was stopped.
        """
        client = self.session.sender(account)
        if account.id not in self._halved:
            self._halved[account.id] = pauses.half_rate(self.session.store(account), self.session.run.now())
        if self._halved[account.id]:
            client.waste_permit()
        client.take_permit()

    def finish(self) -> None:
        """Wait for all that is under way, and note what came of it; raises the first error of those that broke."""
        broken: BaseException | None = None
        while self._under_way:
            try:
                self._collect()
            except Exception as error:
                broken = broken or error
        if self._finished:
            with self._noting(at_end=True):
                pass
        if broken is not None:
            raise broken

    def _claim(self, message: Message) -> Claim | Held:
        """Claim a message; while a number has as many open as it may have, wait for one to end."""
        run, began = self.session.run, monotonic()
        store = self.session.store(message.account)
        is_stop = taking.is_stop(store)
        while True:
            found = claims.claim(
                store,
                message,
                now=run.now(),
                cap=self.session.settings.cap,
                is_stop=is_stop,
                inbox=run.inbox,
            )
            if not isinstance(found, Held) or not found.crowded or run.stop():
                return found
            if self._under_way:
                self._collect()
            elif monotonic() - began < CROWDED_FOR:
                sleep(0.05)
            else:
                return found

    def _make_room(self) -> None:
        """Take in what has ended, and wait until one more may leave."""
        while self._under_way and (
            self.is_careful or len(self._under_way) >= claims.MOST_OPEN or any(one.done() for one in self._under_way)
        ):
            self._collect()

    def _collect(self) -> None:
        """Take in those whose answers have come; wait for the first. Raises what broke one of them."""
        ended, self._under_way = wait(self._under_way, return_when=FIRST_COMPLETED)
        broken: BaseException | None = None
        for future in ended:
            if (error := future.exception()) is not None:
                broken = broken or error
            else:
                self._take_in(future.result())
        if broken is not None:
            raise broken

    def _take_in(self, done: asking.Done) -> None:
        if not self._finished:
            self._finished_at = monotonic()
        self._finished.append(done)
        account = done.message.account
        if done.claim.code is not None and not meaning(done.claim.code).known:
            self.session.told.noted[Noted.UNKNOWN_CODE] += 1
        self.is_careful = done.outcome is not Outcome.ACCEPTED
        if self.is_careful:
            self._closed.pop(account.id, None)  # it may be stopped or paused now
        self.lost = 0 if done.error is None else self.lost + 1
        if done.error is None or (done.may_pass and self.lost < MOST_IN_A_ROW):
            return
        self.session.stopped.setdefault(account.id, done.error)
        if done.outcome is Outcome.UNKNOWN:  # each further one would be lost for good
            pauses.pause(self.session.store(account), self.session.run.now(), None)

    @contextmanager
    def _noting(self, *, at_end: bool = False) -> Iterator[Db]:
        """Give the merchant's file in one transaction, which also notes what has come of messages meanwhile.

        A few are noted together, unless they have waited for a moment: what came of them is in their claims already.
        """
        run, noted = self.session.run, list(self._finished)
        if not at_end and len(noted) < NOTED_AT_ONCE and monotonic() - self._finished_at < NOTED_AFTER:
            noted.clear()
        accounts = {done.message.account.id: done.message.account for done in noted}
        moves = []
        with run.open() as db, db.transaction():
            for id, account in accounts.items():
                settled = [done.claim for done in noted if done.message.account.id == id]
                moves += ledger.from_claims(db, run, settled, account)
            yield db
        if not noted:
            return
        failpoint("ledger")
        del self._finished[: len(noted)]
        self._finished_at = monotonic()
        for move in moves:
            ledger.count(self.session.told, move)
            if move.after is State.WAITING:  # refused: it was due, and waits again (rulings, notices 16)
                self.session.told.waits[move.reason or Wait.TRY_LATER] += 1

    def _turn_down(self, notice_id: str, held: Held) -> None:
        planning.turned_down(self.session, notice_id, Verdict(held.reason, _rule(held), drops=False, until=held.until))

    def _could_not_read(self, notice_id: str, error: PipelineError) -> None:
        """Let a notice wait whose order could not be read; after a few in a row it is the source's trouble."""
        self.unread += 1
        planning.turned_down(self.session, notice_id, _UNREAD)
        if self.unread >= MOST_IN_A_ROW or isinstance(error, BadKey | BadSettings):
            self.source = error
            self.session.trouble = self.session.trouble or error


def _rule(held: Held) -> int:
    return held.rule if held.rule is not None else _RULES.get(held.reason, 16)
