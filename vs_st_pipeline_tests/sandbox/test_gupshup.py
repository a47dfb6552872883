"""Gupshup's stand-in behaves as notices.md 11 says, and each thing that is unknown of it as its switch says.

It is long because each switch has a test of all its values, and each finding one of what it finds and what it does not.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

import pytest

from vs_st_pipeline.sandbox.core.clients import ControlError
from vs_st_pipeline.sandbox.core.faults import SENDING_FAULTS
from vs_st_pipeline.sandbox.gupshup.server import Gupshup
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant
from vs_st_pipeline_tests.sandbox.served import Record, Reply, Served, not_tried, served

CLIENT, HOUSE = "client:kapaskraft", "eshopbox-house"
ASHA, RAVI, MEENA, NOBODY = "+919810000101", "+919810000102", "+919810000103", "+919810000199"
FAILED = {"id": "f1", "data": "Hi {{1}}, {{2}} could not be delivered.", "buttons": ["Reattempt", "Cancel order"]}
PLAIN = {"id": "p1", "data": "Order {{1}} is packed."}
TEMPLATE_PATH, TEXT_PATH = "/wa/api/v1/template/msg", "/wa/api/v1/msg"
ANSWERED = ("id", "gsId")


def world() -> list[Merchant]:
    """Return two merchants: both use the house's account, one has its own besides."""
    users = [{"phone": ASHA}, {"phone": MEENA, "status": "OPT_OUT"}]
    common: Record = {"users": users, "consents": [RAVI]}
    own = common | {
        "id": CLIENT,
        "app_name": "KapasKraftApp",
        "app_id": "77aa",
        "api_key": "key-of-kapaskraft",
        "number": "+919810000002",
        "templates": [FAILED, PLAIN],
    }
    house = common | {
        "id": HOUSE,
        "app_name": "EshopboxHouse",
        "app_id": "1f0c7a52",
        "api_key": "key-of-the-house",
        "number": "+919810000001",
        "templates": [{"id": f"h{n}", "data": "Hi {{1}}, {{2}} could not be delivered."} for n in range(12)],
        "per_second": 50,
    }
    made = []
    for id, accounts in (("kapaskraft", [own, house]), ("loom-lane", [house])):
        merchant = Merchant(id, id, 1, "", "", "")
        merchant.parts["gupshup"] = {"accounts": accounts}
        made.append(merchant)
    return made


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(lambda load: Gupshup(world)) as box:
        yield box


@pytest.fixture
def box(running: Served) -> Served:
    running.app.urls.clear()  # type: ignore[attr-defined]
    running.control.reset()
    return running


class Client:
    """Speaks to Gupshup as a client does that knows its account."""

    def __init__(self, box: Served, account: str = CLIENT) -> None:
        self.box, self.account, self.api = box, account, box.api()
        self.keys = box.control.keys(account)
        self.number = self.keys["number"].removeprefix("+")

    def __call__(self, method: str, path: str, form: Record | None = None, **headers: str) -> Reply:
        kind = {"Content-Type": "application/x-www-form-urlencoded", "apikey": self.keys["api_key"], **headers}
        return self.api(method, path, None if form is None else urlencode(form), kind)

    def form(self, to: str, **other: Any) -> Record:
        common = {"channel": "whatsapp", "source": self.number, "destination": to.removeprefix("+")}
        return {**common, "src.name": self.keys["app_name"], **other}

    def send(self, to: str = ASHA, template: str = "p1", *params: Any, **other: Any) -> Reply:
        """Send a template; `postbacks` are the texts by index."""
        postbacks = other.pop("postbacks", None)
        form = self.form(to, template=json.dumps({"id": template, "params": list(params) or ["A1"]}), **other)
        if postbacks:
            form["postbackTexts"] = json.dumps([{"index": n, "text": text} for n, text in enumerate(postbacks)])
        return self("POST", TEMPLATE_PATH, form)

    def failed(self, to: str = ASHA, name: str = "Asha", order: str = "A1") -> str:
        """Send `failed_delivery` with its postbacks; return the message id."""
        notice = f"vs:n{order}" + ("" if to == ASHA else to)
        answer = self.send(to, "f1", name, order, postbacks=[f"{notice}:0", f"{notice}:1"])
        assert answer.status == 202, answer.text
        return str(answer.json["messageId"])

    def text(self, to: str = ASHA, text: str = "We have it.") -> Reply:
        return self("POST", TEXT_PATH, self.form(to, message=json.dumps({"type": "text", "text": text})))

    def templates(self, **query: Any) -> list[Record]:
        return list(self("GET", f"/wa/app/{self.keys['app_id']}/template?{urlencode(query)}").json["templates"])


