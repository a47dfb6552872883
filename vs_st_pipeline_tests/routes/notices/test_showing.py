"""Templates as people see them: `notices templates check` and `preview` (notices.md 9)."""

from __future__ import annotations

import pytest

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.routes.notices import check, listing, showing
from vs_st_pipeline.routes.notices.meanings import MEANINGS
from vs_st_pipeline.routes.notices.settings import NotificationSettings
from vs_st_pipeline.routes.notices.words import Wait
from vs_st_pipeline_tests.routes.notices.plan_rows import WANTED, World, world

__all__ = ["world"]

PREVIEW = {
    "header": None,
    "body": "Hi Asha Rao",
    "footer": None,
    "buttons": ["Again"],
    "params": [{"n": 1, "variable": "customer_name", "value": "Asha Rao"}],
}


@pytest.fixture(autouse=True)
def _list(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is read where it is asked for."""
    monkeypatch.setattr(listing, "read_now", lambda session, account: world.list_templates())
    world.more = {
        "notifications": {
            "packed": NotificationSettings(enabled=True, template=WANTED),
            "delivered": NotificationSettings(template=WANTED.model_copy(update={"id": "t2"})),
            "created": NotificationSettings(enabled=True),
            "on_the_way": NotificationSettings(),
        }
    }


def test_all_that_are_enabled_or_have_a_template_are_checked(world: World) -> None:
    found = showing.check_all(world.session())
    assert (found["merchant"], found["account"]) == ("kk", "client:kk")
    told = {one["notification"]: (one["fit"], one["fault"]) for one in found["templates"]}
    assert told == {
        "created": (False, Wait.TEMPLATE_MISSING),
        "packed": (True, None),
        "delivered": (False, Wait.TEMPLATE_GONE),
    }
    packed = next(one for one in found["templates"] if one["notification"] == "packed")
    assert packed == {
        "notification": "packed", "template_id": "t1", "fit": True, "fault": None, "detail": None,
        "status": "APPROVED", "category": "UTILITY", "language": None, "placeholders": ["1"],
        "params": ["customer_name"], "preview": PREVIEW,
    }  # fmt: skip


def test_a_template_that_there_is_not_is_told_with_those_that_there_are(world: World) -> None:
    (one,) = showing.check_all(world.session(), "delivered")["templates"]
    assert one["detail"] == "the account has t1"
    details = set[str]()
    assert showing.verdict(one, details) == "template_gone: the account has t1"
    assert showing.verdict(one, details) == "template_gone", "the same is not said twice"


def test_a_check_says_what_is_wrong_and_what_lets_an_account_go_on() -> None:
    found = check.new_result("kk")
    account = {"id": "client:kk", "selected": True, "why": "the only account", "number": "+919810000002"}
    found.accounts = [{**account, "proven": False, "key": "bad_answer", "stopped": "its wallet is low; put that right"}]
    found.templates = [
        {
            "notification": "packed",
            "template_id": "t1",
            "fit": False,
            "fault": "template_gone",
            "detail": "it is deleted",
        }
    ]
    said = "\n".join(found.lines("KapasKraft"))
    assert "account client:kk: would send (the only account); key bad_answer (is app_id right?)" in said
    assert "stopped, so nothing is sent by it: its wallet is low; put that right" in said
    assert "template of packed (t1): template_gone: it is deleted" in said
    assert said.endswith(f"  what these words mean:\n    template_gone  {MEANINGS[Wait.TEMPLATE_GONE]}")
    found.accounts[0].update(key="auth")
    assert "would send (the only account); key refused (auth)" in "\n".join(found.lines("KapasKraft"))
    found.accounts[0].update(key="good", stopped=None)
    assert " sends (the only account); key good" in "\n".join(found.lines("KapasKraft"))


def test_a_portal_asks_before_it_saves(world: World) -> None:
    def fault(*params: str) -> str | None:
        (one,) = showing.check_all(world.session(), "on_the_way", "t1", params)["templates"]
        found: str | None = one["fault"]
        return found

    assert fault("customer_name") is None
    assert fault("customer_name", "sku") == Wait.TEMPLATE_PARAMS
    with pytest.raises(BadSettings, match="variable"):
        fault("nobody")
    with pytest.raises(BadSettings, match="no such notification"):
        showing.check_all(world.session(), "forward_ended")


def test_a_preview_by_samples_and_by_an_order(world: World) -> None:
    assert showing.preview_of(world.session(), "packed") == PREVIEW
    world.parcel(7, name="Ravi Iyer")
    assert showing.preview_of(world.session(), "packed", None, "KK7")["body"] == "Hi Ravi Iyer"
    assert showing.preview_of(world.session(), "on_the_way", "t1")["body"] == "Hi {{1}}"  # no params are set


def test_what_cannot_be_shown_says_why(world: World) -> None:
    with pytest.raises(BadSettings, match="no template is set"):
        showing.preview_of(world.session(), "created")
    with pytest.raises(BadSettings, match="no template t2"):
        showing.preview_of(world.session(), "delivered")
    world.accounts = ()
    with pytest.raises(BadSettings, match="install the Gupshup app"):
        showing.check_all(world.session())
