"""The stand-ins call whoever registered: real posts to a real receiver, under each value of each switch of sending."""

from __future__ import annotations

import base64
import http.client
import http.server
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from vs_st_pipeline.sandbox import SWITCHES, Sandbox
from vs_st_pipeline.sandbox.core.switches import WEBHOOKS
from vs_st_pipeline_tests.support.loopback import PostServer

ORDER, BRAM, MARISOL, FFION = "90000000017", 700103, "7075550142", "7075550149"
SUBJECTS = ("ORDER", "CUSTOMER", "CLUB_MEMBERSHIP")
OURS = ("INCOMING_MESSAGE", "UNSUBSCRIBE_REPORT", "CONTACT_PHONE_UPDATE")
ENDED = {"sent", "failed", "dropped"}


class Receiver(PostServer):
    """Takes calls on loopback.

    Attributes:
        got: (path, body) of each, in the order of their coming. answers: statuses of the next ones; then 204.
        slow: seconds before an answer.
    """

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.answers: list[int] = []
        self.slow = 0.0
        super().__init__()

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        self.got.append((path, body))
        time.sleep(self.slow)
        return self.answers.pop(0) if self.answers else 204

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.got]

    @property
    def told(self) -> list[tuple[Any, Any]]:
        """What each call was about."""
        return [
            (body["event"], body["identifier"]) if "event" in body else (body["type"], body["values"])
            for body in self.bodies
        ]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def asked(box: Sandbox, system: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    merchant = box.merchants[0]
    if system == "vinoshipper":
        pair = base64.b64encode(f"{merchant.vs_key}:{merchant.vs_secret}".encode()).decode()
        url, prefix, proof = box.vinoshipper.url, "/api/v3/p", f"Basic {pair}"
    else:
        url, prefix, proof = box.simpletexting.url, "/v2/api", f"Bearer {merchant.st_token}"
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request(method, prefix + path, json.dumps(body) if body is not None else None,
                           {"Authorization": proof})  # fmt: skip
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    return answer.status, json.loads(text) if text.startswith(("{", "[", '"')) else text


def at_shop(box: Sandbox, receiver: Receiver, *subjects: str, path: str = "/vs") -> list[str]:
    """Register; the ids."""
    forms = [{"subject": subject, "url": receiver.url + path, "description": "x"} for subject in subjects or SUBJECTS]
    return [asked(box, "vinoshipper", "POST", "/profile/webhooks", form)[1]["id"] for form in forms]


def at_texting(box: Sandbox, receiver: Receiver, *triggers: str, **more: Any) -> str:
    form = {"url": f"{receiver.url}/st", "triggers": list(triggers or OURS), **more}
    status, answer = asked(box, "simpletexting", "POST", "/webhooks", form)
    assert status == 201, answer
    return str(answer["id"])


def until(happened: Callable[[], Any], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.01)


def ended(control: Any, how_many: int) -> list[dict[str, Any]]:
    """Wait until so many calls were put and all have ended; what is told of them."""
    until(lambda: len(control.deliveries()) >= how_many and {d["state"] for d in control.deliveries()} <= ENDED)
    found: list[dict[str, Any]] = control.deliveries()
    assert len(found) == how_many, found
    return found


def order_event(**more: Any) -> dict[str, Any]:
    return {"identifier": ORDER, "subject": "ORDER", "event": "UPDATED", **more}


# What changes send.


def test_nothing_is_sent_by_itself_unless_asked_for(box: Sandbox, receiver: Receiver) -> None:
    at_shop(box, receiver)
    at_texting(box, receiver)
    box.vinoshipper.control.patch_order(ORDER, orderStatus="SHIPPED")
    box.simpletexting.control.opt_out(FFION)
    assert box.vinoshipper.control.deliveries() == []
    assert box.simpletexting.control.deliveries() == []


def test_each_change_at_the_shop_is_told_in_its_words(box: Sandbox, receiver: Receiver) -> None:
    shop = box.vinoshipper.control
    at_shop(box, receiver, path="/hooks/vinoshipper/token")
    shop.set_switch("auto_webhooks", "on")
    membership = shop.customer(700101)["memberships"][0]["id"]
    steps: list[tuple[Callable[[], Any], tuple[str, str]]] = [
        (lambda: shop.patch_order(ORDER, orderStatus="SHIPPED"), ("UPDATED", ORDER)),
        (lambda: shop.patch_order(ORDER, shipping={"packages": [{"trackingNumber": "1Z9"}]}),
         ("TRACKING_NUMBER_ADDED", ORDER)),
        (lambda: shop.patch_order(ORDER, orderStatus="CANCELLED"), ("CANCELLED", ORDER)),
        (lambda: shop.add_order(BRAM, orderNumber="N 1/2"), ("CREATED", "N 1/2")),
        (lambda: shop.patch_customer(BRAM, firstName="Abram"), ("UPDATED", str(BRAM))),
        (lambda: shop.patch_membership(membership, hold=True), ("UPDATED", str(membership))),
        (lambda: asked(box, "vinoshipper", "DELETE", f"/customers/700101/memberships/{membership}"),
         ("CANCELLED", str(membership))),
        (lambda: asked(box, "vinoshipper", "POST", "/orders/90000000009/shipped", {}), ("UPDATED", "90000000009")),
        (lambda: asked(box, "vinoshipper", "POST", "/orders/90000000009/cancel", {}), ("CANCELLED", "90000000009")),
        (lambda: shop.delete_customer(BRAM), ("DELETED", str(BRAM))),
    ]  # fmt: skip
    for number, (change, event) in enumerate(steps, 1):
        change()
        ended(shop, number)
        assert receiver.told[-1] == event
    assert {path for path, _ in receiver.got} == {"/hooks/vinoshipper/token"}
    base = "https://vinoshipper.com/api/v3/p"
    hrefs = {body["identifier"]: body["hrefV3"] for body in receiver.bodies}
    assert hrefs["N 1/2"] == f"{base}/orders/N%201%2F2"
    assert hrefs[str(membership)] == f"{base}/customers/700101/memberships/{membership}"
    assert hrefs[str(BRAM)] == f"{base}/customers/{BRAM}"
    assert {delivery["about"] for delivery in shop.deliveries()} == set(SUBJECTS)


def test_each_change_at_the_texting_service_is_told_in_its_words(box: Sandbox, receiver: Receiver) -> None:
    texting = box.simpletexting.control
    webhook = at_texting(box, receiver)
    texting.set_switch("auto_webhooks", "on")
    texting.add_contact("7075550199")  # by a keyword: that is a text
    texting.text_in("7075550199", "hello")
    texting.text_in(FFION, "Stop")
    texting.add_contact("7075550198", updateSource="WEB_FORM")  # of this there is no webhook
    texting.patch_contact(MARISOL, comment="x")  # nor of this
    texting.text_in(FFION, "START")
    texting.patch_contact(MARISOL, contactPhone="7075550197")
    update = {"contactPhone": "7075550196"}
    id = texting.contact("7075550197")["contactId"]
    asked(box, "simpletexting", "PUT", f"/contacts/{id}?listsReplacement=false", update)
    ended(texting, 6)
    types = [type for type, _ in receiver.told]
    assert types == ["INCOMING_MESSAGE"] * 2 + ["UNSUBSCRIBE_REPORT", "INCOMING_MESSAGE"] + ["CONTACT_PHONE_UPDATE"] * 2
    values = [values for _, values in receiver.told]
    assert set(values[2]) == {"contactId", "phone"}
    assert values[2]["phone"] == FFION
    assert values[1]["text"] == "hello"
    assert values[1]["contactPhone"] == "7075550199"
    assert [told["contactPhone"] for told in values[4:]] == ["7075550197", "7075550196"]
    assert {body["webhookId"] for body in receiver.bodies} == {webhook}
    assert len({body["reportId"] for body in receiver.bodies}) == 6
    assert texting.contact(FFION)["subscriptionStatus"] == "OPT_IN"


# How they come.


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("normal", ['{"identifier":"90000000017","subject":"ORDER","event":"UPDATED"']),
        ("duplicated", ['"event":"UPDATED"'] * 2),
        ("dropped", []),
        ("numeric_identifier", ['{"identifier":90000000017,']),
        ("event_colon", ['"event:":"UPDATED"']),
        ("unknown_event", ['"event":"SOMETHING_NEW"']),
        ("card_declined", ['"event":"CARD_DECLINED"', '"event":"UPDATED"']),
        ("array", ['[{"identifier":"90000000017"']),
        ("empty_body", [""]),
        ("not_json", ["identifier=90000000017&subject=ORDER"]),
        ("no_subject", ['{"identifier":"90000000017","event":"UPDATED"']),
        ("href_only", ['{"hrefV3":"https://vinoshipper.com/api/v3/p/orders/90000000017"}']),
    ],
)
def test_the_shop_writes_in_each_style(box: Sandbox, receiver: Receiver, style: str, expected: list[str]) -> None:
    shop = box.vinoshipper.control
    at_shop(box, receiver, "ORDER", "CUSTOMER")
    shop.set_switches({"webhook_style": style, "auto_webhooks": "on"})
    shop.patch_order(ORDER, orderStatus="SHIPPED")
    ended(shop, len(expected))
    got = [body.decode() for _, body in receiver.got]
    assert len(got) == len(expected)
    assert all(part in body for part, body in zip(expected, got, strict=True)), got


