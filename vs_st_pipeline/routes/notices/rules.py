"""Holds the sixteen rules of notices.md 5 as a table: the first that applies says why a notice does not go.

Data flow: `Facts` -> `Verdict`, or None: it is due. Pure: no clock, no file, no network. The same table judges a plan
and a message right before its claim.

It is long because the table, and what its conditions mean, stand in one place to be read against the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.connectors.gupshup.settings import HOUSE
from vs_st_pipeline.routes.notices import consent
from vs_st_pipeline.routes.notices.journey import Event, newest
from vs_st_pipeline.routes.notices.judged import Facts, Told
from vs_st_pipeline.routes.notices.quiet_hours import quiet_until
from vs_st_pipeline.routes.notices.rendering import LONGEST, Missing, Rendered
from vs_st_pipeline.routes.notices.words import Basis, Drop, Wait

ANNOUNCED_AT_MOST: Final = 3  # occurrences of a status that repeats, of one unit (3.8)
SHIPPED_FROM: Final = 20  # a shipment's status of this rank or more is news beside which `created` is none
LIST_AGE: Final = timedelta(minutes=15)  # oldest list of templates to send by (2.4, 10)
SEQUENCE: Final = timedelta(minutes=5)
ABSENT: Final = timedelta(days=30)
DAY: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a notice does not go: the first rule that applies.

    Attributes:
        reason: words.Drop or words.Wait. rule: its number, 1 to 16. until: when a wait ends by time alone.
        drops: for good. detail: what `why` says besides, such as the name of a missing variable.
    """

    reason: str
    rule: int
    drops: bool
    until: datetime | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A rule applies, and more is known of it."""

    until: datetime | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table: its number in the contract, the reason, and when it applies."""

    number: int
    reason: Drop | Wait
    applies: Callable[[Facts], Found | bool]

    @property
    def drops(self) -> bool:
        """Say whether it drops for good; else the notice waits."""
        return isinstance(self.reason, Drop)


def judge(facts: Facts, rules: Iterable[Rule] | None = None) -> Verdict | None:
    """Return the first rule that applies; None: the notice is due."""
    for rule in RULES if rules is None else rules:
        found = rule.applies(facts)
        if found is False:
            continue
        more = found if isinstance(found, Found) else Found()
        return Verdict(str(rule.reason), rule.number, rule.drops, more.until, more.detail)
    return None


# 1


def _began(it: Facts) -> datetime:
    """Return since when the order's source is told of."""
    return it.terms.started_at if it.order is None else it.terms.since(it.order.merchant_order)


def _is_first_hook(it: Facts) -> bool:
    """Say whether only hooks tell of this unit, this is the first, and its order is older than the start (5.1)."""
    if it.event.basis != Basis.HOOK:
        return False
    placed = it.order.placed_at if it.order is not None else None
    if placed is not None and placed >= _began(it):
        return False
    return not any(_hook_order(one) < _hook_order(it.event) for one in it.unit)


def _hook_order(event: Event) -> tuple[datetime, int, int]:
    return event.hook_at or datetime.max, event.rank, event.occurrence


# 2 and 3


def _is_disabled(it: Facts) -> bool:
    meaning = it.statuses.of_key.get(it.status)
    return not it.settings.enabled(it.status) or meaning is None or not meaning.announce


def _occurred_before(it: Facts, at: datetime) -> bool:
    return it.event.occurred_at is not None and it.event.occurred_at < at


def _is_stale(it: Facts) -> bool:
    occurred = it.event.occurred_at
    return occurred is not None and it.now - occurred > it.settings.max_age(it.status)


# 4


def _stands(it: Facts, events: Iterable[Event], *, unconfirmed: bool = False) -> bool:
    """Say whether this status and occurrence is the newest of its unit."""
    found = newest(events, unconfirmed=unconfirmed)
    return found is not None and (found.status, found.occurrence) == (it.status, it.event.occurrence)


def _shipped(it: Facts) -> list[Event]:
    """Return what says that a shipment of the order has come as far as makes `created` old news."""
    if not it.is_of_order:
        return []
    return [one for one in it.siblings if one.rank >= SHIPPED_FROM and it.unit_of(one.status) == "shipment"]