@pytest.fixture
def client(box: Served) -> Client:
    return Client(box)


class Hook:
    """Takes callbacks as a receiver does; `answers` are the statuses that it gives, the last one for ever."""

    def __init__(self) -> None:
        self.bodies: list[Record] = []
        self.answers = [204]
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
                if status < 300:
                    hook.bodies.append(body)
                self.send_response(status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/gupshup/t"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def types(self) -> list[str]:
        return [of(body) for body in self.bodies]


@pytest.fixture
def hook() -> Iterator[Hook]:
    found = Hook()
    yield found
    found.server.shutdown()
    found.server.server_close()


def of(body: Record) -> str:
    """Return what a callback tells: a receipt's type, else its own."""
    return str(body["payload"]["type"] if body["type"] == "message-event" else body["type"])


def taken(box: Served, account: str | None = None) -> list[Record]:
    return [one["body"] for one in box.control.take_callbacks(account)]


def receipts(box: Served) -> dict[str, Record]:
    """Return the receipts that wait, by type."""
    return {of(body): body for body in taken(box) if body["type"] == "message-event"}


def whats(box: Served) -> list[str]:
    return [one["what"] for one in box.control.findings()]


# Accounts.


def test_each_account_is_there_once_whoever_shares_it(box: Served) -> None:
    assert box.control.accounts() == [CLIENT, HOUSE]
    assert box.control.keys(HOUSE)["app_id"] == "1f0c7a52"
    assert len(box.control.all("templates", HOUSE)) == 12


def test_a_good_key_sees_balance_templates_and_users(client: Client) -> None:
    balance = client("GET", "/sm/api/v2/wallet/balance")
    assert (balance.status, balance.json["walletResponse"]["currentBalance"]) == (200, 250)
    users = client("GET", "/sm/api/v1/users/KapasKraftApp").json["users"]
    assert [(one["countryCode"], one["phoneCode"], one["optinStatus"]) for one in users] == [
        ("91", "9810000101", "OPT_IN"),
        ("91", "9810000103", "OPT_OUT"),
    ]
    first = client.templates()[0]
    assert (first["id"], first["status"], first["category"], first["data"]) == (
        "f1", "APPROVED", "UTILITY", FAILED["data"],
    )  # fmt: skip
    assert [one["text"] for one in json.loads(first["containerMeta"])["buttons"]] == FAILED["buttons"]
    assert "sample 1" in json.loads(first["meta"])["example"]


def test_what_is_not_there_is_404(client: Client) -> None:
    assert client("GET", "/wa/api/v1/other").status == 404
    assert client("GET", TEMPLATE_PATH).status == 405


def test_bad_keys(box: Served, client: Client) -> None:
    for _, (status, word) in box.each("bad_key", [(401, "Auth"), (403, "Forbidden"), (200, "Auth")]):
        answer = client("POST", TEMPLATE_PATH, client.form(ASHA), apikey="wrong")
        assert (answer.status, answer.json["status"]) == (status, "error")
        assert answer.json["message"].startswith(word)
        assert box.control.journal()[-1]["merchant"] is None


def test_another_accounts_app_is_refused_and_found(box: Served, client: Client) -> None:
    assert client("GET", "/sm/api/v1/users/EshopboxHouse").status == 400
    answer = client("POST", TEMPLATE_PATH, {**client.form(ASHA), "src.name": "EshopboxHouse"})
    assert (answer.status, answer.json["message"]) == (400, "Invalid App Details")
    assert client("GET", "/wa/app/unknown/template").json["message"] == "Invalid App Details"
    assert whats(box) == ["other_app", "other_app"]


# Sending.


def test_a_message_is_taken_and_the_journal_says_what_it_reads(box: Served, client: Client) -> None:
    id = client.failed()
    (sent,) = box.control.sends()
    assert sent["message_id"] == id
    assert sent["destination"] == "919810000101"
    assert (sent["template"], sent["params"]) == ("f1", ["Asha", "A1"])
    assert sent["text"] == "Hi Asha, A1 could not be delivered."
    entry = box.control.journal()[-1]
    assert entry["send"] == sent
    assert entry["body"]["postbackTexts"][1] == {"index": 1, "text": "vs:nA1:1"}
    assert "key-of" not in json.dumps(entry)
    assert box.control.findings() == []


def test_answers_to_a_message(box: Served, client: Client) -> None:
    expected = [(202, "submitted"), (200, "submitted"), (200, "success"), (202, "submitted")]
    for value, (status, word) in box.each("send_answer", expected):
        answer = client.send()
        assert (answer.status, answer.json["status"]) == (status, word)
        assert ("messageId" in answer.json) == (value != "no_id")
        assert len(box.control.sends()) == 1


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"channel": "sms"}, "Invalid Channel"),
        ({"destination": "98100 00101"}, "Invalid Destination"),
        ({"source": "919810000009"}, "Invalid App Details"),
        ({"template": "p1"}, "Invalid Template"),
        ({"template": '{"id": "p1", "params": "A1"}'}, "Invalid Template Params"),
        ({"postbackTexts": '[{"index": 0}]'}, "Invalid Postback Texts"),
    ],
)
def test_a_bad_form_is_refused(box: Served, client: Client, wrong: Record, text: str) -> None:
    form = client.form(ASHA, template=json.dumps({"id": "p1", "params": ["A1"]}))
    answer = client("POST", TEMPLATE_PATH, {**form, **wrong})
    assert (answer.status, answer.json) == (400, {"status": "error", "message": text})
    assert box.control.sends() == []
    assert box.control.sends(accepted=False)[0]["refused"] == text


