"""SoPost's stand-in behaves as its fact sheet says, and each thing that is unknown of it as its switch says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

import pytest

from vs_st_pipeline.sandbox.sopost.server import SoPost
from vs_st_pipeline_tests.sandbox.served import GLOW, SOAP, Api, Record, Served, not_tried, served
from vs_st_pipeline_tests.support.loopback import PostServer

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Receiver(PostServer):
    """Takes posts on loopback and answers as it is told to.

    Attributes:
        status: None: the connection is closed without an answer.
    """

    def __init__(self) -> None:
        self.status: int | None = 204
        self.taken: list[tuple[str, Mapping[str, str], bytes]] = []
        super().__init__()
        self._base, self._tests = self.url, 0
        self.begin()

    def begin(self) -> None:
        """Listen at a new path: what an earlier test still sends is not this one's."""
        self._tests += 1
        self.url = f"{self._base}/hooks/sopost/token{self._tests}"
        self.taken.clear()
        self.status = 204

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> int | None:
        if not self.url.endswith(path):
            return 204
        self.taken.append((path, headers, body))
        return self.status

    def bodies(self, count: int) -> list[Record]:
        """Wait for so many posts, and for no more."""
        until = time.monotonic() + 5
        while len(self.taken) < count and time.monotonic() < until:
            time.sleep(0.005)
        assert len(self.taken) == count
        return [json.loads(body) for _, _, body in self.taken]


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(SoPost) as box:
        yield box


@pytest.fixture
def box(running: Served) -> Served:
    running.control.reset()
    return running


@pytest.fixture(scope="module")
def listening() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def receiver(listening: Receiver) -> Receiver:
    listening.begin()
    return listening


def api_of(box: Served, merchant: str = GLOW) -> Api:
    return box.api(Authorization=f"Bearer {box.control.keys(merchant)['token']}", Accept="application/json")


def id_of(box: Served, email: str) -> str:
    return next(order["id"] for order in box.control.orders() if order["email"] == email)


def test_an_order_has_the_documented_keys(box: Served) -> None:
    id = id_of(box, "plain@example.com")
    answer = api_of(box)("GET", f"/orders/{id}")
    assert answer.status == 200
    order = answer.json
    assert set(order) == {
        "id", "short_id", "activity_id", "address", "full_name", "email", "provider", "identity", "telephone",
        "line_items", "status", "consents", "custom_questions",
    }  # fmt: skip
    assert order["id"] == id
    assert order["consents"][0] == {
        "consent_id": "d2271011-4d8a-47e7-9d4a-5045780fbce9",
        "consent_name": "Glow Skin news",
        "data_handler": "Glow Skin",
        "status": "APPROVED",
    }
    assert order["custom_questions"][0]["answer"] == [{"answer_text": "Dry", "answer_id": "dry"}]
    assert api_of(box)("GET", f"/orders/{id.upper()}").json["id"] == id
    assert api_of(box)("GET", "/orders/unknown").status == 404
    assert api_of(box)("DELETE", f"/orders/{id}").status == 405


def test_each_way_of_a_key(box: Served) -> None:
    keys = box.control.keys()
    basic = base64.b64encode(f"{keys['user']}:{keys['password']}".encode()).decode()
    ways: list[dict[str, str]] = [
        {"Authorization": f"Bearer {keys['token']}"},
        {"X-Api-Key": keys["token"]},
        {"Authorization": f"Basic {basic}"},
    ]
    path = f"/orders/{id_of(box, 'plain@example.com')}"
    for how, good in box.each("auth", [*ways, None]):
        if good is None:
            form = {"grant_type": "client_credentials", "client_id": keys["client_id"]}
            wrong = box.api()("POST", "/oauth/token", urlencode({**form, "client_secret": "no"}), FORM)
            assert (wrong.status, wrong.json) == (401, {"error": "invalid_client"})
            form["client_secret"] = keys["client_secret"]
            token = box.api()("POST", "/oauth/token", urlencode(form), FORM).json["access_token"]
            good = {"Authorization": f"Bearer {token}"}
            assert box.control.journal()[-1]["body"].endswith("client_secret=...")
        assert box.api()("GET", path, headers=good).status == 200, how
        for other in ways:
            assert (box.api()("GET", path, headers=other).status == 200) is (other == good), how
    box.control.act("expire")
    assert box.api()("GET", path, headers=good).status == 401


def test_each_answer_to_a_bad_key(box: Served) -> None:
    for _, status in box.each("bad_credentials", [401, 403, 302, 200]):
        answer = box.api(Authorization="Bearer no")("GET", "/orders/x")
        assert answer.status == status
        assert ("password" in answer.text) is (status == 200)


