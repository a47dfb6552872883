"""Each fault of a template, in the order in which it is named (notices.md 2.4, 5.11)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from vs_st_pipeline.connectors.gupshup.settings import TemplateParam, TemplateSettings
from vs_st_pipeline.routes.notices import template_fit
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.template_fit import FAULTS, Fit, Template, fit, form_of
from vs_st_pipeline.routes.notices.words import Wait

READ = datetime(2026, 5, 20, 12)
BUTTONS = [{"type": "QUICK_REPLY", "text": "Reattempt"}, {"type": "QUICK_REPLY", "text": "Cancel"}]
GOOD = Template(
    "c6ae", "APPROVED", "UTILITY", "en", "TEXT", "Hi {{1}}, order {{2}} of {{1}}", None, "Bye", BUTTONS, READ
)
WANTED = TemplateSettings(
    id="c6ae",
    params=(TemplateParam(variable="customer_name"), TemplateParam(variable="customer_order_id")),
    buttons=("reattempt", "cancel"),
)


def settings(*, marketing: bool = False) -> NoticesSettings:
    return NoticesSettings.model_construct(allow_marketing_templates=marketing, countries=("IN",))


def judge(wanted: TemplateSettings | None = WANTED, *, marketing: bool = False, **changes: object) -> Fit:
    return fit(replace(GOOD, **changes), wanted, settings(marketing=marketing))  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{}, {"status": "approved"}, {"header": "{{2}}"}, {"type": "text"}])
def test_what_fits(changes: dict[str, object]) -> None:
    assert judge(**changes).fits  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"gone": True}, Wait.TEMPLATE_GONE),
        ({"status": "deleted"}, Wait.TEMPLATE_GONE),
        ({"status": "PAUSED"}, Wait.TEMPLATE_PAUSED),
        ({"status": "Disabled"}, Wait.TEMPLATE_REFUSED),
        ({"status": "PENDING"}, Wait.TEMPLATE_NOT_APPROVED),
        ({"status": "REJECTED"}, Wait.TEMPLATE_NOT_APPROVED),
        ({"status": None}, Wait.TEMPLATE_NOT_APPROVED),
        ({"data": "Hi {{1}}"}, Wait.TEMPLATE_PARAMS),
        ({"data": "Hi {{1}} {{2}} {{3}}"}, Wait.TEMPLATE_PARAMS),
        ({"data": "Hi {{1}} {{3}}"}, Wait.TEMPLATE_PARAMS),
        ({"data": "Hi {{1}} {{name}}"}, Wait.TEMPLATE_PARAMS),
        ({"data": None}, Wait.TEMPLATE_PARAMS),
        ({"buttons": BUTTONS[:1]}, Wait.TEMPLATE_PARAMS),
        ({"buttons": [BUTTONS[0], {"type": "URL", "text": "Track", "url": "x"}]}, Wait.TEMPLATE_PARAMS),
        ({"buttons": [*BUTTONS, {"type": "URL", "text": "Track", "url": "x/{{3}}"}]}, Wait.TEMPLATE_PARAMS),
        ({"category": "MARKETING"}, Wait.TEMPLATE_CATEGORY),
        ({"category": "AUTHENTICATION"}, Wait.TEMPLATE_CATEGORY),
        ({"category": None}, Wait.TEMPLATE_CATEGORY),
        ({"type": "IMAGE"}, Wait.TEMPLATE_UNSUPPORTED),
        ({"header": "Order {{3}}"}, Wait.TEMPLATE_UNSUPPORTED),
    ],
)
def test_what_does_not_fit(changes: dict[str, object], fault: Wait) -> None:
    assert judge(**changes).fault == fault  # type: ignore[arg-type]


def test_nothing_set_and_nothing_there() -> None:
    assert fit(GOOD, None, settings()).fault == Wait.TEMPLATE_MISSING
    assert fit(None, WANTED, settings()).fault == Wait.TEMPLATE_GONE


def test_marketing_only_where_it_is_allowed() -> None:
    assert judge(category="MARKETING", marketing=True).fits
    assert judge(category="AUTHENTICATION", marketing=True).fault == Wait.TEMPLATE_CATEGORY


def test_the_faults_stand_in_the_contracts_order() -> None:
    order = [
        Wait.TEMPLATE_GONE, Wait.TEMPLATE_PAUSED, Wait.TEMPLATE_REFUSED, Wait.TEMPLATE_NOT_APPROVED,
        Wait.TEMPLATE_PARAMS, Wait.TEMPLATE_CATEGORY, Wait.TEMPLATE_UNSUPPORTED,
    ]  # fmt: skip
    assert list(dict.fromkeys(reason for reason, _, _ in FAULTS)) == order


@dataclass(frozen=True)
class _Fault:
    state: str
    since: datetime = READ
    data: str | None = GOOD.data
    status: str | None = "APPROVED"
    form: str | None = None


def refused(fault: _Fault, wanted: TemplateSettings = WANTED, **changes: object) -> Wait | None:
    return fit(replace(GOOD, **changes), wanted, settings(), [fault]).fault  # type: ignore[arg-type]


def test_a_refusal_by_code_holds_until_text_status_or_params_change() -> None:
    fault = _Fault("refused", form=form_of(WANTED))
    assert refused(fault) == Wait.TEMPLATE_REFUSED
    assert refused(replace(fault, data="Hello {{1}} {{2}}")) is None
    assert refused(replace(fault, status="PAUSED")) is None
    other = WANTED.model_copy(update={"params": tuple(reversed(WANTED.params))})
    assert refused(fault, other) is None
    assert refused(replace(fault, status="PENDING"), status="PENDING") == Wait.TEMPLATE_REFUSED, "it names the code"


@pytest.mark.parametrize(("state", "reason"), [("paused", Wait.TEMPLATE_PAUSED), ("disabled", Wait.TEMPLATE_REFUSED)])
def test_a_pause_by_code_holds_until_a_later_list_says_approved(state: str, reason: Wait) -> None:
    second = timedelta(seconds=1)
    assert refused(_Fault(state, since=READ)) == reason
    assert refused(_Fault(state, since=READ + second)) == reason
    assert refused(_Fault(state, since=READ - second)) is None
    assert refused(_Fault(state, since=READ - second), status="PENDING") == reason
    assert refused(_Fault(state), read_at=None) == reason
    assert refused(_Fault(state, since=READ - second, form=form_of(WANTED))) is None, "it is no refusal for good"


def test_a_pause_by_code_comes_before_what_the_list_says_of_it() -> None:
    assert refused(_Fault("paused"), status="DISABLED") == Wait.TEMPLATE_PAUSED


def test_of_two_things_that_are_the_matter_the_list_is_told_before_a_code() -> None:
    paused, disabled, for_good = _Fault("paused"), _Fault("disabled"), _Fault("refused", form=form_of(WANTED))
    assert fit(replace(GOOD, status="PAUSED"), WANTED, settings(), [paused]).detail == "it is paused"
    assert fit(replace(GOOD, status="DISABLED"), WANTED, settings(), [disabled]).detail == "it is disabled"
    assert fit(GOOD, WANTED, settings(), [for_good, disabled]).detail.endswith("it is disabled")


def test_a_button_with_another_placeholder_comes_before_the_category() -> None:
    button = {"type": "URL", "text": "Track", "url": "x/{{3}}"}
    assert judge(buttons=[*BUTTONS, button], category="AUTHENTICATION").fault == Wait.TEMPLATE_PARAMS


def test_the_house_uses_its_own_templates() -> None:
    from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
    from vs_st_pipeline.routes.notices.settings import NotificationSettings

    own = NoticesSettings.model_construct(notifications={"packed": NotificationSettings(template=WANTED)})
    house = GupshupAccount.model_construct(id="h", kind="house", templates={"delivered": WANTED})
    client = GupshupAccount.model_construct(id="client:k", kind="client", templates={})
    assert template_fit.wanted_by(own, house, "packed") is None
    assert template_fit.wanted_by(own, house, "delivered") == WANTED
    assert template_fit.wanted_by(own, client, "packed") == WANTED
    assert template_fit.wanted_by(own, client, "delivered") is None


def test_what_does_not_fit_is_told_from_both_sides() -> None:
    one = WANTED.model_copy(update={"params": (TemplateParam(variable="customer_name"),)})
    assert judge(one).detail == "the template has 2 placeholders ({{1}}, {{2}}), and `params` has 1 (customer_name)"
    assert judge(WANTED.model_copy(update={"params": ()})).detail.endswith("and `params` has none")
    bare = judge(buttons=BUTTONS[:1])
    assert bare.detail == 'the template has 1 quick reply ("Reattempt"), and `buttons` has 2 (reattempt, cancel)'
    assert judge(data="Hi", buttons=[]).detail.startswith("the template has no placeholders, and")
    assert judge(status="REJECTED").detail == "its status is REJECTED"
