"""Says what is wrong with webhooks that a person should be told of: nobody takes calls or hints, or calls are refused.

Data flow: inbox -> `Concern`s, each in trouble, well, or between the two -> `alerts`.

All of it goes by the machine's clock. A receiver or worker that was never seen is not missed: whoever has none polls.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from vs_st_pipeline.domain.formats import humanize
from vs_st_pipeline.domain.hints import is_account
from vs_st_pipeline.platform.inbox import statistics
from vs_st_pipeline.platform.inbox.store import UNUSABLE, Inbox

RECEIVER, WORKER = "receiver", "worker"
DOWN_AFTER: Final = 180.0  # seconds without a sign of life
REFUSED_WITHIN, MOST_REFUSED = 600.0, 10  # so many calls of one right URL in so many seconds are an alert (R10)
WAITS_AT_MOST: Final = 86_400.0  # seconds, of what never expires because nobody can ask for it again (R31)

_WEBHOOK, _HINTS = "webhook", "hints of"

DOWN, REFUSED, WAITS = "down", "refuses calls", "waits for too long"

ALERTS: Final = {
    DOWN: (
        "`vs-st receive` or `vs-st work` gave no sign of life for 3 minutes. Start it again; its log says why it ended."
    ),
    REFUSED: (
        f"{MOST_REFUSED} calls of one right URL were refused within 10 minutes. Compare the header or signature in "
        "the merchants file with what the vendor sends; if that is right, somebody else has the URL: `vs-st "
        "webhooks rotate --now`."
    ),
    WAITS: (
        "A call that cannot be asked for again waits for a day. `vs-st inbox --state waiting` shows whose it is; "
        "see why that merchant's syncs do not take it."
    ),
}
"""What is told of webhooks, by its word, and what a person does."""

_MEANS = {
    RECEIVER: (
        "No webhook is taken in. What lists show comes with the next sync; what a vendor does not send again is lost."
        "\nWhat to do: start `vs-st receive` again and see why it ended: its log, the disk."
    ),
    WORKER: (
        "Nobody takes hints at once. Where Dagster runs, `inbox_watch` starts a run for those that are due, and every "
        "sync takes its merchant's.\nWhat to do: start `vs-st work` again, and see in its log why it ended."
    ),
}


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that can be in trouble, and is no merchant's route.

    Attributes:
        key: what it is remembered by.
        trouble: in words; None: it is well.
        says: what a person is told of it.
    """

    key: str
    trouble: str | None
    says: str = ""

    @property
    def title(self) -> str:
        """Return how it is named, and how it is."""
        return f"{name_of(self.key)}: {self.trouble or 'well again'}"


def is_key(key: str) -> bool:
    """Say whether something that is remembered is a concern of this module."""
    return key in (f"({RECEIVER})", f"({WORKER})") or ends_unseen(key)


def ends_unseen(key: str) -> bool:
    """Say whether a concern that is not found any more is over; a receiver's or worker's is not before it is seen."""
    return key.startswith((f"({_WEBHOOK} ", f"({_HINTS} "))


def name_of(key: str) -> str:
    """Return how a concern is named in a title."""
    return key.strip("()")


def concerns(inbox: Inbox, kept: Collection[str] = ()) -> tuple[Concern, ...] | None:
    """Return what there is to watch, and how it is; None: nothing can be known now.

    Args:
        kept: names of the systems whose calls never expire.
    """
    try:
        found = [one for who in (RECEIVER, WORKER) if (one := _alive(inbox, who))]
        found += _refused(inbox)
        now = inbox.clock()
        for system, since in statistics.oldest_waiting(inbox, kept).items():
            if now - since > WAITS_AT_MOST:
                says = (
                    f"The oldest call of {system} waits for {humanize(timedelta(seconds=now - since))}; it cannot be "
                    f"asked for again, and stays until it is taken.\nWhat to do: `vs-st inbox --state waiting` shows "
                    "whose it is; look why that merchant's syncs do not take it."
                )
                found.append(Concern(f"({_HINTS} {system})", WAITS, says))
        return tuple(found)
    except UNUSABLE:  # another process may hold it for a moment
        return None


def _alive(inbox: Inbox, who: str) -> Concern | None:
    at = inbox.last_beat(who)
    if at is None:
        return None
    age = timedelta(seconds=inbox.clock() - at)
    if age.total_seconds() <= DOWN_AFTER:
        return Concern(f"({who})", None, f"The {who} is alive.")
    return Concern(f"({who})", DOWN, f"The {who} was last alive {humanize(age)} ago. {_MEANS[who]}")


def _refused(inbox: Inbox) -> list[Concern]:
    """Return the URLs whose calls were refused; one with a few refusals is neither in trouble nor well."""
    found = []
    for (merchant, system), count in statistics.refusals(inbox, inbox.clock() - REFUSED_WITHIN).items():
        key = f"({_WEBHOOK} {system} of {merchant})"
        says = (
            f"{count} calls of {merchant}'s {system} URL were refused within 10 minutes: a wrong or missing header or "
            f"signature.\nWhat to do: compare what stands {_where(merchant, system)} with what the vendor sends. If "
            "that is right, somebody else has the URL: `vs-st webhooks rotate --now`."
        )
        found.append(Concern(key, REFUSED if count >= MOST_REFUSED else "", says))
    return found


def _where(merchant: str, system: str) -> str:
    return "under the account" if is_account(merchant) else f"under `webhooks.{system}`"