def test_another_brands_order_is_not_shown_and_is_a_finding(box: Served) -> None:
    id = id_of(box, "plain@example.com")
    for _, status in box.each("hidden_order", [404, 403]):
        assert api_of(box, SOAP)("GET", f"/orders/{id}").status == status
        assert api_of(box)("GET", f"/orders/{id_of(box, 'hidden@example.com')}").status == status
        assert [f["what"] for f in box.control.findings(SOAP)] == ["other_merchants_record"]
        box.control.hide(id)
        assert api_of(box)("GET", f"/orders/{id}").status == status
        box.control.hide(id, hidden=False)
        assert api_of(box)("GET", f"/orders/{id}").status == 200


def test_each_spelling_of_statuses(box: Served, receiver: Receiver) -> None:
    box.control.reset()
    id = id_of(box, "plain@example.com")
    for count, (_, word) in enumerate(box.each("case", ["APPROVED", "Approved", "approved"]), 1):
        assert api_of(box)("GET", f"/orders/{id}").json["status"] == word
        box.control.send({"order_id": id, "url": receiver.url})
        assert receiver.bodies(count)[-1]["event"] == word


def test_each_naming_of_stages(box: Served) -> None:
    id = id_of(box, "plain@example.com")
    for _, words in box.each("stages", [("DISPATCHED", "DELIVERED"), ("WITH COURIER 7", "HANDED_TO_CONSUMER")]):
        api = api_of(box)
        for word in words:
            box.control.advance(id)
            assert api("GET", f"/orders/{id}").json["status"] == word
    box.control.set_switch("stages", ["IN_TRANSIT"])
    assert api_of(box)("GET", f"/orders/{id}").json["status"] == "IN_TRANSIT"


def test_each_time_until_approval(box: Served, receiver: Receiver) -> None:
    for _, seconds in box.each("approve_after", [0, 5, 3600]):
        receiver.taken.clear()
        box.control.send()  # the world's own events, to nobody
        id = box.control.create(email="new@example.com", consents=[])["id"]
        api = api_of(box)
        assert api("GET", f"/orders/{id}").json["status"] == ("PENDING" if seconds else "APPROVED")
        box.control.move_clock(seconds + 1)
        assert api("GET", f"/orders/{id}").json["status"] == "APPROVED"
        assert box.control.send(url=receiver.url) == 2
        assert [body["event"] for body in receiver.bodies(2)] == ["PENDING", "APPROVED"]
    rejected = box.control.create(email="no@example.com", status="REJECTED")["id"]
    box.control.move_clock(3601)
    assert api_of(box)("GET", f"/orders/{rejected}").json["status"] == "REJECTED"


def test_the_worlds_events_are_told_once_in_the_order_of_each_order(box: Served, receiver: Receiver) -> None:
    id = id_of(box, "order.delivered@example.com")
    count = box.control.send(url=receiver.url)
    bodies = receiver.bodies(count)
    words = [body["event"] for body in bodies if body["order_id"] == id]
    assert words == ["PENDING", "APPROVED", "DISPATCHED", "DELIVERED"]
    assert all(set(body) == {"event_id", "event", "order_id", "activity_id"} for body in bodies)
    assert len({body["event_id"] for body in bodies}) == count
    assert len(bodies[0]["event_id"]) == 40
    assert box.control.send(url=receiver.url) == 0
    box.control.set_status(id, "RETURNED")
    assert box.control.send(url=receiver.url) == 1


def test_each_style_of_webhooks(box: Served, receiver: Receiver) -> None:
    id = id_of(box, "plain@example.com")
    events = [{"order_id": id, "event": word, "url": receiver.url} for word in ("PENDING", "APPROVED")]
    plain, both = ["PENDING", "APPROVED"], ["PENDING", "PENDING", "APPROVED", "APPROVED"]
    styles = [plain, both, ["APPROVED", "PENDING"], [], [], plain, plain, plain]
    for style, words in box.each("webhook_style", styles):
        receiver.taken.clear()
        assert box.control.send(*events) == len(words)
        bodies = receiver.bodies(len(words))
        assert [body["event"] for body in bodies] == words, style
        ids = {body.get("event_id") for body in bodies}
        assert len(ids) == {"no_event_id": 1, "same_event_id": 1}.get(style, len(set(words))), style
        assert all(("meta" in body) is (style == "extra_keys") for body in bodies)
        assert all(("event_id" in body) is (style != "no_event_id") for body in bodies)
        if style == "late":
            assert box.control.send(*events[:1]) == 2
            assert [body["event"] for body in receiver.bodies(2)] == plain


