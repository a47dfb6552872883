"""Checks webhooks and hints: each check's result from one look, as a sentence and rows.

Data flow: `hints.Look`, and what `vs-st webhooks` keeps of each merchant -> `Finding`s -> (defs) `fleet/hints`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from vs_st_pipeline.domain.formats import humanize
from vs_st_pipeline.operations.fleet.health import in_a_list, label
from vs_st_pipeline.operations.fleet.hints import DUE_AT_MOST, Look, is_public
from vs_st_pipeline.operations.fleet.inbox_troubles import DOWN_AFTER, RECEIVER
from vs_st_pipeline.operations.webhooks.compare import State
from vs_st_pipeline.operations.webhooks.entry import GOOD
from vs_st_pipeline.operations.webhooks.seen import read_seen
from vs_st_pipeline.platform.inbox.statistics import Key
from vs_st_pipeline.platform.settings import environment
from vs_st_pipeline.platform.settings.merchants import MerchantsFile
from vs_st_pipeline.platform.settings.public_url import PUBLIC_URL

LATE_AT_MOST: Final = 0.05  # share of the last hour's hints


@dataclass(frozen=True, slots=True)
class Check:
    """What is checked of webhooks and hints.

    Attributes:
        counted: what is wrong where it fails, as the end of a sentence. means: what a person should do about it.
    """

    name: str
    counted: str
    means: str


IS_UP = Check(
    "receiver_is_up",
    "the receiver gave no sign of life in the last 3 minutes, and VS_ST_PUBLIC_URL is set",
    "Start `vs-st receive`; its log says why it ended. Vendors may give up on a URL that does not answer.",
)
IN_TIME = Check(
    "hints_are_in_time",
    "a hint has been due for 10 minutes, or a twentieth of the last hour's was written over a minute after it was due",
    "See whether `vs-st work` is alive, and whether a whole sync of that merchant holds its lock for long.",
)
REGISTERED = Check(
    "webhooks_are_registered",
    "a wanted webhook of a merchant was not registered when it was last looked at",
    "`vs-st webhooks list` says which; `vs-st webhooks register` makes what is missing. Nothing is repaired unasked.",
)
NOT_EXPIRED = Check(
    "no_hint_expired",
    "a hint waited for so long that it was given up",
    "See why nobody took them: no worker, no schedule, a merchant that cannot be synced. `vs-st inbox replay` lets "
    "them wait again.",
)
NO_FLOOD = Check(
    "nobody_floods",
    "hints of a merchant were dropped in the last hour, because too many named records that do not exist",
    "Somebody may have that merchant's URL: `vs-st inbox` shows what came, `vs-st webhooks rotate --now` makes new "
    "ones. No record is lost that a list shows.",
)
CHECKS: Final = (IS_UP, IN_TIME, REGISTERED, NOT_EXPIRED, NO_FLOOD)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    Attributes:
        serious: more than one merchant suffers from it.
        says: in one sentence or two.
        rows: whom it is about.
    """

    check: Check
    passed: bool
    says: str
    serious: bool = False
    rows: Sequence[Mapping[str, Any]] = ()


def findings(found: Look) -> list[Finding]:
    """Return the results of the checks that a look tells; what is registered is not among it."""
    return [_is_up(found), _in_time(found), _not_expired(found), _no_flood(found)]


def _is_up(found: Look) -> Finding:
    if not found.is_public:
        return Finding(IS_UP, True, f"{PUBLIC_URL} is not set, so nobody is told to call this machine.")
    age = found.alive.get(RECEIVER)
    if age is None:
        return Finding(IS_UP, False, f"No receiver was ever seen here. {IS_UP.means}", serious=True)
    told = f"The receiver was last alive {humanize(timedelta(seconds=age))} ago."
    passed = age <= DOWN_AFTER
    return Finding(IS_UP, passed, told if passed else f"{told} {IS_UP.means}", serious=not passed)


