"""The sixteen rules, each at its boundary; every row of the table is named here (notices.md 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount, TemplateParam, TemplateSettings
from vs_st_pipeline.platform.settings.forms import OwnFile
from vs_st_pipeline.routes.notices import rules, status_map
from vs_st_pipeline.routes.notices.consent import Row
from vs_st_pipeline.routes.notices.journey import Event
from vs_st_pipeline.routes.notices.judged import AccountNow, Claimed, Facts, Recipient, Told
from vs_st_pipeline.routes.notices.rules import RULES, Verdict, judge
from vs_st_pipeline.routes.notices.settings import (
    Attestation,
    Cap,
    NoticesSettings,
    NotificationSettings,
    QuietHours,
)
from vs_st_pipeline.routes.notices.template_fit import Template
from vs_st_pipeline.routes.notices.terms import Terms
from vs_st_pipeline.routes.notices.values import Order, Values
from vs_st_pipeline.routes.notices.words import Basis, Drop, State, Wait

NOW = datetime(2026, 5, 20, 10)  # 15:30 in India
REAL = 1_800_000_000.0
SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))
PHONE, ORDER, UNIT, THIS = "+919810000001", "eshopbox:1", "shipment:eshopbox:9", "n_this"
STATUSES = status_map.read(OwnFile())
WANTED = TemplateSettings(id="t1", params=(TemplateParam(variable="customer_name"),))
TEMPLATE = Template("t1", "APPROVED", "UTILITY", "en", "TEXT", "Hi {{1}}", read_at=NOW)
NUMBER = "+919810000099"
CLIENT = GupshupAccount.model_construct(
    id="client:kk", kind="client", number=NUMBER, templates={}, daily_recipients=1000
)
UNLIMITED = CLIENT.model_copy(update={"daily_recipients": None})
KEYS = ("created", "packed", "on_the_way", "failed_delivery", "delivered")


def event(status: str = "packed", occurrence: int = 1, ago: timedelta = HOUR, **changes: Any) -> Event:
    """A status that a read showed."""
    meaning = STATUSES.of_key[status]
    made = Event(
        UNIT, status, occurrence, meaning.rank, meaning.ends, meaning.repeats, status, NOW - ago, NOW - ago,
        Basis.READ, confirmed=True,
    )  # fmt: skip
    return structs.replace(made, **changes)


def hook(status: str, ago: timedelta = MINUTE, **changes: Any) -> Event:
    """A status that only a hook tells."""
    return event(
        status, occurred_at=None, last_at=None, basis=None, confirmed=False, hook_at=NOW - ago, **changes
    )  # fmt: skip


def told(status: str = "packed", ago: timedelta = DAY, state: str = State.DELIVERED, **changes: Any) -> Told:
    """Another message of the order."""
    made = Told("n_other", UNIT, status, 1, state, NOW - ago, NOW - ago if state != State.UNKNOWN else None)
    return replace(made, **changes)


def settings(**changes: Any) -> NoticesSettings:
    base = {
        "countries": ("IN",),
        "notifications": {key: NotificationSettings(enabled=True, template=WANTED) for key in KEYS},
    }
    return NoticesSettings(**{**base, **changes})


SETTINGS = settings()


def facts(about: Event | None = None, **changes: Any) -> Facts:
    """A notice that is due: a packed shipment of an hour ago."""
    about = about or event()
    order = Order(
        ORDER, "eshopbox", "KK1", placed_at=NOW - 2 * DAY, whatsapp_flag=True, read_at=NOW, read_real=REAL,
        country="IN", items=[{"title": "Shirt"}],
    )  # fmt: skip
    base: dict[str, Any] = {
        "notice_id": THIS, "now": NOW, "real": REAL, "settings": SETTINGS, "statuses": STATUSES,
        "terms": Terms(NOW - 5 * DAY, True, dict.fromkeys(KEYS, NOW - 4 * DAY)), "zone": ZoneInfo("Asia/Kolkata"),
        "event": about, "first_seen_at": NOW - HOUR, "in_baseline": False, "order": order, "unit": [about],
        "siblings": [about], "recipient": Recipient(PHONE, None, "Asha Rao", ("Asia/Kolkata",)),
        "account": AccountNow(CLIENT, list_read=(REAL, NOW), templates={"t1": TEMPLATE}),
    }  # fmt: skip
    made = Facts(**{**base, **changes})
    merchant = cast(Any, SimpleNamespace(name="KapasKraft", time_zone=made.zone))
    if made.values is None and made.order is not None:
        made.values = Values(made.order, UNIT, made.recipient.name, made.recipient.phone, made.settings, merchant)
    return made


def reason(found: Verdict | None) -> tuple[int, str] | None:
    return None if found is None else (found.rule, found.reason)


def test_nothing_speaks_against_what_is_fresh_allowed_and_right() -> None:
    assert judge(facts()) is None


def account(**changes: Any) -> AccountNow:
    return replace(facts().account, **changes)


def with_units(about: Event, *others: Event, **changes: Any) -> Facts:
    return facts(about, unit=[about, *others], siblings=[about, *others], **changes)


def of_order(*shipments: Event, **changes: Any) -> Facts:
    """`created` of an order, and what its shipments have come to."""
    about = event("created", unit_key="order:eshopbox:1")
    return facts(about, unit=[about], siblings=[about, *shipments], **changes)


OTHER = "shipment:eshopbox:10"
JOINED = "order:vinoshipper:5"


def ranked(rank: int) -> Facts:
    """`created` of an order, and a shipment in a status of a map of the merchant's own."""
    own = {**STATUSES.of_key, "labelled": replace(STATUSES.of_key["packed"], key="labelled", rank=rank)}
    return of_order(structs.replace(event(), status="labelled", rank=rank), statuses=replace(STATUSES, of_key=own))