def test_an_array_holds_all_of_one_moment(box: Sandbox, receiver: Receiver) -> None:
    at_shop(box, receiver, "ORDER")
    box.vinoshipper.control.set_switch("webhook_style", "array")
    assert box.vinoshipper.control.send_webhooks([order_event(), order_event(event="CANCELLED")]) == 1
    ended(box.vinoshipper.control, 1)
    assert [body["event"] for body in receiver.bodies[0]] == ["UPDATED", "CANCELLED"]


@pytest.mark.parametrize("system", ["vinoshipper", "simpletexting"])
def test_calls_overtake_each_other_only_where_asked_for(box: Sandbox, receiver: Receiver, system: str) -> None:
    control: Any = getattr(box, system).control
    if system == "vinoshipper":
        at_shop(box, receiver, "ORDER")
        events = [order_event(event=f"E{number}") for number in range(6)]
        switch: tuple[str, Any, Any] = ("webhook_style", "normal", "reordered")
    else:
        at_texting(box, receiver, "INCOMING_MESSAGE")
        events = [{"type": "INCOMING_MESSAGE", "values": {"text": f"E{number}"}} for number in range(6)]
        switch = ("webhook_reorder", False, True)

    def came() -> str:
        words = "".join(str(body.get("event") or body["values"]["text"])[1:] for body in receiver.bodies)
        receiver.got.clear()
        return words

    control.set_switch(switch[0], switch[1])
    control.send_webhooks(events)
    ended(control, 6)
    assert came() == "012345"
    control.set_switch(switch[0], switch[2])
    control.send_webhooks(events)
    ended(control, 12)
    assert came() == "543210"
    for event in events[:2]:
        control.send_webhooks([event])
    ended(control, 14)
    assert came() == "10"


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("normal", '"type":"UNSUBSCRIBE_REPORT","values":{"contactId":"'),
        ("array", '[{"reportId":"'),
        ("no_values", '"type":"UNSUBSCRIBE_REPORT"}'),
        ("unknown_type", '"type":"SOMETHING_NEW"'),
        ("plus_one_phone", '"phone":"+17075550149"'),
    ],
)
def test_the_texting_service_writes_in_each_style(box: Sandbox, receiver: Receiver, style: str, expected: str) -> None:
    at_texting(box, receiver)
    box.simpletexting.control.set_switches({"webhook_style": style, "auto_webhooks": "on"})
    box.simpletexting.control.opt_out(FFION)
    ended(box.simpletexting.control, 1)
    assert expected in receiver.got[0][1].decode()


