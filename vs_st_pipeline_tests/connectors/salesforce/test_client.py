"""Who is let in, when it is too late for today, and what errors mean (consumers.md 6.4, 10.1)."""

from __future__ import annotations

import pytest

from vs_st_pipeline.connectors.salesforce import client as client_module
from vs_st_pipeline.connectors.salesforce.client import SalesforceClient, kind_of_refusal, raise_for
from vs_st_pipeline.domain.errors import (
    BadAnswer,
    BadKey,
    BadSettings,
    Forbidden,
    NotSent,
    PipelineError,
    Refused,
    TryLater,
)
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline_tests.connectors.salesforce.org import NEWS, NoPace, Org, merchant, person
from vs_st_pipeline_tests.sandbox.served import Served


def tokens(box: Served) -> int:
    return sum(entry["path"] == client_module.TOKEN_PATH for entry in box.control.journal())


def test_one_log_in_serves_all_requests_and_names_the_org(org: Org) -> None:
    org.see(person("known@example.com"))
    assert tokens(org.box) == 1
    assert org.crm.account() == org.box.control.keys()["org"]
    assert org.client.http.calls["token"] == 1
    assert org.client.http.calls.total() == len(org.box.control.journal())
    assert "sf-secret" not in repr(vars(org.client.http))


@pytest.mark.parametrize("status", [400, 401])
def test_c10_1_credentials_that_are_refused_are_auth(box: Served, status: int) -> None:
    box.control.set_switch("token_error", status)
    with pytest.raises(BadKey) as refused:
        Org(box, client_secret=Secret("wrong", "env:S")).crm.account()
    assert (refused.value.kind, refused.value.http_status) == ("auth", status)


@pytest.mark.parametrize(
    ("said", "status", "kind"),
    [
        ({"error": "invalid_grant", "error_description": "no client credentials user enabled"}, 400, BadKey),
        ({"error": "temporarily_unavailable"}, 400, TryLater),
        ([{"errorCode": "REQUEST_LIMIT_EXCEEDED"}], 403, NotSent),
        ({"error": 7}, 400, None),
    ],
)
def test_what_a_refused_log_in_means(said: object, status: int, kind: type[PipelineError] | None) -> None:
    assert client_module._log_in_refused(status, {}, said) is kind


@pytest.mark.parametrize(
    ("said", "status", "kind"),
    [
        ([{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}], 403, NotSent),
        ([{"errorCode": "INSUFFICIENT_ACCESS"}], 403, None),
        ([{"errorCode": "QUERY_TIMEOUT"}], 400, TryLater),
        ([{"errorCode": "UNSUPPORTED_API_VERSION"}], 410, BadSettings),
        ("<html>", 414, Refused),
        ({"errorCode": "REQUEST_LIMIT_EXCEEDED"}, 403, None),
        ([None, {"errorCode": "a sentence about ann@example.com"}], 400, None),
    ],
)
def test_what_an_error_means(said: object, status: int, kind: type[PipelineError] | None) -> None:
    assert kind_of_refusal(status, said) is kind


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED"}], NotSent),
        (403, [{"errorCode": "INSUFFICIENT_ACCESS"}], Forbidden),
        (500, None, TryLater),
        (404, None, None),
    ],
)
def test_what_an_error_of_a_part_means(status: int, said: object, kind: type[PipelineError] | None) -> None:
    if kind is None:
        raise_for(status, said, "find")
    else:
        with pytest.raises(kind):
            raise_for(status, said, "find")


def test_c6_4_a_token_that_ended_is_replaced_once_for_a_request(org: Org) -> None:
    org.box.control.expire_tokens()
    assert org.write(person("new@example.com")).ended == "accepted"
    assert tokens(org.box) == 2
    org.box.control.set_fault("401", path_regex="/services/data")
    with pytest.raises(BadKey) as refused:
        org.write(person("another@example.com"))
    assert (refused.value.http_status, tokens(org.box)) == (401, 3)