def test_an_event_may_be_stale_or_lack_whatever_a_test_takes_from_it(box: Served, receiver: Receiver) -> None:
    id = id_of(box, "plain@example.com")
    stale = {"order_id": id, "event": "PENDING", "event_id": "ab" * 20, "activity_id": None, "url": receiver.url}
    box.control.send(stale, {"order_id": "somebody-elses", "event_id": 7, "url": receiver.url})
    bodies = receiver.bodies(2)
    assert bodies[0] == {"order_id": id, "event": "PENDING", "event_id": "ab" * 20}
    assert bodies[1] == {"order_id": "somebody-elses", "event_id": 7, "event": "APPROVED"}
    assert box.control.send(doubled_every=2, url=receiver.url) % 3 in (0, 1)


def test_each_retry_of_webhooks(box: Served, receiver: Receiver) -> None:
    id = id_of(box, "plain@example.com")
    for how, tries in box.each("webhook_retry", [1, 3, 1, 3]):
        receiver.taken.clear()
        receiver.status = 500
        box.control.send({"order_id": id, "url": receiver.url})
        ids = [body["event_id"] for body in receiver.bodies(tries)]
        assert len(set(ids)) == (3 if how == "new_event_id" else 1)
        if how == "on_timeout":
            receiver.status = None
            box.control.send({"order_id": id, "url": receiver.url})
            assert len(receiver.bodies(tries + 3)) == 4
    until = time.monotonic() + 5
    while (entry := box.control.deliveries(GLOW)[0])["tries"] < 3 and time.monotonic() < until:
        time.sleep(0.005)  # a call shows in the log a moment after it was answered
    assert (entry["status"], entry["tries"], entry["about"]) == (500, 3, "APPROVED")


def test_changes_are_told_by_themselves_where_that_is_on(box: Served, receiver: Receiver) -> None:
    form = {"url": receiver.url, "events": ["OrderEvent"], "entity_type": "Organisation"}
    assert api_of(box)("POST", "/webhooks", {**form, "entity_id": box.control.keys()["organisation"]}).status == 201
    box.control.set_switches({"auto_webhooks": "on", "approve_after": 5})
    id = box.control.create(email="new@example.com")["id"]
    assert [body["event"] for body in receiver.bodies(1)] == ["PENDING"]
    box.control.move_clock(6)
    api_of(box)("GET", f"/orders/{id}")
    box.control.advance(id)
    assert [body["event"] for body in receiver.bodies(3)] == ["PENDING", "APPROVED", "DISPATCHED"]


def test_each_signature(box: Served, receiver: Receiver) -> None:
    id = id_of(box, "plain@example.com")
    secret = box.control.keys()["signing_secret"].encode()
    for encoding in ("hex", "base64"):
        for form, prefix in box.each("signature_form", ["", "sha256=", ""]):
            receiver.taken.clear()
            box.control.set_switch("signature", encoding)
            box.control.send({"order_id": id, "url": receiver.url})
            receiver.bodies(1)
            _, headers, body = receiver.taken[0]
            signed = headers["x-timestamp"].encode() + b"." + body if form == "timestamped" else body
            digest = hmac.new(secret, signed, hashlib.sha256).digest()
            text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
            assert headers["x-signature"] == prefix + text
    for how, there in box.each("signature", [False, True, True]):
        receiver.taken.clear()
        box.control.send({"order_id": id, "url": receiver.url})
        receiver.bodies(1)
        assert ("x-signature" in receiver.taken[0][1]) is there, how
    for how, value in box.each("webhook_header", [None, box.control.keys()["header_value"]]):
        receiver.taken.clear()
        box.control.send({"order_id": id, "url": receiver.url})
        receiver.bodies(1)
        assert receiver.taken[0][1].get("x-sopost-key") == value, how


def test_each_answer_to_a_registration(box: Served, receiver: Receiver) -> None:
    organisation, campaigns = (box.control.keys()[name] for name in ("organisation", "campaigns"))
    form = {"url": receiver.url, "events": ["OrderEvent"], "entity_type": "Organisation", "entity_id": organisation}
    id, other = id_of(box, "plain@example.com"), id_of(box, "othercampaign@example.com")
    for _, statuses in box.each("webhook_create", [(201, 201), (200, 200), (201, 409)]):
        receiver.taken.clear()
        api = api_of(box)
        assert tuple(api("POST", "/webhooks", form).status for _ in range(2)) == statuses
        calls = box.control.send({"order_id": id}, {"order_id": other})
        assert calls == (2 if statuses[1] == 409 else 4)
        receiver.bodies(calls)
    box.control.reset()
    for wrong in ({"url": "no"}, {"events": ["Other"]}, {"entity_type": "Brand"}):
        assert api_of(box)("POST", "/webhooks", {**form, **wrong}).status == 422
    assert api_of(box)("POST", "/webhooks", {**form, "entity_id": "another"}).status == 404
    api_of(box)("POST", "/webhooks", {**form, "entity_type": "Campaign", "entity_id": campaigns[1]})
    assert box.control.send({"order_id": id}, {"order_id": other}) == 1
    assert [hook["entity_id"] for hook in box.control.report("webhooks")] == [campaigns[1]]
    api_of(box, SOAP)("POST", "/webhooks", form)
    assert [f["merchant"] for f in box.control.findings()] == [SOAP]