def with_another(*said: Told) -> Facts:
    """A packed shipment beside another one of its order."""
    return facts(siblings=[event(), event("delivered", unit_key=OTHER)], told=said)


def claimed(*ago: timedelta, known: bool = False, people: int = 0) -> Callable[[str, str], Claimed]:
    return lambda phone, notice_id: Claimed([NOW - one for one in ago], known, people, NOW - HOUR)


def house(**changes: Any) -> AccountNow:
    made = GupshupAccount.model_construct(
        id="h", kind="house", number=NUMBER, templates={"packed": WANTED}, daily_recipients=None, charges_confirmed=None
    )
    return account(account=made, **changes)


def failed(occurrence: int = 1, **changes: Any) -> Event:
    return event("failed_delivery", occurrence, **changes)


def order(**changes: Any) -> Order:
    found = facts().order
    assert found is not None
    return replace(found, **changes)


LONG = replace(TEMPLATE, data="{{1}} " + "x" * 1015)  # 8 characters of the name, a blank: 1024
HOOK: dict[str, Any] = {"basis": Basis.HOOK, "hook_at": NOW - HOUR}
STARTED = NOW - 5 * DAY


def nobody(fault: Wait) -> Facts:
    return facts(recipient=Recipient(None, fault))


def with_template(**changes: Any) -> Facts:
    return facts(account=account(templates={"t1": replace(TEMPLATE, **changes)}))


def beside(state: str) -> Facts:
    return facts(told=[other(state)])