def test_a_body_that_is_no_form_is_refused(client: Client) -> None:
    assert client.api("POST", TEMPLATE_PATH, client.form(ASHA), {"apikey": client.keys["api_key"]}).status == 415


@pytest.mark.parametrize(
    ("template", "params"),
    [("none", ["A1"]), ("p1", ["A1", "B"]), ("p1", [""]), ("p1", ["A\n1"]), ("p1", [1]), ("p1", ["x" * 1024])],
)
def test_params_that_do_not_fit(box: Served, client: Client, template: str, params: list[Any]) -> None:
    for value, status in box.each("params_checked", [400, 202, 202]):
        assert client.send(ASHA, template, *params).status == status
        (sent,) = box.control.sends(accepted=None)
        assert sent["fails"] == (4003 if value == "async_4003" else None)
        assert whats(box) == ["not_approved" if template == "none" else "wrong_params"]
        assert list(receipts(box)) == {
            "sync_400": [], "async_4003": ["enqueued", "failed"], "ignored": ["enqueued", "sent", "delivered", "read"],
        }[value]  # fmt: skip


def test_a_postback_needs_its_button(box: Served, client: Client) -> None:
    assert client.send(ASHA, "p1", "A1", postbacks=["vs:n1:0"]).status == 400
    assert whats(box) == ["wrong_params"]


def test_opt_in_enforced(box: Served, client: Client) -> None:
    for value, status in box.each("opt_in_enforced", [202, 202, 400]):
        assert client.send(RAVI).status == status  # allowed by an order's flag, which Gupshup does not know
        assert client.send(ASHA).status == 202
        assert box.control.findings() == []
        fails = [one["fails"] for one in box.control.sends()]
        assert fails == {False: [None, None], "async_1006": [1006, None], "sync_400": [None]}[value]
    box.control.set_switch("opt_in_enforced", "async_1006")
    client.send(MEENA)
    assert box.control.sends()[-1]["fails"] == 1012


def test_rate_limit(box: Served, client: Client) -> None:
    for value, status in box.each("rate_limit", [202, 429, 202]):
        answers = [client.send(ASHA, "p1", f"A{n}") for n in range(7)]
        assert [one.status for one in answers] == [*[202] * 6, status]
        assert [one["fails"] for one in box.control.sends()][6:] == {"off": [None], "async_4001": [4001], "429": []}[
            value
        ]
        if value == "429":
            assert answers[-1].headers["retry-after"] == "1"