def test_a_write_whose_new_token_cannot_be_had_has_not_left(org: Org) -> None:
    org.box.control.expire_tokens()
    org.box.control.set_fault("500", path_regex="oauth2")
    with pytest.raises(NotSent) as error:
        org.write(person("new@example.com"))
    assert (error.value.kind, error.value.http_status) == ("try_later", 500)


def test_c10_1_a_403_that_is_no_limit_is_auth(org: Org) -> None:
    org.box.control.set_fault("403", path_regex="composite")
    with pytest.raises(Forbidden):
        org.see(person("known@example.com"))


def test_c6_4_the_days_limit_is_try_later_and_nothing_was_done(box: Served) -> None:
    box.control.set_switch("limit_at", 10)
    org = Org(box)
    org.begin()
    for number in range(8):
        org.write(person(f"p{number}@example.com"))
    with pytest.raises(NotSent) as error:
        org.write(person("one.more@example.com"))
    assert (error.value.kind, error.value.http_status) == ("try_later", 403)
    assert len([one for one in box.control.books() if one["what"] == "created"]) == 8


def test_c6_4_above_the_daily_share_nothing_more_is_asked(box: Served) -> None:
    org = Org(box, daily_share=50)
    org.begin()
    box.control.set_usage(49999)
    assert org.write(person("exactly@example.com")).ended == "accepted"
    assert org.write(person("one.more@example.com")).ended == "accepted", "its answer counts"
    asked = len(box.control.journal())
    with pytest.raises(NotSent) as error:
        org.write(person("too.many@example.com"))
    assert (error.value.kind, len(box.control.journal())) == ("try_later", asked)
    assert "50 %" in error.value.message


def test_usage_of_one_app_is_not_that_of_the_org(box: Served) -> None:
    client = SalesforceClient(merchant(box), NoPace())
    client._note_usage({"Sforce-Limit-Info": "per-app-api-usage=99/100(appName=a)"})
    assert (client.tells_usage, client._used_up) == (False, False)
    client._note_usage({"Sforce-Limit-Info": "api-usage=81/100; per-app-api-usage=1/100(appName=a)"})
    assert (client.tells_usage, client._used_up) == (True, True)


@pytest.mark.parametrize(
    "said",
    [
        {},
        [],
        {"access_token": "t"},
        {"access_token": "", "instance_url": "https://x.example"},
        {"access_token": "t\n", "instance_url": "https://x.example"},
        {"access_token": "t", "instance_url": "http://elsewhere.example"},
    ],
)
def test_an_answer_without_token_or_instance_is_none(said: object) -> None:
    with pytest.raises(BadAnswer):
        client_module._token_in(said)


def test_a_login_url_that_is_no_my_domain_is_told(box: Served) -> None:
    box.control.set_fault("404", path_regex="oauth2")
    with pytest.raises(BadAnswer, match="login_url"):
        Org(box).crm.account()


def test_requests_go_where_the_log_in_says(box: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log-in may live elsewhere than the data."""
    org = Org(box, login_url=box.url.replace("127.0.0.1", "localhost"))
    monkeypatch.setattr(client_module, "_token_in", lambda said: (said["access_token"], box.url))
    org.begin()
    hosts = [org.client._door._base_url, org.client.http._base_url]
    assert [host.split(":")[1] for host in hosts] == ["//localhost", "//127.0.0.1"]


def test_nothing_is_asked_with_another_orgs_records(box: Served) -> None:
    for id in ("glow-skin", "bare-soap"):
        org = Org(box, id)
        org.crm.begin([NEWS] if id == "glow-skin" else [])
        org.look(person("plain@example.com"), person("known@example.com"), targets=())
    assert box.control.findings() == []


def test_no_address_is_in_an_error(org: Org) -> None:
    found = []
    for kind in ("403", "400", "redirect_login", "login_page"):
        org.box.control.set_fault(kind, path_regex="composite|query")
        try:
            org.see(person("some.body@example.com"))
        except PipelineError as error:
            found.append(error)
    assert len(found) == 4
    assert "some.body" not in "".join(map(str, found))