# What the rules say of each case; None: the notice is due.
CASES: dict[str, tuple[Callable[[], Facts], tuple[int, str] | None]] = {
    "in the baseline": (lambda: facts(in_baseline=True), (1, Drop.BEFORE_START)),
    "before the start": (
        lambda: facts(event(ago=5 * DAY + SECOND), settings=settings(notifications=week())),
        (1, Drop.BEFORE_START),
    ),
    "at the start": (lambda: facts(event(ago=5 * DAY), settings=settings(notifications=week()), terms=terms()), None),
    "first hook of an older order": (lambda: hooked(STARTED - SECOND), (1, Drop.BEFORE_START)),
    "first hook of an order of unknown age": (lambda: hooked(None), (1, Drop.BEFORE_START)),
    "first hook of a new order": (lambda: hooked(STARTED), None),
    "second hook of an older order": (
        lambda: with_units(
            event(**HOOK), event("created", basis=Basis.HOOK, hook_at=NOW - 2 * HOUR),
            order=order(placed_at=STARTED - SECOND),
        ),
        None,
    ),
    "first hook of an order that nobody has read": (
        lambda: facts(event(**HOOK), order=None), (1, Drop.BEFORE_START),
    ),
    "first hook beside what no hook told": (
        lambda: with_units(event(**HOOK), event("created"), order=order(placed_at=None)), (1, Drop.BEFORE_START),
    ),
    "second hook, the first said more": (
        lambda: with_units(
            event(**HOOK), event("on_the_way", basis=Basis.HOOK, hook_at=NOW - 2 * HOUR), order=order(placed_at=None),
        ),
        (4, Drop.SUPERSEDED),
    ),
    "disabled": (
        lambda: facts(settings=settings(notifications={"created": NotificationSettings(enabled=True)})),
        (2, Drop.NOT_ENABLED),
    ),
    "never announced": (
        lambda: facts(
            event("forward_ended"),
            settings=settings(notifications={"forward_ended": NotificationSettings(enabled=True)}),
        ),
        (2, Drop.NOT_ENABLED),
    ),
    "enabled, and no status any more": (
        lambda: facts(
            structs.replace(event(), status="gone"),
            settings=settings(notifications={"gone": NotificationSettings(enabled=True)}),
        ),
        (2, Drop.NOT_ENABLED),
    ),
    "enabled nobody knows since when": (lambda: facts(terms=Terms(STARTED, True, {})), None),
    "before it was enabled": (lambda: facts(terms=terms(packed=NOW - HOUR + SECOND)), (2, Drop.BEFORE_ENABLED)),
    "as it was enabled": (lambda: facts(terms=terms(packed=NOW - HOUR)), None),
    "a rehearsal for others": (lambda: facts(settings=settings(only_to=("+919810000002",))), (2, Drop.REHEARSAL)),
    "a rehearsal for this one": (lambda: facts(settings=settings(only_to=(PHONE,))), None),
    "a rehearsal without phone": (
        lambda: facts(settings=settings(only_to=(PHONE,)), recipient=Recipient()),
        (2, Drop.REHEARSAL),
    ),
    "of unknown age": (lambda: facts(event(occurred_at=None, basis=None)), (3, Drop.AGE_UNKNOWN)),
    "a day old": (lambda: facts(event(ago=24 * HOUR)), None),
    "a second more": (lambda: facts(event(ago=24 * HOUR + SECOND)), (3, Drop.STALE)),
    "an order of 12 hours": (lambda: facts(event("created", ago=12 * HOUR)), None),
    "an order of a second more": (lambda: facts(event("created", ago=12 * HOUR + SECOND)), (3, Drop.STALE)),
    "older than its own max_age": (
        lambda: facts(settings=settings(notifications={"packed": soon(timedelta(minutes=59))})),
        (3, Drop.STALE),
    ),
    "not the newest": (lambda: with_units(event(), event("on_the_way")), (4, Drop.SUPERSEDED)),
    "an earlier occurrence": (
        lambda: with_units(failed(1, ago=9 * HOUR), failed(2), event("on_the_way", ago=5 * HOUR)),
        (4, Drop.SUPERSEDED),
    ),
    "the newest occurrence": (lambda: with_units(failed(2), failed(1, ago=9 * HOUR)), None),
    "created, one shipment is packed": (lambda: of_order(event("packed")), (4, Drop.SUPERSEDED)),
    "not known of its unit any more": (lambda: facts(unit=[], siblings=[]), (4, Drop.SUPERSEDED)),
    "created, one shipment is of rank 20": (lambda: ranked(20), (4, Drop.SUPERSEDED)),
    "created, one shipment is of rank 19": (lambda: ranked(19), None),
    "created, one return is": (lambda: of_order(event("restocked", unit_key="return:eshopbox:7")), None),
    "created, nothing is packed": (lambda: of_order(), None),
    "created, perhaps packed": (lambda: of_order(hook("packed")), (4, Wait.NOT_CONFIRMED)),
    "answered at the source": (lambda: facts(failed(answered_at=NOW)), (4, Drop.SUPERSEDED)),
    "answered, says the order": (lambda: facts(failed(), order=order(ndr=submitted(HOUR))), (4, Drop.SUPERSEDED)),
    "answered, nobody says when": (lambda: facts(failed(), order=order(ndr=submitted(None))), (4, Drop.SUPERSEDED)),
    "answered before": (lambda: facts(failed(), order=order(ndr=submitted(HOUR + SECOND))), None),
    "acted on": (lambda: facts(failed(), acted_at=[NOW - HOUR]), (4, Drop.SUPERSEDED)),
    "acted on before": (lambda: facts(failed(), acted_at=[NOW - HOUR - SECOND]), None),
    "failed, no order": (lambda: facts(failed(), order=None), (6, Wait.SOURCE_STALE)),
    "packed, whatever was done": (lambda: facts(acted_at=[NOW]), None),
    "the third time": (lambda: facts(failed(3), told=often(2)), None),
    "the fourth time": (lambda: facts(failed(4), told=often(3)), (4, Drop.SUPERSEDED)),
    "the fourth time, one was refused": (lambda: facts(failed(4), told=often(3, State.REJECTED)), None),
    "the third time, and this one itself": (
        lambda: facts(failed(3), told=[*often(2), told("failed_delivery", notice_id=THIS, occurrence=3)]), None,
    ),
    "the first time, another shipment's was told three times": (
        lambda: facts(
            failed(), siblings=[failed(), failed(unit_key=OTHER)],
            told=[replace(one, unit_key=OTHER) for one in often(3)],
        ),
        None,
    ),
    "the first time, three earlier statuses were told": (
        lambda: facts(failed(), told=[replace(one, status="packed") for one in often(3)]), None,
    ),
    "told three times, but none that repeats": (
        lambda: facts(told=[replace(one, status="packed") for one in often(3)]), (5, Drop.OUT_OF_ORDER),
    ),
    "a hook says more": (lambda: with_units(event(), hook("on_the_way")), (4, Wait.NOT_CONFIRMED)),
    "a hook has said more for 15 min": (
        lambda: with_units(event(), hook("on_the_way", 15 * MINUTE)),
        (4, Wait.NOT_CONFIRMED),
    ),
    "a hook that nothing confirmed": (lambda: with_units(event(), hook("on_the_way", 15 * MINUTE + SECOND)), None),
    "a hook that nothing confirmed said more, another says less": (
        lambda: with_units(event(), hook("on_the_way", 15 * MINUTE + SECOND), hook("created")), None,
    ),
    "no hook told what is not confirmed": (
        lambda: with_units(event(), event("on_the_way", confirmed=False)), None,
    ),
    "a hook says less": (lambda: with_units(event(), hook("created")), None),
    "a later one was told": (lambda: facts(told=[told("on_the_way")]), (5, Drop.OUT_OF_ORDER)),
    "the same was told": (lambda: facts(told=[told("packed", occurrence=2)]), (5, Drop.OUT_OF_ORDER)),
    "an earlier one was told": (lambda: facts(told=[told("created")]), None),
    "of another shipment": (lambda: with_another(told("delivered", unit_key=OTHER)), None),
    "the same of another shipment": (lambda: with_another(told("packed", unit_key=OTHER)), None),
    "of a shipment by a name that an older database does not know": (
        lambda: facts(told=[told("packed", unit_key=OTHER)]),
        (5, Drop.OUT_OF_ORDER),
    ),
    "a later one by such a name": (
        lambda: facts(told=[told("delivered", unit_key=OTHER)]),
        (5, Drop.OUT_OF_ORDER),
    ),
    "a failure by such a name, since it occurred": (
        lambda: facts(failed(2), told=[told("failed_delivery", HOUR, unit_key=OTHER)]),
        (5, Drop.OUT_OF_ORDER),
    ),
    "a failure by such a name, before it occurred": (
        lambda: facts(failed(2), told=[told("failed_delivery", HOUR + SECOND, unit_key=OTHER)]), None,
    ),
    "a failure by such a name, nobody knows when it occurred": (
        lambda: facts(failed(2, occurred_at=None), told=[told("failed_delivery", unit_key=OTHER)]),
        (3, Drop.AGE_UNKNOWN),
    ),
    "a return by such a name": (
        lambda: facts(told=[told("restocked", unit_key="return:eshopbox:3")]), None,
    ),
    "this one itself": (lambda: facts(told=[told("packed", notice_id=THIS)]), None),
    "it repeats": (lambda: facts(failed(2), told=[told("failed_delivery")]), None),
    "it repeats, and was told late": (lambda: facts(failed(2), told=[told("failed_delivery", MINUTE)]), None),
    "created, it was told as another system's order": (
        lambda: of_order(event("created", unit_key=JOINED), told=[told("created", unit_key=JOINED)]),
        (5, Drop.OUT_OF_ORDER),
    ),
    "created, a shipment was told": (lambda: of_order(told=[told("packed")]), (5, Drop.OUT_OF_ORDER)),
    "a later one is unknown": (lambda: facts(told=[told("on_the_way", state=State.UNKNOWN)]), (5, Drop.OUT_OF_ORDER)),
    "a later one failed": (lambda: facts(told=[told("on_the_way", state=State.FAILED)]), (5, Drop.OUT_OF_ORDER)),
    "a later one is sending": (
        lambda: facts(told=[told("on_the_way", state=State.SENDING, accepted_at=None)]),
        (5, Drop.OUT_OF_ORDER),
    ),
    "a later one was refused": (
        lambda: facts(told=[told("on_the_way", state=State.WAITING, accepted_at=None)]), None,
    ),
    "a later one was rejected": (
        lambda: facts(told=[told("on_the_way", state=State.REJECTED, accepted_at=None)]), None,
    ),
    "a later one waits for its retry": (
        lambda: facts(told=[told("on_the_way", state=State.WAITING)]),
        (5, Drop.OUT_OF_ORDER),
    ),
    "one that no status is any more": (lambda: facts(told=[told("gone")]), (5, Drop.OUT_OF_ORDER)),
    "read an hour ago": (lambda: facts(order=order(read_real=REAL - 3600)), None),
    "read a second more ago": (lambda: facts(order=order(read_real=REAL - 3601)), (6, Wait.SOURCE_STALE)),
    "read ahead of a clock that was put back": (
        lambda: facts(order=order(read_real=REAL + 3601)), (6, Wait.SOURCE_STALE),
    ),
    "read long ago by VS_ST_NOW alone": (lambda: facts(order=order(read_at=NOW - DAY)), None),
    "read nobody knows when": (
        lambda: facts(order=order(read_real=None, read_at=NOW - HOUR - SECOND)),
        (6, Wait.SOURCE_STALE),
    ),
    "read nobody knows by which clock": (
        lambda: facts(order=order(read_real=None, read_at=NOW - HOUR)), None,
    ),
    "never read": (lambda: facts(order=order(read_real=None, read_at=None)), (6, Wait.SOURCE_STALE)),
    "no order": (lambda: facts(order=None), (6, Wait.SOURCE_STALE)),
    **{
        f"phone: {fault}": (partial(nobody, fault), (7, fault))
        for fault in (Wait.PHONE_MISSING, Wait.PHONE_INVALID, Wait.PHONE_NOT_MOBILE, Wait.COUNTRY_NOT_ALLOWED)
    },
    "nobody is known": (lambda: facts(recipient=Recipient()), (7, Wait.PHONE_MISSING)),
    "a shared phone": (lambda: facts(recipient=someone(is_shared=True)), (7, Wait.SHARED_PHONE)),
    "forgotten": (lambda: facts(recipient=someone(is_forgotten=True)), (8, Wait.FORGOTTEN)),
    "under age": (lambda: facts(recipient=someone(under_age=True)), (8, Wait.UNDER_AGE)),
    "opted out": (lambda: facts(consents=[Row("stop_word", "out", NOW)]), (8, Wait.OPTED_OUT)),
    "not on WhatsApp": (lambda: facts(absent_at=NOW - 30 * DAY + SECOND), (8, Wait.NOT_ON_WHATSAPP)),
    "not on WhatsApp 30 days ago": (lambda: facts(absent_at=NOW - 30 * DAY), None),
    "no consent": (lambda: facts(order=order(whatsapp_flag=False)), (9, Wait.NOT_OPTED_IN)),
    "no word": (lambda: facts(order=order(whatsapp_flag=None)), (9, Wait.NOT_OPTED_IN)),
    "an event": (lambda: facts(order=order(whatsapp_flag=None), consents=[Row("gupshup_event", "in", NOW)]), None),
    "attested": (lambda: facts(order=order(whatsapp_flag=None), settings=attested(date(2026, 5, 18))), None),
    "attested from the next day on": (
        lambda: facts(order=order(whatsapp_flag=None), settings=attested(date(2026, 5, 19))),
        (9, Wait.NOT_OPTED_IN),
    ),
    "attested, in the merchant's zone": (
        lambda: facts(
            order=order(whatsapp_flag=None, placed_at=datetime(2026, 5, 18, 18, 30)),
            settings=attested(date(2026, 5, 19)),
        ),
        None,
    ),
    "no account": (lambda: facts(account=AccountNow()), (10, Wait.NO_ACCOUNT)),
    "charges not confirmed": (lambda: facts(account=house()), (10, Wait.CHARGES_NOT_CONFIRMED)),
    "stopped": (lambda: facts(account=account(stopped=True)), (10, Wait.ACCOUNT_STOPPED)),
    "a list of 15 minutes": (lambda: facts(account=account(list_read=(REAL - 900, NOW - 15 * MINUTE))), None),
    "an older list": (
        lambda: facts(account=account(list_read=(REAL, NOW - 15 * MINUTE - SECOND))),
        (11, Wait.TRY_LATER),
    ),
    "an older list by the clock": (lambda: facts(account=account(list_read=(REAL - 901, NOW))), (11, Wait.TRY_LATER)),
    "a list ahead of a clock that was put back": (
        lambda: facts(account=account(list_read=(REAL + 901, NOW))), (11, Wait.TRY_LATER),
    ),
    "no list": (lambda: facts(account=account(list_read=None)), (11, Wait.TRY_LATER)),
    "no template set": (
        lambda: facts(
            settings=settings(notifications={"packed": NotificationSettings(enabled=True)}),
            account=account(list_read=None),
        ),
        (11, Wait.TEMPLATE_MISSING),
    ),
    "no template set, and an older list": (
        lambda: facts(
            settings=settings(notifications={"packed": NotificationSettings(enabled=True)}),
            account=account(list_read=(REAL, NOW - DAY)),
        ),
        (11, Wait.TEMPLATE_MISSING),
    ),
    "no such template": (lambda: facts(account=account(templates={})), (11, Wait.TEMPLATE_GONE)),
    **{
        f"template: {fault}": (
            partial(with_template, **changes),
            (11, fault),
        )
        for fault, changes in {
            Wait.TEMPLATE_PAUSED: {"status": "PAUSED"},
            Wait.TEMPLATE_REFUSED: {"status": "DISABLED"},
            Wait.TEMPLATE_NOT_APPROVED: {"status": "PENDING"},
            Wait.TEMPLATE_PARAMS: {"data": "Hi"},
            Wait.TEMPLATE_CATEGORY: {"category": "MARKETING"},
            Wait.TEMPLATE_UNSUPPORTED: {"type": "IMAGE"},
        }.items()
    },
    "no name": (lambda: facts(recipient=someone(name="N/A")), (12, Wait.MISSING_VALUE)),
    "1024 characters": (lambda: facts(account=account(templates={"t1": LONG})), None),
    "1025 characters": (
        lambda: facts(account=account(templates={"t1": replace(LONG, data=f"{LONG.data}x")})),
        (12, Wait.TOO_LONG),
    ),
    "just seen": (lambda: facts(first_seen_at=NOW - MINUTE + SECOND), (13, Wait.SETTLING)),
    "settled": (lambda: facts(first_seen_at=NOW - MINUTE), None),
    **{
        f"another is {state}": (partial(beside, state), (14, Wait.SEQUENCE))
        for state in (State.ACCEPTED, State.ENQUEUED, State.UNKNOWN, State.SENDING)
    },
    **{
        f"another is {state}": (partial(beside, state), None)
        for state in (State.SENT, State.DELIVERED, State.READ, State.FAILED, State.REJECTED)
    },
    "another waits for its retry": (lambda: facts(told=[other(State.WAITING)]), (14, Wait.SEQUENCE)),
    "this one itself waits for its retry": (
        lambda: facts(told=[told("packed", MINUTE, State.WAITING, notice_id=THIS)]), None,
    ),
    "another since 5 minutes": (lambda: facts(told=[other(State.ACCEPTED, 5 * MINUTE)]), None),
    "in quiet hours": (lambda: at(datetime(2026, 5, 20, 15, 30)), (15, Wait.QUIET_HOURS)),
    "before quiet hours": (lambda: at(datetime(2026, 5, 20, 15, 29, 59)), None),
    "quiet hours that are ignored": (
        lambda: at(
            datetime(2026, 5, 20, 15, 30),
            settings=settings(notifications={"packed": soon(DAY, quiet_hours="ignore")}),
        ),
        None,
    ),
    "without quiet hours": (lambda: at(datetime(2026, 5, 20, 15, 30), settings=settings(quiet_hours=None)), None),
    "quiet in one zone of several": (
        lambda: facts(recipient=someone(zones=("Asia/Kolkata", "America/New_York"))),
        (15, Wait.QUIET_HOURS),
    ),
    "quiet there, but by the merchant's zone": (
        lambda: facts(
            recipient=someone(zones=("America/New_York",)),
            settings=settings(quiet_hours=QuietHours(start=time(21), end=time(8), zone="merchant")),
        ),
        None,
    ),
    "of an unknown country": (
        lambda: at(datetime(2026, 5, 20, 15, 30), recipient=someone(zones=())), (15, Wait.QUIET_HOURS),
    ),
    "five in a day": (lambda: facts(account=account(claimed=claimed(*[HOUR] * 5))), None),
    "six in a day": (lambda: facts(account=account(claimed=claimed(*[HOUR] * 6))), (16, Wait.CAP)),
    "six, one of a day ago": (lambda: facts(account=account(claimed=claimed(*[HOUR] * 5, DAY))), None),
    "six, but exempt": (lambda: facts(failed(), account=account(claimed=claimed(*[HOUR] * 6))), None),
    "the number's people": (lambda: facts(account=account(claimed=claimed(people=999))), None),
    "one more": (lambda: facts(account=account(claimed=claimed(people=1000))), (16, Wait.DAILY_RECIPIENTS)),
    "one of them": (lambda: facts(account=account(claimed=claimed(people=1000, known=True))), None),
    "without end": (
        lambda: facts(account=account(account=UNLIMITED, claimed=claimed(people=9999))),
        None,
    ),
    "held by the brake": (lambda: facts(unsafe=True), (16, Wait.UNSAFE)),
    "paused": (lambda: facts(account=account(paused_until=NOW + SECOND)), (16, Wait.TRY_LATER)),
    "paused until now": (lambda: facts(account=account(paused_until=NOW)), None),
    "its retry is not due": (lambda: facts(own=retry(NOW + SECOND)), (16, Wait.RETRY)),
    "its retry is due": (lambda: facts(own=retry(NOW)), None),
    "it waits, and never failed": (lambda: facts(own=replace(retry(NOW), retry_at=None)), None),
    "its retry is due by the same account": (lambda: facts(own=replace(retry(NOW), account="client:kk")), None),
    "it is another account's to try again": (
        lambda: facts(own=replace(retry(NOW), account="eshopbox-house")), (16, Wait.RETRY),
    ),
}  # fmt: skip