def test_daily_tier(box: Served, client: Client) -> None:
    for value, fails in box.each("daily_tier", [[None] * 4, [None, None, 131048, None]]):
        for phone in (ASHA, RAVI, NOBODY, ASHA):
            client.send(phone, "p1", "A2" if box.control.sends()[2:] else "A1")
        assert [one["fails"] for one in box.control.sends()] == fails, value


def test_wallet(box: Served, client: Client) -> None:
    for value, status in box.each("wallet", [202, 402, 202]):
        answer = client.send()
        assert answer.status == status
        balance = client("GET", "/sm/api/v2/wallet/balance").json["walletResponse"]["currentBalance"]
        assert (balance == 0) == (value != "full")
        if value == "sync_402":
            assert "wallet" in answer.json["message"]
        else:
            assert box.control.sends()[0]["fails"] == (1003 if value == "async_1003" else None)


def test_number_form(box: Served, client: Client) -> None:
    for _, taken_as in box.each("number_form", [(True, False), (True, True), (False, True)]):
        plain = client.send(ASHA, "p1", "A1").status == 202
        plus = client.send(ASHA, "p1", "A2", source="+" + client.number, destination=ASHA).status == 202
        assert (plain, plus) == taken_as
        assert {one["destination"] for one in box.control.sends()} == {"919810000101"}


@pytest.mark.parametrize("kind", [*SENDING_FAULTS, "429", "402"])
def test_faults_say_whether_the_message_was_taken(box: Served, client: Client, kind: str) -> None:
    box.control.set_fault(kind, path_regex="template/msg", count=1, seconds=0.05, retry_after=3)
    answer: Reply | None = None
    try:
        answer = client.send()
    except (ConnectionError, http.client.HTTPException):
        assert kind.startswith("reset")
    assert len(box.control.sends()) == ("after_accept" in kind)
    assert box.control.journal()[-1]["fault"] == kind
    if answer is not None:
        expected = {"timeout_after_accept": 202, "truncated_after_accept": 202, "502_html": 502, "429": 429, "402": 402}
        assert answer.status == expected.get(kind, 500)
        assert ("wallet" in answer.text) == (kind == "402")
        marked = kind.startswith("500") or kind in ("429", "402", "truncated_after_accept", "502_html")
        assert (answer.headers.get("retry-after") == "3") == marked
    if kind == "truncated_after_accept":
        with pytest.raises(json.JSONDecodeError):
            _ = answer and answer.json


# Session messages.


def test_a_text_goes_within_a_day_of_what_the_person_wrote(box: Served, client: Client) -> None:
    assert client.text().status == 202
    assert (whats(box), box.control.sends()[0]["fails"]) == (["outside_session"], 131047)
    box.control.reset()
    box.control.reply(ASHA, "text", "Where is it?", account=CLIENT)
    assert client.text().json["status"] == "submitted"
    box.control.move_clock(24 * 3600 + 1)
    client.text(text="Still there?")
    texts = box.control.sends(kind="text")
    assert [one["fails"] for one in texts] == [None, 131047]
    assert texts[0]["text"] == "We have it."
    assert box.control.sends(kind="template") == []


def test_a_text_must_be_one(client: Client) -> None:
    assert client("POST", TEXT_PATH, client.form(ASHA, message='{"type": "image"}')).status == 400


def test_the_same_text_may_answer_again_who_writes_again(box: Served, client: Client) -> None:
    box.control.reply(ASHA, "text", "Where is it?", account=CLIENT)
    client.text()
    box.control.reply(ASHA, "text", "Where?", account=CLIENT)
    client.text()
    assert box.control.findings() == []
    client.text()
    assert whats(box) == ["twice"]


# Lists.


def test_template_list(box: Served) -> None:
    house = Client(box, HOUSE)
    for value, count in box.each("template_list", [12, 10, 0, 0]):
        answer = house("GET", "/wa/app/1f0c7a52/template")
        assert answer.status == (404 if value == 404 else 200)
        assert len(answer.json.get("templates", ())) == count
        if value == "pages_of_10":
            assert [len(house.templates(pageNo=n, pageSize=50)) for n in (1, 2, 3)] == [10, 2, 0]


