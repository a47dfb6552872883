"""Sends one claimed message, once, and notes in the account's file what its answer means (notices.md 7.2-7.4).

Data flow: a message and its claim -> the request -> the claim's new state; pauses and stops of the account.

It runs in a thread of its own and touches no merchant's database: an answer is on the disk before anybody waits for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from time import time
from typing import Any, Final

from vs_st_pipeline.connectors.gupshup.answers import Answer, Outcome
from vs_st_pipeline.connectors.gupshup.client import GupshupClient
from vs_st_pipeline.connectors.gupshup.codes import meaning
from vs_st_pipeline.connectors.gupshup.names import GUPSHUP
from vs_st_pipeline.domain.errors import BadKey, BadSettings, GiveUp, NotSent, PipelineError, TryLater
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices import listing
from vs_st_pipeline.routes.notices.account import claims, pauses
from vs_st_pipeline.routes.notices.account.claim import Claim, Claimed
from vs_st_pipeline.routes.notices.account.effects import RETRY_GAPS
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.messages import Message
from vs_st_pipeline.routes.notices.words import Wait

LEAVES_WITHIN: Final = 45.0
"""Seconds after its claim in which a message may leave: one that is open for long another process takes for lost."""
ANSWER: Final = "answer"


@dataclass(frozen=True, slots=True)
class Means:
    """What an outcome means for the claim, and for the account.

    Attributes:
        reason: why the message waits, where it certainly was not taken.
        stops: with which error the account stops, and what is said of it.
    """

    state: Claimed
    reason: Wait | None = None
    stops: type[GiveUp] | None = None
    why: str = ""


MEANS: Final[dict[Outcome, Means]] = {
    Outcome.ACCEPTED: Means(Claimed.ACCEPTED),
    Outcome.NOT_SENT: Means(Claimed.REFUSED, Wait.TRY_LATER, why="Gupshup cannot be reached"),
    Outcome.BUSY: Means(Claimed.REFUSED, Wait.TRY_LATER, why="Gupshup takes no more messages of the account for now"),
    Outcome.KEY: Means(
        Claimed.REFUSED, Wait.ACCOUNT_STOPPED, BadKey, "Gupshup does not accept the account's key; set another one"
    ),
    Outcome.ACCOUNT: Means(
        Claimed.REFUSED,
        Wait.ACCOUNT_STOPPED,
        BadSettings,
        "Gupshup refuses the account: look at its wallet and its app",
    ),
    Outcome.REJECTED: Means(Claimed.REJECTED),
    Outcome.UNKNOWN: Means(Claimed.UNKNOWN, why="Gupshup's answers do not say what became of messages"),
}
"""7.3, of what `answers` has read."""


@dataclass(frozen=True, slots=True)
class Done:
    """A message whose answer has come, or failed to, and whose claim says so.

    Attributes:
        error: what speaks against the account, or the settings; None: nothing.
    """

    message: Message
    outcome: Outcome
    claim: Claim
    error: PipelineError | None = None

    @property
    def may_pass(self) -> bool:
        """Say whether the next message may fare better: nobody has said no."""
        return self.outcome in (Outcome.NOT_SENT, Outcome.UNKNOWN) and not isinstance(self.error, GiveUp)


def ask(run: Run, client: GupshupClient, store: AccountStore, message: Message, claim: Claim) -> Done:
    """Send a message that was claimed just now.

    Raises:
        sqlite3.OperationalError: the account's file cannot be written; the claim stays open, and becomes `unknown`.
    """
    try:
        answer, error = _post(client, message, claim), None
    except BadSettings as unusable:
        answer, error = Answer(Outcome.NOT_SENT), unusable
    means = MEANS[answer.outcome]
    state: Claimed = means.state
    more: dict[str, Any] = {}
    if state is Claimed.REJECTED and meaning(answer.code).retryable:
        state = Claimed.FAILED  # it waits for its next try, as after a receipt with this code (7.4)
        if claim.retries < len(RETRY_GAPS):
            more["retry_at"] = run.now() + RETRY_GAPS[claim.retries]
    settled = claims.settle(
        store,
        message.notice_id,
        state,
        now=run.now(),
        phone=message.phone,
        message_id=answer.message_id,
        code=answer.code,
        reason=means.reason,
        evidence=ANSWER,
        tries=claim.tries,
        **more,
    )
    failpoint("answered")
    _tell_account(store, answer, run.now())
    return Done(message, answer.outcome, settled, error or _error(means, answer))


def _post(client: GupshupClient, message: Message, claim: Claim) -> Answer:
    def may_leave() -> bool:
        return time() - claim.real < LEAVES_WITHIN

    if message.template_id is None:
        return client.send_text(message.phone, message.text, may_leave)
    postbacks = [f"vs:{message.notice_id}:{place}" for place in range(len(message.buttons))]
    return client.send_template(message.phone, message.template_id, message.params, postbacks, may_leave)


def _tell_account(store: AccountStore, answer: Answer, now: datetime) -> None:
    """Stop or pause the account, where its answer says so; after a rejected message its templates are read anew."""
    means = MEANS[answer.outcome]
    if means.stops is not None:
        pauses.stop(store, now, kind=means.stops.kind, why=means.why)
    elif answer.outcome is Outcome.BUSY:
        pauses.pause(store, now, answer.retry_after)
    elif answer.outcome is Outcome.REJECTED:
        listing.ask_anew(store, now)


def _error(means: Means, answer: Answer) -> PipelineError | None:
    if not means.why or (answer.outcome is Outcome.UNKNOWN and 200 <= (answer.http_status or 0) < 300):
        return None
    kind: type[PipelineError] = means.stops or (NotSent if answer.outcome is Outcome.NOT_SENT else TryLater)
    return kind(means.why, system=GUPSHUP, http_status=answer.http_status)