def week() -> dict[str, NotificationSettings]:
    return {"packed": soon(7 * DAY)}


def soon(age: timedelta, **changes: Any) -> NotificationSettings:
    return NotificationSettings.model_construct(
        **{"enabled": True, "template": WANTED, "max_age": age, "quiet_hours": "keep", **changes}
    )


def terms(packed: datetime = STARTED) -> Terms:
    return Terms(STARTED, True, {"packed": packed})


def hooked(placed: datetime | None) -> Facts:
    return facts(event(**HOOK), order=order(placed_at=placed))


def submitted(ago: timedelta | None) -> dict[str, Any]:
    return {UNIT: {"submitted": {"code": "ACTF001", "at": None if ago is None else (NOW - ago).isoformat()}}}


def often(count: int, state: str = State.DELIVERED) -> list[Told]:
    accepted: dict[str, Any] = {} if state == State.DELIVERED else {"accepted_at": None}
    made = [told("failed_delivery", notice_id=f"n_{i}", occurrence=i) for i in range(count)]
    return [*made[:-1], replace(made[-1], state=state, **accepted)]


def someone(**changes: Any) -> Recipient:
    return replace(facts().recipient, **changes)


def attested(since: date) -> NoticesSettings:
    return settings(
        opt_in=("attestation",),
        attestation=Attestation.model_construct(text="I agree", by="Asha", since=since),
    )