def test_each_lag_of_an_order(box: Served) -> None:
    path = f"/orders/{id_of(box, 'plain@example.com')}"
    for _, statuses in box.each("order_lag_404", [[200] * 4, [404, 404, 404, 200]]):
        api = api_of(box)
        assert [api("GET", path).status for _ in range(4)] == statuses


def test_each_shape_of_an_order(box: Served) -> None:
    path, bare = f"/orders/{id_of(box, 'plain@example.com')}", f"/orders/{id_of(box, 'noconsent@example.com')}"
    for _, key in box.each("envelope", ["id", "data"]):
        assert key in api_of(box)("GET", path).json
    for how, value in box.each("consents_key", [[], "absent", None]):
        assert api_of(box)("GET", bare).json.get("consents", "absent") == value, how
        assert api_of(box)("GET", path).json["consents"]
    for how, value in box.each("consent_status", ["APPROVED", "approved", "absent", "GIVEN"]):
        assert api_of(box)("GET", path).json["consents"][0].get("status", "absent") == value, how
    for _, kind in box.each("answer_shape", [list, dict]):
        assert isinstance(api_of(box)("GET", path).json["custom_questions"][0]["answer"], kind)
    for _, there in box.each("order_time", [False, True]):
        assert ("created_at" in api_of(box)("GET", path).json) is there
    for _, upper in box.each("id_case", [False, True]):
        assert api_of(box)("GET", path).json["id"].isupper() is upper


def test_each_limit(box: Served) -> None:
    path = f"/orders/{id_of(box, 'plain@example.com')}"
    for how, last in box.each("rate_limit", [200, 429, 429]):
        api = api_of(box)
        answers = [api("GET", path) for _ in range(7)]
        assert [answer.status for answer in answers] == [200] * 6 + [last]
        assert answers[-1].headers.get("retry-after") == ("1" if how == "429_retry_after" else None)


def test_consents_that_ever_stood_are_kept_for_findings(box: Served) -> None:
    id = id_of(box, "plain@example.com")
    box.control.set_consents(id, [])
    assert api_of(box)("GET", f"/orders/{id}").json["consents"] == []
    kept = [row for row in box.control.consents(GLOW) if row["order_id"] == id]
    assert [(row["status"], row["email"], row["counts"]) for row in kept] == [("APPROVED", "plain@example.com", True)]
    waiting, held = (id_of(box, f"order.{word}@example.com") for word in ("pending", "onhold"))
    assert not any(row["counts"] for row in box.control.consents(GLOW) if row["order_id"] in (waiting, held))
    for word in ("APPROVED", "RETURNED"):
        box.control.set_status(held, word)
    told = [row["counts"] for row in box.control.consents(GLOW) if row["order_id"] == held]
    assert told == [True, True, True]  # once approved, any word but a refusal counts


def test_records_may_be_changed_by_hand_and_by_hooks(box: Served) -> None:
    id = id_of(box, "plain@example.com")
    box.control.patch("orders", id, {"full_name": "Another Name"})
    box.control.add_hook({"kind": "orders", "id": id, "fields": {"status": "REJECTED"}}, on="request", nth=2)
    api = api_of(box)
    answers = [api("GET", f"/orders/{id}").json for _ in range(2)]
    assert [(one["full_name"], one["status"]) for one in answers] == [
        ("Another Name", "APPROVED"),
        ("Another Name", "REJECTED"),
    ]
    box.control.delete("orders", id)
    assert api("GET", f"/orders/{id}").status == 404


def test_faults_of_the_core_work_here(box: Served) -> None:
    api, path = api_of(box), f"/orders/{id_of(box, 'plain@example.com')}"
    for kind, status in (("500", 500), ("hollow", 200), ("other_record", 200), ("truncated", 200), ("429", 429)):
        box.control.set_fault(kind, count=1)
        answer = api("GET", path)
        assert answer.status == status
        assert kind == "truncated" or answer.json.get("id") != path.rpartition("/")[2]
    box.control.set_fault("reset", count=1)
    with pytest.raises((ConnectionError, OSError)):
        box.api(Authorization=api.headers["Authorization"])("GET", path)
    entry = box.control.journal()[-1]
    assert (entry["route"], entry["items"], entry["fault"]) == ("GET /orders/{id}", 0, "reset")


def test_every_switch_is_tried() -> None:
    assert not_tried(__file__, "sopost") == []