def test_a_report_comes_twice_under_one_id(box: Sandbox, receiver: Receiver) -> None:
    at_texting(box, receiver)
    box.simpletexting.control.set_switches({"webhook_duplicates": True, "auto_webhooks": "on"})
    box.simpletexting.control.opt_out(FFION)
    ended(box.simpletexting.control, 2)
    assert receiver.bodies[0] == receiver.bodies[1]


@pytest.mark.parametrize(
    ("resend", "answers", "tries", "state"),
    [
        ("none", [500], 1, "failed"),
        ("3_times", [503, 404, 302], 3, "failed"),
        ("3_times", [503], 2, "sent"),
        ("until_2xx", [500] * 3, 4, "sent"),
    ],
)
def test_the_shop_sends_again_as_told(
    box: Sandbox, receiver: Receiver, resend: str, answers: list[int], tries: int, state: str
) -> None:
    id = at_shop(box, receiver, "ORDER")[0]
    receiver.answers = list(answers)
    box.vinoshipper.control.set_switch("webhook_resend", resend)
    box.vinoshipper.control.send_webhooks([order_event()])
    found = ended(box.vinoshipper.control, 1)[0]
    assert (found["state"], found["tries"], found["status"]) == (state, tries, (answers + [204])[tries - 1])
    assert (found["webhook"], found["url"], found["body"]["identifier"]) == (id, f"{receiver.url}/vs", ORDER)
    logs = asked(box, "vinoshipper", "GET", f"/profile/webhooks/{id}/logs")[1]["items"]
    assert [log["statusCode"] for log in logs] == (answers + [204])[:tries][::-1]