def test_template_case(box: Served, client: Client) -> None:
    for _, status in box.each("template_case", ["APPROVED", "approved"]):
        assert {one["status"] for one in client.templates()} == {status}


def test_users_list(box: Served, client: Client) -> None:
    for _, status in box.each("users_list", [200, 404]):
        assert client("GET", "/sm/api/v1/users/KapasKraftApp").status == status


# Receipts.


def test_a_message_that_nobody_speaks_of_is_read(box: Served, client: Client) -> None:
    id = client.failed()
    wa_id = box.control.sends()[0]["wa_id"]
    bodies = taken(box)
    assert [of(body) for body in bodies] == ["enqueued", "sent", "billing-event", "delivered", "read"]
    assert {body["app"] for body in bodies} == {"KapasKraftApp"}
    told = {of(body): body["payload"] for body in bodies}
    assert (told["enqueued"]["id"], "gsId" in told["enqueued"]) == (id, False)
    for type in ("sent", "delivered", "read"):
        assert (told[type]["id"], told[type]["gsId"], told[type]["destination"]) == (wa_id, id, "919810000101")
    assert told["billing-event"]["references"]["gsId"] == id
    assert taken(box) == []


def test_somebody_says_how_a_message_goes(box: Served, client: Client) -> None:
    id = client.failed()
    box.control.receipts(id, ["enqueued", "sent"])
    box.control.receipts(id, ["failed"], code=131026)
    told = taken(box)
    assert [of(body) for body in told if body["type"] == "message-event"] == ["enqueued", "sent", "failed"]
    assert told[-1]["payload"]["payload"] == {"code": 131026, "reason": "Message undeliverable"}
    silent = client.failed(order="A2")
    box.control.receipts(silent, [])
    assert taken(box) == []
    with pytest.raises(ControlError, match="not found"):
        box.control.receipts("nothing", ["sent"])
    with pytest.raises(ControlError, match="a receipt is one of"):
        box.control.receipts(id, ["seen"])


def test_receipt_style(box: Served, client: Client, hook: Hook) -> None:
    life = ["enqueued", "sent", "billing-event", "delivered", "read"]
    doubled = [type for type in life for _ in range(2)]
    for value, types in box.each("receipt_style", [life, doubled, life[::-1], [], life, life]):
        hook.bodies.clear()
        box.control.set_callback_url(CLIENT, hook.url)
        client.failed()
        if value == "before_answer":
            assert hook.types == types
        box.control.flush_callbacks()
        assert hook.types == types, value
        late = [of(body) for body in hook.bodies if body["type"] == "message-event" and "gsId" not in body["payload"]]
        assert "delivered" not in late or value == "late_no_gsid"
        if value == "late_no_gsid":
            assert late == ["enqueued", "delivered", "read"]
    box.control.set_switch("receipt_style", "dropped")
    box.control.reply(ASHA, "text", "Hello", account=CLIENT)
    box.control.flush_callbacks()
    assert hook.types[-1] == "message"


def test_a_week_later_a_receipt_lacks_gsid(box: Served, client: Client) -> None:
    id = client.failed()
    box.control.receipts(id, ["sent"])
    box.control.move_clock(7 * 24 * 3600 + 1)
    box.control.receipts(id, ["read"])
    told = receipts(box)
    assert ("gsId" in told["sent"]["payload"], "gsId" in told["read"]["payload"]) == (True, False)


def test_receipt_time(box: Served, client: Client) -> None:
    for value, size in box.each("receipt_time", [13, 10, None]):
        client.failed()
        told = receipts(box)["delivered"]
        if value == "missing":
            assert "timestamp" not in told
            assert "ts" not in told["payload"]["payload"]
        else:
            assert len(str(told["timestamp"])) == len(str(told["payload"]["payload"]["ts"])) == size