def _unconfirmed(it: Facts, events: Iterable[Event]) -> list[tuple[Event, datetime]]:
    """Return the hooks that still wait for the read that shows them, and until when they do (3.8)."""
    found = []
    for one in events:
        if one.confirmed or one.hook_at is None:
            continue
        until = one.hook_at + it.settings.confirm_wait
        if it.now <= until:
            found.append((one, until))
    return found


def _is_superseded(it: Facts) -> bool:
    return not _stands(it, it.unit) or any(one.confirmed for one in _shipped(it))


def _is_answered(it: Facts) -> bool:
    """Say whether somebody has answered this failed delivery already: at the source, or by an action of ours."""
    if not it.event.repeats:
        return False
    if it.event.answered_at is not None or any(_is_after(it, at) for at in it.acted_at):
        return True
    submitted = it.order.ndr_of(it.event.unit_key).get("submitted") if it.order is not None else None
    if not submitted:
        return False
    return _is_after(it, _time(submitted.get("at")))


def _is_after(it: Facts, at: datetime | None) -> bool:
    return at is None or it.event.occurred_at is None or at >= it.event.occurred_at


def _time(written: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(written))
    except ValueError:
        return None
    return found.replace(tzinfo=None) - (found.utcoffset() or timedelta(0))


def _was_told_often(it: Facts) -> bool:
    others = [
        one for one in it.told
        if one.unit_key == it.event.unit_key and one.status == it.status and one.was_claimed and _is_other(it, one)
    ]  # fmt: skip
    return it.event.repeats and len(others) >= ANNOUNCED_AT_MOST


def _is_not_confirmed(it: Facts) -> Found | bool:
    """Say whether a hook that no read shows yet would be newer, and until when it is waited for."""
    waiting = _unconfirmed(it, it.unit)
    known = [one for one in it.unit if one.confirmed]
    stands = _stands(it, [*known, *(one for one, _ in waiting)], unconfirmed=True)
    blocking = [*([] if stands else waiting), *_unconfirmed(it, _shipped(it))]
    return Found(max(until for _, until in blocking)) if blocking else False


# 5


def _is_other(it: Facts, one: Told) -> bool:
    return one.notice_id != it.notice_id


def _was_before(it: Facts, one: Told) -> bool:
    """Say whether a message left before this occurred, so that it was of an earlier occurrence."""
    return it.event.occurred_at is not None and one.since < it.event.occurred_at


def _is_out_of_order(it: Facts) -> bool:
    """Say whether what was told already comes after this, or was this.

    A message of a unit that this database does not know is of one that it knows by another name: an older database
    was put back, and has seen the unit's ids in another order.
    """
    units = {one.unit_key for one in it.siblings}
    for one in it.told:
        if not _is_other(it, one) or not one.was_claimed:
            continue
        is_lost = one.unit_key not in units and it.unit_of(one.status) == it.unit_of(it.status)
        if not it.is_of_order and one.unit_key != it.event.unit_key and not is_lost:
            continue
        meaning = it.statuses.of_key.get(one.status)
        if meaning is None or meaning.rank > it.event.rank:  # of a map that was replaced: nobody knows
            return True
        if one.status != it.status:
            continue
        if not it.event.repeats or (is_lost and not _was_before(it, one)):
            return True
    return False


# 6


def _is_source_stale(it: Facts) -> bool:
    """Say whether the order was read too long ago; reads that protect a write age by the machine's clock (R47)."""
    if it.order is None:
        return True
    most = it.settings.source_max_age
    if it.order.read_real is not None:  # one that is ahead of now was told by a clock that has been put back
        return abs(it.real - it.order.read_real) > most.total_seconds()
    return it.order.read_at is None or it.now - it.order.read_at > most


# 8


def _is_not_on_whatsapp(it: Facts) -> Found | bool:
    if it.absent_at is None or it.now - it.absent_at >= ABSENT:
        return False
    return Found(it.absent_at + ABSENT)


# 10 and 11


def _has_no_account(it: Facts) -> bool:
    return it.account.account is None


def _charges_are_not_confirmed(it: Facts) -> bool:
    account = it.account.account
    return account is not None and account.kind == HOUSE and account.charges_confirmed is None