def _in_time(found: Look) -> Finding:
    late = {key: seconds for key, seconds in found.due.items() if seconds >= DUE_AT_MOST}
    of = found.lags.of if found.lags else 0
    slow = found.late > LATE_AT_MOST * of
    oldest = max(found.due.values(), default=None)
    told = (
        [f"the oldest due hint has been due for {humanize(timedelta(seconds=oldest))}"] if oldest else ["none is due"]
    )
    if found.lags:
        told.append(f"95 % of the last hour's took {found.lags.p95:.1f} s at most from the call to what was written")
        told.append(f"{found.late} of {of} were written a minute or more after they were due")
    told += [f"at rest until a whole sync ends well: {len(found.resting)}"] if found.resting else []
    says = f"{'; '.join(told)}."
    if late or slow:
        says += f" {_look_at(late)}{IN_TIME.means}"
    rows = [{"merchant": label(*key), "due for": humanize(timedelta(seconds=late[key]))} for key in _largest(late)]
    return Finding(
        IN_TIME, not late and not slow, _sentence(says), serious=len(late) > 1 or (slow and found.late > 1), rows=rows
    )


def _not_expired(found: Look) -> Finding:
    return _counted(NOT_EXPIRED, found.expired, "expired", "No hint expired.")


def _no_flood(found: Look) -> Finding:
    return _counted(NO_FLOOD, found.flooded, "dropped in the last hour", "No hint was dropped in the last hour.")


def _counted(check: Check, counts: Mapping[Key, int], name: str, well: str) -> Finding:
    if not counts:
        return Finding(check, True, well)
    rows = [{"merchant": label(*key), name: counts[key]} for key in _largest(counts)]
    says = f"Hints {name}: {sum(counts.values())}. {_look_at(counts)}{check.means}"
    return Finding(check, False, says, serious=len(counts) > 1, rows=rows)


def _largest(counts: Mapping[Key, float]) -> list[Key]:
    return sorted(counts, key=lambda key: (-counts[key], key))


def _look_at(counts: Mapping[Key, float]) -> str:
    if not counts:
        return ""
    named = ", ".join(in_a_list(*key) for key in _largest(counts)[:5])
    return f"Look at {named}{f' and {len(counts) - 5} more' if len(counts) > 5 else ''}. "


def _sentence(says: str) -> str:
    return says[:1].upper() + says[1:]


# --- what is registered -------------------------------------------------------------------------------------------

WELL: Final = frozenset({*GOOD, State.REFUSED, State.ELSEWHERE})  # `elsewhere` is another installation's
"""States of a registration that ask nobody to do anything; what a system refuses is noted, and comes by polling."""


def registered(environ: Mapping[str, str], file: MerchantsFile) -> Finding:
    """Return the result of the check about registrations: who lacks a wanted webhook, as last seen; it asks nobody.

    Raises:
        BadSettings: the data folder's setting is wrong.
    """
    if not is_public(environ):
        return Finding(REGISTERED, True, f"{PUBLIC_URL} is not set, so nothing is registered.")
    data_dir = environment.data_dir(environ)
    everybody = [merchant.id for merchant in file.enabled if merchant.webhooks.enabled and merchant.routes]  # active
    seen = {merchant_id: read_seen(data_dir, merchant_id) for merchant_id in everybody}
    wrong = {
        merchant_id: [hook for hook in found.hooks if hook.state not in WELL] for merchant_id, found in seen.items()
    }
    bad = [merchant_id for merchant_id, hooks in wrong.items() if hooks]
    unseen = sum(not found.systems for found in seen.values())
    told = f"{len(bad)} of {len(everybody)} merchants lack a wanted webhook."
    told += f" Of {unseen} it was not looked at yet." if unseen else ""
    if bad:
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        told += f" Look at {', '.join(bad[:5])}{more}. {REGISTERED.means}"
    rows = [
        {"merchant": merchant_id, "webhook": f"{hook.system} {hook.name}", "state": hook.state}
        for merchant_id in bad
        for hook in wrong[merchant_id]
    ]
    return Finding(REGISTERED, not bad, told, serious=len(bad) > 1, rows=rows)