def test_failed_style(box: Served, client: Client) -> None:
    for value, _ in box.each("failed_style", [None, None]):
        id = client.failed()
        wa_id = box.control.sends()[0]["wa_id"]
        box.control.receipts(id, ["failed"], code=1002)
        told = receipts(box)["failed"]["payload"]
        own = {"id": id} if value == "sync_id" else {"id": wa_id, "gsId": id}
        assert {name: told[name] for name in ANSWERED if name in told} == own
        assert told["payload"]["code"] == 1002


def test_failed_then_delivered(box: Served, client: Client) -> None:
    for _, types in box.each("failed_then_delivered", [["failed"], ["failed", "delivered"]]):
        box.control.receipts(client.failed(), ["failed"])
        assert list(receipts(box)) == types


def test_billing_events(box: Served, client: Client) -> None:
    for value, count in box.each("billing_events", [1, 0]):
        client.failed()
        assert [body["type"] for body in taken(box)].count("billing-event") == count, value


# Replies.


def test_reply_context(box: Served, client: Client) -> None:
    expected = [{"id", "gsId"}, {"id"}, {"gsId"}, None]
    for _, names in box.each("reply_context", expected):
        id = client.failed()
        wa_id = box.control.sends()[0]["wa_id"]
        (body,) = box.control.reply(ASHA, "button", button="Reattempt", to=id)["callbacks"]
        context = body["payload"].get("context")
        assert (None if context is None else set(context)) == names
        assert {**{"id": wa_id, "gsId": id}, **(context or {})} == {"id": wa_id, "gsId": id}


def test_reply_postback(box: Served, client: Client) -> None:
    for _, postback in box.each("reply_postback", ["vs:nA1:1", None]):
        client.failed()
        (body,) = box.control.reply(ASHA, "button", button="Cancel order")["callbacks"]
        assert body["payload"]["payload"].get("postbackText") == postback


def test_reply_type(box: Served, client: Client) -> None:
    button = {"postbackText": "vs:nA1:0"}
    expected = [
        {"text": "Reattempt", "type": "button", **button},
        {"title": "Reattempt", "id": "0", "reply": "Reattempt 1", **button},
        {"text": "Reattempt"},
    ]
    for value, inner in box.each("reply_type", expected):
        client.failed()
        (body,) = box.control.reply(ASHA, "button")["callbacks"]
        assert (body["type"], body["payload"]["type"], body["payload"]["payload"]) == ("message", value, inner)
        assert body["payload"]["sender"]["phone"] == body["payload"]["source"] == "919810000101"


@pytest.mark.parametrize("kind", ["image", "file", "audio", "video", "sticker", "location", "contact", "list_reply"])
def test_media_comes_as_it_is(box: Served, kind: str) -> None:
    (body,) = box.control.reply(ASHA, kind, account=HOUSE)["callbacks"]
    assert (body["app"], body["payload"]["type"]) == ("EshopboxHouse", kind)
    assert "context" not in body["payload"]


def test_somebody_else_may_answer_and_write_the_same_twice(box: Served, client: Client) -> None:
    id = client.failed()
    other = box.control.reply(RAVI, "button", to=id)
    assert other["callbacks"][0]["payload"]["source"] == "919810000102"
    assert other["callbacks"][0]["payload"]["context"]["gsId"] == id
    again = box.control.reply(RAVI, "button", to=id, id=other["id"])
    assert again["id"] == other["id"]
    with pytest.raises(ControlError, match="to=MESSAGE_ID"):
        box.control.reply(NOBODY, "button", account=CLIENT)
    with pytest.raises(ControlError, match="say which account"):
        box.control.reply(NOBODY, "text", "Hello")


# Callbacks.


def test_callbacks_come_in_order_and_again_until_they_are_taken(box: Served, client: Client, hook: Hook) -> None:
    for value, types in box.each("callback_retry", [["enqueued", "sent"], ["sent"]]):
        hook.bodies.clear()
        hook.answers = [500, 204]
        box.control.set_callback_url(CLIENT, hook.url)
        box.control.set_switch("billing_events", "none")
        box.control.receipts(client.failed(), ["enqueued", "sent"])
        calls = box.control.flush_callbacks()
        assert hook.types == types, value
        assert [one["tries"] for one in calls] == ([2, 1] if value == "until_2xx" else [1, 1])