def _list_is_old(it: Facts) -> bool:
    """Say whether the account's list of templates is too old to go by; without a template none is needed.

    It protects a write, so it ages by the machine's clock (R47); and it is a stored time that VS_ST_NOW may have left.
    """
    if it.wanted is None or it.account.list_read is None:
        return it.wanted is not None
    real, at = it.account.list_read
    return it.now - at > LIST_AGE or abs(it.real - real) > LIST_AGE.total_seconds()


def _template(reason: Wait) -> Callable[[Facts], Found | bool]:
    return lambda it: Found(detail=it.fit.detail) if it.fit.fault == reason else False


# 12


def _misses_a_value(it: Facts) -> Found | bool:
    return Found(detail=it.rendered.variable) if isinstance(it.rendered, Missing) else False


def _is_too_long(it: Facts) -> bool:
    return isinstance(it.rendered, Rendered) and len(it.rendered.text) > LONGEST


# 13 to 16


def _settles(it: Facts) -> Found | bool:
    until = it.first_seen_at + it.settings.settle
    return Found(until) if it.now < until else False


def _is_in_sequence(it: Facts) -> Found | bool:
    since = [
        one.since for one in it.told
        if _is_other(it, one) and one.has_no_receipt and it.now - one.since < SEQUENCE
    ]  # fmt: skip
    return Found(max(since) + SEQUENCE) if since else False


def _is_quiet(it: Facts) -> Found | bool:
    hours, own = it.settings.quiet_hours, it.settings.notifications.get(it.status)
    if hours is None or (own is not None and own.quiet_hours == "ignore"):
        return False
    zones = it.recipient.zones if hours.zone == "recipient" else ()
    until = quiet_until(it.now, hours.start, hours.end, zones or [it.zone.key])
    return Found(until) if until is not None else False


def _is_over_cap(it: Facts) -> Found | bool:
    cap, phone = it.settings.cap, it.recipient.phone
    if it.status in cap.exempt or phone is None:
        return False
    counting = [at for at in it.account.claimed(phone, it.notice_id).at if it.now - at < cap.window]
    if len(counting) < cap.messages:
        return False
    return Found(sorted(counting)[-cap.messages] + cap.window)


def _is_over_tier(it: Facts) -> Found | bool:
    account, phone = it.account.account, it.recipient.phone
    if account is None or account.daily_recipients is None or phone is None:
        return False
    claimed = it.account.claimed(phone, it.notice_id)
    if claimed.is_known_today or claimed.people_today < account.daily_recipients:
        return False
    return Found(None if claimed.oldest_today is None else claimed.oldest_today + DAY)


def _is_paused(it: Facts) -> Found | bool:
    until = it.account.paused_until
    return Found(until) if until is not None and it.now < until else False


def _waits_for_retry(it: Facts) -> Found | bool:
    """Say whether it has failed, and its time has not come; by another account it never does (2.2)."""
    own = it.own
    if own is None:
        return False
    if own.account is not None and (it.account.account is None or own.account != it.account.account.id):
        return Found(detail=f"it went by {own.account}, and is tried again by that account alone")
    return Found(own.retry_at) if own.retry_at is not None and it.now < own.retry_at else False