def other(state: str, ago: timedelta = 5 * MINUTE - SECOND) -> Told:
    accepted = None if state in (State.UNKNOWN, State.SENDING, State.REJECTED) else NOW - ago
    return told("created", ago, state, unit_key="order:eshopbox:1", accepted_at=accepted)


def at(now: datetime, **changes: Any) -> Facts:
    made = facts(**changes)
    made.now = now
    made.account = account(list_read=(REAL, now))
    return made


def retry(when: datetime) -> Told:
    return told("packed", notice_id=THIS, state=State.WAITING, retry_at=when)


FOR_OTHERS = settings(only_to=("+919810000002",))
NOT_OURS = settings(notifications={"created": NotificationSettings(enabled=True)})
WITHOUT_PROOF: dict[str, Any] = {"order": order(whatsapp_flag=None)}
TOO_LONG = {"t1": replace(LONG, data=f"{LONG.data}x")}

# What two rules say of that stand one after the other: the first of them names the reason.
BOTH: dict[str, tuple[Callable[[], Facts], tuple[int, str]]] = {
    "a first hook, and not enabled": (
        lambda: facts(event(**HOOK), order=order(placed_at=None), settings=NOT_OURS),
        (1, Drop.BEFORE_START),
    ),
    "not enabled, and before it was": (
        lambda: facts(settings=NOT_OURS, terms=terms(packed=NOW)),
        (2, Drop.NOT_ENABLED),
    ),
    "before it was enabled, in a rehearsal": (
        lambda: facts(settings=FOR_OTHERS, terms=terms(packed=NOW)),
        (2, Drop.BEFORE_ENABLED),
    ),
    "a rehearsal, of unknown age": (
        lambda: facts(event(occurred_at=None, basis=None), settings=FOR_OTHERS),
        (2, Drop.REHEARSAL),
    ),
    "stale, and not the newest": (
        lambda: with_units(event(ago=25 * HOUR), event("on_the_way")),
        (3, Drop.STALE),
    ),
    "the fourth time, and a hook says more": (
        lambda: with_units(failed(4), hook("delivered"), told=often(3)),
        (4, Drop.SUPERSEDED),
    ),
    "a hook says more, and a later one was told": (
        lambda: with_units(event(), hook("on_the_way"), told=[told("on_the_way")]),
        (4, Wait.NOT_CONFIRMED),
    ),
    "a later one was told, no order": (
        lambda: facts(told=[told("on_the_way")], order=None),
        (5, Drop.OUT_OF_ORDER),
    ),
    "no order, no phone": (lambda: facts(order=None, recipient=Recipient()), (6, Wait.SOURCE_STALE)),
    "another country, and shared": (
        lambda: facts(recipient=someone(phone=None, fault=Wait.COUNTRY_NOT_ALLOWED, is_shared=True)),
        (7, Wait.COUNTRY_NOT_ALLOWED),
    ),
    "shared, and forgotten": (
        lambda: facts(recipient=someone(is_shared=True, is_forgotten=True)),
        (7, Wait.SHARED_PHONE),
    ),
    "forgotten, and under age": (
        lambda: facts(recipient=someone(is_forgotten=True, under_age=True)),
        (8, Wait.FORGOTTEN),
    ),
    "under age, and opted out": (
        lambda: facts(recipient=someone(under_age=True), consents=[Row("stop_word", "out", NOW)]),
        (8, Wait.UNDER_AGE),
    ),
    "opted out, and not on WhatsApp": (
        lambda: facts(consents=[Row("stop_word", "out", NOW)], absent_at=NOW),
        (8, Wait.OPTED_OUT),
    ),
    "not on WhatsApp, and without consent": (
        lambda: facts(absent_at=NOW, **WITHOUT_PROOF),
        (8, Wait.NOT_ON_WHATSAPP),
    ),
    "charges not confirmed, and stopped": (
        lambda: facts(account=house(stopped=True)),
        (10, Wait.CHARGES_NOT_CONFIRMED),
    ),
    "stopped, and without a list": (
        lambda: facts(account=account(stopped=True, list_read=None)),
        (10, Wait.ACCOUNT_STOPPED),
    ),
    "another type, and no name": (
        lambda: facts(
            account=account(templates={"t1": replace(TEMPLATE, type="IMAGE")}), recipient=someone(name="N/A")
        ),
        (11, Wait.TEMPLATE_UNSUPPORTED),
    ),
    "too long, and just seen": (
        lambda: facts(account=account(templates=TOO_LONG), first_seen_at=NOW),
        (12, Wait.TOO_LONG),
    ),
    "just seen, beside another": (
        lambda: facts(first_seen_at=NOW, told=[other(State.ACCEPTED)]),
        (13, Wait.SETTLING),
    ),
    "beside another, in quiet hours": (
        lambda: facts(told=[other(State.ACCEPTED)], recipient=someone(zones=("America/New_York",))),
        (14, Wait.SEQUENCE),
    ),
    "in quiet hours, over the cap": (
        lambda: facts(account=account(claimed=claimed(*[HOUR] * 6)), recipient=someone(zones=("America/New_York",))),
        (15, Wait.QUIET_HOURS),
    ),
    "over the cap, and one more": (
        lambda: facts(account=account(claimed=claimed(*[HOUR] * 6, people=1000))),
        (16, Wait.CAP),
    ),
    "one more, and held": (
        lambda: facts(account=account(claimed=claimed(people=1000)), unsafe=True),
        (16, Wait.DAILY_RECIPIENTS),
    ),
    "held, and paused": (
        lambda: facts(account=account(paused_until=NOW + SECOND), unsafe=True),
        (16, Wait.UNSAFE),
    ),
    "paused, and its retry is not due": (
        lambda: facts(account=account(paused_until=NOW + SECOND), own=retry(NOW + SECOND)),
        (16, Wait.TRY_LATER),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_rule_at_its_boundary(name: str) -> None:
    made, expected = CASES[name]
    assert reason(judge(made())) == expected


@pytest.mark.parametrize("name", BOTH)
def test_the_earlier_rule_names_the_reason(name: str) -> None:
    made, expected = BOTH[name]
    assert reason(judge(made())) == expected


def test_every_row_of_the_table_is_tried() -> None:
    """Without any one row, some case comes out differently."""
    for row in RULES:
        without = [one for one in RULES if one is not row]
        assert any(
            reason(judge(made(), without)) != expected for made, expected in CASES.values() if expected is not None
        ), f"rule {row.number}, {row.reason}: no case needs it"


def test_the_table_reads_like_the_contracts() -> None:
    order = [
        (1, "before_start"), (2, "not_enabled"), (2, "before_enabled"), (2, "rehearsal"), (3, "age_unknown"),
        (3, "stale"), (4, "superseded"), (4, "not_confirmed"), (5, "out_of_order"), (6, "source_stale"),
        (7, "phone_missing"), (7, "phone_invalid"), (7, "phone_not_mobile"), (7, "country_not_allowed"),
        (7, "shared_phone"), (8, "forgotten"), (8, "under_age"), (8, "opted_out"), (8, "not_on_whatsapp"),
        (9, "not_opted_in"), (10, "no_account"), (10, "charges_not_confirmed"), (10, "account_stopped"),
        (11, "try_later"), (11, "template_missing"), (11, "template_gone"), (11, "template_paused"),
        (11, "template_refused"), (11, "template_not_approved"), (11, "template_params"), (11, "template_category"),
        (11, "template_unsupported"), (12, "missing_value"), (12, "too_long"), (13, "settling"), (14, "sequence"),
        (15, "quiet_hours"), (16, "cap"), (16, "daily_recipients"), (16, "unsafe"), (16, "try_later"), (16, "retry"),
    ]  # fmt: skip
    assert list(dict.fromkeys((row.number, str(row.reason)) for row in RULES)) == order
    assert [row.number for row in RULES] == sorted(row.number for row in RULES)
    assert {row.number for row in RULES if row.drops} == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("name", "until"),
    [
        ("a hook says more", NOW + 14 * MINUTE),
        ("created, perhaps packed", NOW + 14 * MINUTE),
        ("not on WhatsApp", NOW + SECOND),
        ("just seen", NOW + SECOND),
        ("another is accepted", NOW + SECOND),
        ("in quiet hours", datetime(2026, 5, 21, 2, 30)),
        ("six in a day", NOW + 23 * HOUR),
        ("one more", NOW + 23 * HOUR),
        ("paused", NOW + SECOND),
        ("its retry is not due", NOW + SECOND),
    ],
)
def test_a_wait_that_ends_by_time_says_when(name: str, until: datetime) -> None:
    found = judge(CASES[name][0]())
    assert found is not None
    assert found.until == until


def test_a_missing_value_is_named() -> None:
    found = judge(CASES["no name"][0]())
    assert found is not None
    assert found.detail == "customer_name"


def test_the_cap_opens_when_enough_have_left_the_window() -> None:
    made = facts(
        settings=settings(cap=Cap(messages=2, window=DAY)),
        account=account(claimed=claimed(5 * HOUR, 3 * HOUR, HOUR)),
    )
    found = judge(made)
    assert found is not None
    assert found.until == NOW + 21 * HOUR


def test_a_house_account_with_confirmed_charges_sends() -> None:
    made = facts(account=house())
    assert made.account.account is not None
    confirmed = made.account.account.model_copy(update={"charges_confirmed": object()})
    assert judge(facts(account=replace(made.account, account=confirmed))) is None


def test_the_rules_of_the_event_are_the_first_three() -> None:
    assert [*rules.OF_THE_EVENT, *rules.REST] == list(RULES)
    assert {row.number for row in rules.OF_THE_EVENT} == {1, 2, 3}


def test_an_unconfirmed_hook_is_waited_for_by_its_own_time() -> None:
    made = with_units(event(hook_at=NOW - MINUTE), hook("on_the_way", 5 * MINUTE))
    assert judge(made) == Verdict(Wait.NOT_CONFIRMED, 4, drops=False, until=NOW + 10 * MINUTE)


def test_a_tier_without_a_first_recipient_ends_nobody_knows_when() -> None:
    counted = Claimed(people_today=1000)
    found = judge(facts(account=account(claimed=lambda phone, notice_id: counted)))
    assert found == Verdict(Wait.DAILY_RECIPIENTS, 16, drops=False)


FULL = {"claimed": claimed(*[HOUR] * 6, people=1000)}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda: facts(recipient=someone(phone=None), account=account(**FULL)), {Wait.PHONE_MISSING}),
        (
            lambda: facts(account=AccountNow(claimed=claimed(people=1000)), own=retry(NOW)),
            {Wait.NO_ACCOUNT, Wait.TEMPLATE_MISSING},
        ),
        (
            lambda: facts(account=AccountNow(), own=replace(retry(NOW), account="client:kk")),
            {Wait.NO_ACCOUNT, Wait.TEMPLATE_MISSING, Wait.RETRY},
        ),
        (
            lambda: facts(failed(occurred_at=None, basis=None), acted_at=[NOW - DAY]),
            {Drop.AGE_UNKNOWN, Drop.SUPERSEDED},
        ),
        (
            lambda: facts(failed(occurred_at=None, basis=None), told=[told("failed_delivery", unit_key=OTHER)]),
            {Drop.AGE_UNKNOWN, Drop.OUT_OF_ORDER},
        ),
        (
            lambda: at(
                datetime(2026, 5, 20, 15, 30), settings=settings(notifications={}),
                recipient=someone(zones=("Asia/Kolkata",)),
            ),
            {Drop.NOT_ENABLED, Wait.TEMPLATE_MISSING, Wait.QUIET_HOURS},
        ),
    ],
)  # fmt: skip
def test_a_rule_leans_on_no_other_one(made: Callable[[], Facts], expected: set[str]) -> None:
    """Each row can be asked alone: of a plan the first three are asked first, before anything else is read."""
    it = made()
    assert {str(row.reason) for row in RULES if row.applies(it) is not False} == {str(one) for one in expected}


def test_the_brake_counts_what_passes_the_first_twelve_rules() -> None:
    assert {row.number for row in RULES if row.number < rules.BRAKE_FROM} == set(range(1, 13))


@pytest.mark.parametrize(
    ("reason", "rule", "held"),
    [
        (None, None, True),
        (Wait.SETTLING, 13, False),
        (Wait.CAP, 16, False),
        (Wait.DAILY_RECIPIENTS, 16, False),
        (Wait.TRY_LATER, 16, True),
        (Wait.RETRY, 16, True),
        (Wait.TRY_LATER, 11, False),
    ],
)
def test_the_brake_holds_what_no_earlier_row_lets_wait(reason: Wait | None, rule: int | None, held: bool) -> None:
    assert rules.is_held(None if reason is None else str(reason), rule) is held