@pytest.mark.parametrize(("retry", "ids"), [("none", 1), ("same_report_id", 1), ("new_report_id", 3)])
def test_the_texting_service_sends_again_as_told(box: Sandbox, receiver: Receiver, retry: str, ids: int) -> None:
    at_texting(box, receiver)
    receiver.answers = [500, 500]
    box.simpletexting.control.set_switches({"webhook_retry": retry, "auto_webhooks": "on"})
    box.simpletexting.control.opt_out(FFION)
    found = ended(box.simpletexting.control, 1)[0]
    assert (found["tries"], found["status"]) == ((1, 500) if retry == "none" else (3, 204))
    assert len({body["reportId"] for body in receiver.bodies}) == ids


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_a_share_of_the_calls_is_dropped(box: Sandbox, receiver: Receiver, share: float) -> None:
    at_shop(box, receiver, "ORDER")
    box.vinoshipper.control.set_switch("webhook_drop_share", share)
    assert box.vinoshipper.control.send_webhooks([order_event()] * 4) == 4 - 4 * share
    states = [delivery["state"] for delivery in ended(box.vinoshipper.control, 4)]
    assert states.count("dropped") == 4 * share
    assert len(receiver.got) == 4 - 4 * share


def test_calls_come_late_and_in_order(box: Sandbox, receiver: Receiver) -> None:
    at_texting(box, receiver)
    box.simpletexting.control.set_switches({"webhook_delay_seconds": 0.2, "auto_webhooks": "on"})
    box.simpletexting.control.opt_out(FFION)
    box.simpletexting.control.opt_out(MARISOL)
    assert [d["state"] for d in box.simpletexting.control.deliveries()] == ["waiting"] * 2
    found = ended(box.simpletexting.control, 2)
    assert all(d["sent"][0] - d["queued"] >= 0.2 for d in found)
    assert [body["values"]["phone"] for body in receiver.bodies] == [FFION, MARISOL]


def test_a_slow_receiver_holds_up_neither_the_stand_in_nor_other_registrations(
    box: Sandbox, receiver: Receiver
) -> None:
    shop = box.vinoshipper.control
    slow = Receiver()
    slow.slow = 1.0
    at_shop(box, slow, "ORDER")
    at_shop(box, receiver, "ORDER")
    shop.set_switches({"webhook_timeout_seconds": 0.4, "webhook_resend": "none"})
    shop.send_webhooks([order_event()] * 2)
    assert asked(box, "vinoshipper", "GET", "/profile")[0] == 200
    until(lambda: len(receiver.got) == 2)
    assert "waiting" in [d["state"] for d in shop.deliveries() if d["url"].startswith(slow.url)]
    found = ended(shop, 4)
    assert [(d["status"], d["state"]) for d in found if d["url"].startswith(slow.url)] == [(0, "failed")] * 2
    slow.close()