RULES: Final[tuple[Rule, ...]] = (
    Rule(1, Drop.BEFORE_START, lambda it: it.in_baseline),
    Rule(1, Drop.BEFORE_START, lambda it: _occurred_before(it, _began(it))),
    Rule(1, Drop.BEFORE_START, _is_first_hook),
    Rule(2, Drop.NOT_ENABLED, _is_disabled),
    Rule(2, Drop.BEFORE_ENABLED, lambda it: _occurred_before(it, it.terms.enabled_at(it.status))),
    Rule(
        2, Drop.REHEARSAL, lambda it: it.settings.only_to is not None and it.recipient.phone not in it.settings.only_to
    ),
    Rule(3, Drop.AGE_UNKNOWN, lambda it: it.event.occurred_at is None),
    Rule(3, Drop.STALE, _is_stale),
    Rule(4, Drop.SUPERSEDED, _is_superseded),
    Rule(4, Drop.SUPERSEDED, _is_answered),
    Rule(4, Drop.SUPERSEDED, _was_told_often),
    Rule(4, Wait.NOT_CONFIRMED, _is_not_confirmed),
    Rule(5, Drop.OUT_OF_ORDER, _is_out_of_order),
    Rule(6, Wait.SOURCE_STALE, _is_source_stale),
    Rule(7, Wait.PHONE_MISSING, lambda it: it.recipient.fault == Wait.PHONE_MISSING or _has_no_phone(it)),
    Rule(7, Wait.PHONE_INVALID, lambda it: it.recipient.fault == Wait.PHONE_INVALID),
    Rule(7, Wait.PHONE_NOT_MOBILE, lambda it: it.recipient.fault == Wait.PHONE_NOT_MOBILE),
    Rule(7, Wait.COUNTRY_NOT_ALLOWED, lambda it: it.recipient.fault == Wait.COUNTRY_NOT_ALLOWED),
    Rule(7, Wait.SHARED_PHONE, lambda it: it.recipient.is_shared),
    Rule(8, Wait.FORGOTTEN, lambda it: it.recipient.is_forgotten),
    Rule(8, Wait.UNDER_AGE, lambda it: it.recipient.under_age),
    Rule(8, Wait.OPTED_OUT, lambda it: consent.is_out(it.consents)),
    Rule(8, Wait.NOT_ON_WHATSAPP, _is_not_on_whatsapp),
    Rule(9, Wait.NOT_OPTED_IN, lambda it: not _has_no_account(it) and it.proof is None),
    Rule(10, Wait.NO_ACCOUNT, _has_no_account),
    Rule(10, Wait.CHARGES_NOT_CONFIRMED, _charges_are_not_confirmed),
    Rule(10, Wait.ACCOUNT_STOPPED, lambda it: it.account.stopped),
    Rule(11, Wait.TRY_LATER, _list_is_old),
    Rule(11, Wait.TEMPLATE_MISSING, _template(Wait.TEMPLATE_MISSING)),
    Rule(11, Wait.TEMPLATE_GONE, _template(Wait.TEMPLATE_GONE)),
    Rule(11, Wait.TEMPLATE_PAUSED, _template(Wait.TEMPLATE_PAUSED)),
    Rule(11, Wait.TEMPLATE_REFUSED, _template(Wait.TEMPLATE_REFUSED)),
    Rule(11, Wait.TEMPLATE_NOT_APPROVED, _template(Wait.TEMPLATE_NOT_APPROVED)),
    Rule(11, Wait.TEMPLATE_PARAMS, _template(Wait.TEMPLATE_PARAMS)),
    Rule(11, Wait.TEMPLATE_CATEGORY, _template(Wait.TEMPLATE_CATEGORY)),
    Rule(11, Wait.TEMPLATE_UNSUPPORTED, _template(Wait.TEMPLATE_UNSUPPORTED)),
    Rule(12, Wait.MISSING_VALUE, _misses_a_value),
    Rule(12, Wait.TOO_LONG, _is_too_long),
    Rule(13, Wait.SETTLING, _settles),
    Rule(14, Wait.SEQUENCE, _is_in_sequence),
    Rule(15, Wait.QUIET_HOURS, _is_quiet),
    Rule(16, Wait.CAP, _is_over_cap),
    Rule(16, Wait.DAILY_RECIPIENTS, _is_over_tier),
    Rule(16, Wait.UNSAFE, lambda it: it.unsafe),
    Rule(16, Wait.TRY_LATER, _is_paused),
    Rule(16, Wait.RETRY, _waits_for_retry),
)


def _has_no_phone(it: Facts) -> bool:
    return it.recipient.phone is None and it.recipient.fault is None


OF_THE_EVENT: Final = tuple(rule for rule in RULES if rule.number <= 3)
"""The rules that look at the status and its order alone; what they drop needs nothing else to be read."""
REST: Final = tuple(rule for rule in RULES if rule.number > 3)
BRAKE_FROM: Final = 13
"""What passes the rules before this one counts for the brake (9.3)."""

UNSAFE_RULE: Final = 16
_AFTER_UNSAFE: Final = frozenset(
    str(rule.reason) for rule in RULES[[rule.reason for rule in RULES].index(Wait.UNSAFE) + 1 :]
)


def is_held(reason: str | None, rule: int | None) -> bool:
    """Say whether a notice that the brake holds waits for that: no earlier row of the table applies."""
    return reason is None or (rule == UNSAFE_RULE and reason in _AFTER_UNSAFE)