def test_auto_callbacks(box: Served, client: Client, hook: Hook) -> None:
    for value, wait in box.each("auto_callbacks", [5, 0]):
        hook.bodies.clear()
        box.control.set_callback_url(CLIENT, hook.url)
        client.failed()
        assert hook.bodies == []  # a moment after the answer, not before it
        assert len(box.control.waiting()) == wait, value
        box.control.flush_callbacks()
        assert len(hook.bodies) == 5


def test_without_a_url_nothing_is_sent(box: Served, client: Client) -> None:
    client.failed()
    with pytest.raises(ControlError, match="no account has a callback URL"):
        box.control.flush_callbacks()
    assert len(box.control.waiting(CLIENT)) == 5


def test_a_callback_may_be_anything(box: Served, hook: Hook) -> None:
    box.control.set_callback_url(HOUSE, hook.url)
    box.control.tell(HOUSE, {"app": "Another", "type": "account-event"})
    box.control.tell(CLIENT, "no JSON")
    box.control.flush_callbacks()
    assert hook.bodies == [{"app": "Another", "type": "account-event"}]
    assert [one["body"] for one in box.control.take_callbacks(CLIENT)] == ["no JSON"]


def test_user_events(box: Served, client: Client) -> None:
    for value, types in box.each("user_events", [["opted-in", "opted-out"], []]):
        box.control.opt_in(NOBODY, CLIENT)
        box.control.opt_out(ASHA, CLIENT)
        assert [body["payload"]["type"] for body in taken(box)] == types, value
        assert box.control.one("users", NOBODY, CLIENT)["status"] == "OPT_IN"
        assert box.control.one("users", ASHA, CLIENT)["status"] == "OPT_OUT"


def test_template_events(box: Served, client: Client) -> None:
    box.control.set_template("f1", status="PAUSED")
    box.control.set_template("p1", category="MARKETING")
    box.control.set_template("p1", data="Order {{1}} of {{2}}.")
    box.control.set_template("f1", status="DELETED")
    told = taken(box)
    assert {body["type"] for body in told} == {"template-event"}
    assert [(body["payload"]["id"], body["payload"].get("status")) for body in told] == [
        ("f1", "paused"), ("p1", None), ("f1", "deleted"),
    ]  # fmt: skip
    (left,) = client.templates()
    assert (left["id"], left["category"], left["data"]) == ("p1", "MARKETING", "Order {{1}} of {{2}}.")


# The judge.


def test_the_same_twice_is_found_and_what_differs_is_not(box: Served, client: Client) -> None:
    client.send(ASHA, "p1", "A1")
    client.send(ASHA, "p1", "A2")
    client.send(RAVI, "p1", "A1")
    assert box.control.findings() == []
    client.send(ASHA, "p1", "A1")
    (found,) = box.control.findings()
    assert (found["what"], found["merchant"], found["destination"]) == ("twice", CLIENT, "919810000101")


def test_the_same_by_two_accounts_is_twice(box: Served, client: Client) -> None:
    client.failed()
    assert Client(box, HOUSE).send(ASHA, "h0", "Asha", "A1").status == 202
    assert whats(box) == ["twice"]


def test_one_postback_in_two_messages_is_twice_however_they_read(box: Served, client: Client) -> None:
    client.send(ASHA, "f1", "Asha", "A1", postbacks=["vs:n1:0"])
    client.send(RAVI, "f1", "Ravi", "A2", postbacks=["vs:n2:0"])
    assert box.control.findings() == []
    client.send(ASHA, "f1", "Asha Rao", "A1", postbacks=["vs:n1:0"])
    client.send(RAVI, "f1", "Asha", "A3", postbacks=["vs:n1:0"])
    assert whats(box) == ["twice", "twice"]


def test_an_order_is_told_to_its_own_customer(box: Served, client: Client) -> None:
    box.control.allow(RAVI, CLIENT, orders=["A1", "A2"])
    client.send(RAVI, "p1", "A1")
    client.send(ASHA, "p1", "A7")
    assert box.control.findings() == []
    client.send(ASHA, "p1", "A2")
    (found,) = box.control.findings()
    assert (found["what"], found["destination"], found["owner"]) == ("wrong_person", "919810000101", "919810000102")