@pytest.mark.parametrize("system", ["vinoshipper", "simpletexting"])
def test_a_registration_that_keeps_failing_vanishes(box: Sandbox, receiver: Receiver, system: str) -> None:
    control: Any = getattr(box, system).control
    if system == "vinoshipper":
        at_shop(box, receiver, "ORDER")
        event, path = order_event(), "/profile/webhooks"
    else:
        at_texting(box, receiver)
        event, path = {"type": "UNSUBSCRIBE_REPORT", "values": {"phone": FFION}}, "/webhooks"
    control.set_switch("webhook_disable_after", 2)
    control.set_switch("webhook_delay_seconds", 0.2)  # all wait before the first is sent, and the registration vanishes
    receiver.answers = [500, 204, 500, 500]
    assert [control.send_webhooks([event]) for _ in range(5)] == [1] * 5
    states = [(d["state"], d["status"]) for d in ended(control, 5)]
    assert states == [("failed", 500), ("sent", 204), ("failed", 500), ("failed", 500), ("dropped", None)]
    left = asked(box, system, "GET", path)[1]
    assert (left if system == "vinoshipper" else left["content"]) == []
    assert control.send_webhooks([event]) == 0


def test_a_reset_ends_all_sending(box: Sandbox, receiver: Receiver) -> None:
    at_shop(box, receiver, "ORDER")
    box.vinoshipper.control.set_switch("webhook_delay_seconds", 0.1)
    box.vinoshipper.control.send_webhooks([order_event()] * 3)
    box.reset()
    time.sleep(0.2)
    assert receiver.got == []
    assert box.vinoshipper.control.deliveries() == []


def test_a_texting_account_is_called_no_faster_than_it_wants_and_only_about_whom_it_wants(
    box: Sandbox, receiver: Receiver
) -> None:
    at_texting(box, receiver, requestPerSecLimit=10, contactPhone=FFION)
    texting = box.simpletexting.control
    events = [{"type": "UNSUBSCRIBE_REPORT", "values": {"phone": phone}} for phone in (FFION, MARISOL, FFION)]
    assert texting.send_webhooks(events) == 2
    first, second = (d["sent"][0] for d in ended(texting, 2))
    assert second - first >= 0.1


# Registering.


@pytest.mark.parametrize("api", SWITCHES["vinoshipper"]["webhooks_api"])
def test_the_shop_lets_register_as_told(box: Sandbox, api: Any) -> None:
    box.vinoshipper.control.set_switch("webhooks_api", api)
    form = {"subject": "CLUB_MEMBERSHIP", "url": "http://127.0.0.1:9/x", "description": "x"}
    status, answer = asked(box, "vinoshipper", "POST", "/profile/webhooks", form)
    listed = asked(box, "vinoshipper", "GET", "/profile/webhooks")
    posted = {403: 403, 404: 404, "refuses_membership": 400, "made_but_500": 500}
    assert status == posted.get(api, 200)
    assert listed[0] == (api if isinstance(api, int) else 200)
    if listed[0] == 200:
        made = {"refuses_membership": 0, "duplicates_on_post": 2}.get(api, 1)
        assert [(row["subject"], row["url"]) for row in listed[1]] == [("CLUB_MEMBERSHIP", form["url"])] * made
        assert asked(box, "vinoshipper", "POST", "/profile/webhooks", {**form, "subject": "ORDER"})[0] < 500 or made
    if status == 200:
        assert set(answer) == {"id", "subject", "url", "description", "createdAt"}


@pytest.mark.parametrize("how", SWITCHES["vinoshipper"]["webhook_logs"])
def test_the_shops_log_comes_in_many_forms(box: Sandbox, receiver: Receiver, how: Any) -> None:
    id = at_shop(box, receiver, "ORDER")[0]
    box.vinoshipper.control.send_webhooks([order_event()])
    ended(box.vinoshipper.control, 1)
    box.vinoshipper.control.set_switch("webhook_logs", how)
    status, answer = asked(box, "vinoshipper", "GET", f"/profile/webhooks/{id}/logs")
    assert status == (404 if how == 404 else 200)
    if how == "html":
        assert answer.startswith("<!doctype html>")
    elif status == 200:
        row = answer[0] if how == "array" else answer["items"][0]
        body = json.loads(json.loads(row["request"])["body"]) if how == "nested_text" else row["body"]
        assert body["identifier"] == ORDER


@pytest.mark.parametrize("how", SWITCHES["simpletexting"]["webhook_triggers"])
def test_the_texting_service_lets_register_as_told(box: Sandbox, how: str) -> None:
    box.simpletexting.control.set_switch("webhook_triggers", how)
    form = {"url": "http://127.0.0.1:9/x", "triggers": list(OURS), "requestPerSecLimit": 25}
    status, answer = asked(box, "simpletexting", "POST", "/webhooks", form)
    assert status == (400 if how == "new_ones_refused" else 201)
    rows = asked(box, "simpletexting", "GET", "/webhooks")[1]["content"]
    triggers = {"many": [list(OURS)], "one_each": [[OURS[0]]], "new_ones_refused": []}[how]
    assert [row["triggers"] for row in rows] == triggers
    if how == "new_ones_refused":
        assert asked(box, "simpletexting", "POST", "/webhooks", {**form, "triggers": OURS[:2]})[0] == 201


@pytest.mark.parametrize(
    "wrong", [{"triggers": ["BIRTHDAY"]}, {"triggers": []}, {"requestPerSecLimit": 26}, {"contactPhone": "911"}]
)
def test_what_cannot_be_registered_is_refused(box: Sandbox, wrong: dict[str, Any]) -> None:
    form = {"url": "http://127.0.0.1:9/x", "triggers": list(OURS), **wrong}
    assert asked(box, "simpletexting", "POST", "/webhooks", form)[0] == 400


@pytest.mark.parametrize(("style", "path"), [("customer", "customers/700101/memberships/"), ("club", "clubs/members")])
def test_a_membership_is_told_with_its_owner_or_without(
    box: Sandbox, receiver: Receiver, style: str, path: str
) -> None:
    at_shop(box, receiver)
    membership = box.vinoshipper.control.customer(700101)["memberships"][0]["id"]
    box.vinoshipper.control.set_switches({"membership_href": style, "auto_webhooks": "on"})
    box.vinoshipper.control.patch_membership(membership, hold=True)
    ended(box.vinoshipper.control, 1)
    assert path in receiver.bodies[0]["hrefV3"]


def test_the_profile_and_the_phones_can_be_others(box: Sandbox) -> None:
    merchant = box.merchants[0]
    own = asked(box, "vinoshipper", "GET", "/profile")[1]
    assert (own["id"], own["name"]) == (int(merchant.vs_key.split(".")[0]), merchant.name)
    box.vinoshipper.control.set_switches({"profile_name": "Another", "profile_id": 1}, merchant.id)
    assert asked(box, "vinoshipper", "GET", "/profile")[1] == {**own, "id": 1, "name": "Another"}
    assert "email" in asked(box, "simpletexting", "GET", "/tenant")[1]
    assert len(asked(box, "simpletexting", "GET", "/phones")[1]["content"]) == 1
    box.simpletexting.control.set_switch("phones", "none")
    assert asked(box, "simpletexting", "GET", "/phones")[1]["content"] == []


def test_every_value_of_every_switch_of_sending_is_tried_here() -> None:
    """R50: whoever adds one adds it to this list, and a test to it."""
    tried = {
        "vinoshipper": {"webhook_style", "membership_href", "webhook_resend", "webhooks_api", "webhook_logs"},
        "simpletexting": {
            "webhook_style", "webhook_triggers", "webhook_retry", "webhook_duplicates", "webhook_reorder",
        },
    }  # fmt: skip
    both = {"auto_webhooks", "webhook_delay_seconds", "webhook_drop_share", "webhook_timeout_seconds"}
    both |= {"webhook_disable_after"}
    assert {system: set(switches) for system, switches in WEBHOOKS.items()} == {
        system: names | both for system, names in tried.items()
    }