def test_what_was_refused_may_come_again(box: Served, client: Client) -> None:
    box.control.set_switch("wallet", "sync_402")
    client.send()
    box.control.set_switch("wallet", "full")
    client.send()
    assert box.control.findings() == []


@pytest.mark.parametrize(
    ("code", "found"), [("1003", []), (4001, []), (130429, []), (1002, ["twice"]), (500, ["twice"])]
)
def test_what_whatsapp_never_had_may_come_again_once_it_is_told(
    box: Served, client: Client, code: int | str, found: list[str]
) -> None:
    id = client.failed()
    box.control.receipts(id, ["failed"], code=code)
    taken(box)
    client.failed()
    assert whats(box) == found


def test_before_it_is_told_it_may_not(box: Served, client: Client) -> None:
    box.control.receipts(client.failed(), ["failed"], code=1003)
    client.failed()
    assert whats(box) == ["twice"]


def test_what_happens_anew_is_expected(box: Served, client: Client) -> None:
    client.failed()
    box.control.expect_repeat(ASHA)
    client.failed()
    assert box.control.findings() == []


def test_nobody_is_written_who_has_not_agreed(box: Served, client: Client) -> None:
    client.send(NOBODY)
    assert whats(box) == ["not_opted_in"]
    box.control.allow(NOBODY, CLIENT)
    client.send(NOBODY, "p1", "A2")
    assert len(box.control.findings()) == 1


@pytest.mark.parametrize("how", ["STOP", "unsubscribe.", "event"])
def test_who_opts_out_is_not_written_once_it_is_told(box: Served, client: Client, how: str) -> None:
    if how == "event":
        box.control.opt_out(ASHA, CLIENT)
    else:
        box.control.reply(ASHA, "text", how, account=CLIENT)
    client.send(ASHA, "p1", "A1")
    assert box.control.findings() == []
    taken(box)
    client.send(ASHA, "p1", "A2")
    assert whats(box) == ["not_opted_in"]
    box.control.opt_in(ASHA, CLIENT) if how == "event" else box.control.reply(ASHA, "text", "Start", account=CLIENT)
    client.send(ASHA, "p1", "A3")
    assert whats(box) == ["not_opted_in"]


def test_an_opt_out_of_the_users_list_counts_once_it_is_read(box: Served, client: Client) -> None:
    client.send(MEENA)
    assert box.control.findings() == []
    client("GET", "/sm/api/v1/users/KapasKraftApp")
    client.send(MEENA, "p1", "A2")
    assert whats(box) == ["not_opted_in"]


@pytest.mark.parametrize("how", ["event", "list", "time"])
def test_a_paused_template_is_blamed_once_it_is_known(box: Served, client: Client, how: str) -> None:
    box.control.set_template("p1", status="PAUSED")
    client.send(ASHA, "p1", "A1")
    assert box.control.findings() == []
    assert box.control.sends()[0]["fails"] == 4005
    if how == "event":
        taken(box)
    elif how == "list":
        assert client.templates()[1]["status"] == "PAUSED"
    else:
        box.control.move_clock(15 * 60 + 1)
    client.send(ASHA, "p1", "A2")
    assert whats(box) == ["not_approved"]


def test_a_list_that_did_not_arrive_tells_nothing(box: Served, client: Client) -> None:
    box.control.set_template("p1", status="REJECTED")
    box.control.set_fault("truncated", path_regex="/template$", count=1)
    client("GET", "/wa/app/77aa/template")
    assert client.send(ASHA, "p1", "A1").status == 400
    assert box.control.findings() == []


def test_over_rate(box: Served, client: Client) -> None:
    house = Client(box, HOUSE)
    for n in range(51):
        house.send(ASHA, "h0", "Asha", f"A{n}")
    assert whats(box) == ["over_rate"]
    box.control.reset()
    box.control.set_fault("429", path_regex="template/msg", count=1, retry_after=30)
    client.send()
    client.send()  # it was under way
    assert box.control.findings() == []
    threading.Event().wait(0.35)
    client.send(RAVI)
    assert whats(box)[-1] == "over_rate"


def test_each_switch_value_is_tried() -> None:
    assert not_tried(__file__, "gupshup") == []
