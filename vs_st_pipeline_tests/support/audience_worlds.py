"""Worlds of route `audience` under switches of WayMore and of a shop's site: which, and what must hold.

Each world is the life of a small shop: registered, told, one day's news, exports that went wrong, posts, answers that
are lost on the way. Under every switch each record is told once, each change is told, in order, and nobody is
subscribed who did not ask for it (audience.md 11).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import yaml

from vs_st_pipeline.sandbox.core.audience_switches import AUDIENCE_SWITCHES
from vs_st_pipeline_tests.support.audience import Record, Scene
from vs_st_pipeline_tests.support.receiving import SECRET, receiving, url

Switches = dict[str, dict[str, Any]]
WAYMORE, SHOP = "waymore", "shop"
SWITCHES: dict[str, dict[str, list[Any]]] = {
    system: {name: values for name, values in switches.items() if len(values) > 1}
    for system, switches in AUDIENCE_SWITCHES.items()
}
WORLDS = 5
LISTED = ("drop_style", "post_style")
"""Switches of what comes one after the other: a world has a list of their values."""
REFUSED = ("wrong_rows", "missing_column", "half_file")
UNHEARD = ("unsigned", "replayed")
RETRY_AFTER = 1.0  # seconds that the stand-in says with a 429
BAD = "o2"
SHOP_KEY = "a key of thirty-two characters, made up"
DAY = {
    "CustomerUpdate 1": 1,
    "CustomerAdd 4": 1,
    "Newsletter d@people.example True": 1,
    "Newsletter c@people.example False": 1,
    "ProductStockUpdate p2": 1,
    "ProductOutOfStock p2": 1,
    "WishlistAdd 2 p1": 1,
    "OrderAdd o3": 1,
    "OrderPaymentConfirmed o3": 1,
    "OrderStatusUpdate o1": 1,
}
"""What a day's news come to, event by event."""


def every_value() -> Iterator[tuple[str, str, Any]]:
    """All values of all switches."""
    for system, switches in SWITCHES.items():
        for name, values in switches.items():
            for value in values:
                yield system, name, value


def covering() -> list[Switches]:
    """Few worlds in which every value of every switch is at least once (R50)."""
    return [{system: dict(_of_world(system, world)) for system in SWITCHES} for world in range(WORLDS)]


def _of_world(system: str, world: int) -> Iterator[tuple[str, Any]]:
    for turn, (name, values) in enumerate(SWITCHES[system].items()):
        yield name, values[world::WORLDS] if name in LISTED else values[(world + turn) % len(values)]


def values_of(switches: Switches) -> set[tuple[str, str, Any]]:
    """The values that a world has."""
    found = set()
    for system, chosen in switches.items():
        for name, value in chosen.items():
            found |= {(system, name, one) for one in (value if isinstance(value, list) else [value])}
    return found


def open_shop(scene: Scene) -> None:
    """Begin with a shop of three customers, products, two orders, one of them a guest's, a wish and a cart.

    There are more products than the least that WayMore takes at a time, and more text of them.
    """
    scene.begin_alone()
    old = (scene.now - timedelta(days=30)).isoformat()
    for id, name, yes in (("1", "a", True), ("2", "b", False), ("3", "c", True)):
        person = {"first_name": "Ann", "last_name": f"Longname-{name}", "email": f"{name}@people.example"}
        scene.put("customers", customer_id=id, **person, phone=f"+1707555010{id}", opted_in=yes, created_at=old)
    scene.put("addresses", customer_id="1", position=0, country="US", city="Napa", postcode="94558")
    scene.put("subscribers", subscriber_id="s1", email="reader@people.example", subscribed=True, since=old)
    for id in (f"p{number}" for number in range(1, 13)):
        scene.put(
            "products",
            product_id=id,
            name=f"Wine {id}",
            description="Red. " * 1200,
            stock=12,
            in_stock=True,
            price="20.00",
            created_at=old,
        )
    scene.put("wishlists", customer_id="1", product_id="p2", added_at=old)
    for order, who in (("o1", "1"), (BAD, None)):
        buyer = {"email": "guest@people.example"} if who is None else {}
        scene.put("orders", order_id=order, customer_id=who, status="Open", paid=True, total="40.00", created_at=old,
                  **buyer)  # fmt: skip
        scene.put("order_lines", order_id=order, position=0, product_id="p1", quantity=2)
    scene.put("carts", cart_id="b1", customer_id="3", updated_at=old)
    scene.put("cart_lines", cart_id="b1", product_id="p1", option_id=None, quantity=1)
    scene.history = scene.known_now()
    scene.waymore.tell(scene.merchant, history=scene.history)


def live_a_day(scene: Scene) -> None:
    """Let happen at the shop what `DAY` says."""
    now = scene.now.isoformat()
    scene.change("customers", "1", phone="+17075550199")
    scene.put("customers", customer_id="4", first_name="Dan", email="d@people.example", opted_in=True,
              opted_at=now, created_at=now)  # fmt: skip
    scene.change("customers", "3", opted_in=False)
    scene.change("products", "p2", stock=0, in_stock=False)
    scene.put("wishlists", customer_id="2", product_id="p1", added_at=now)
    scene.put("orders", order_id="o3", customer_id="2", status="Open", paid=True, total="20.00", created_at=now)
    scene.put("order_lines", order_id="o3", position=0, product_id="p1", quantity=1)
    scene.change("orders", "o1", status="Shipped")


def told(scene: Scene, since: int = 0) -> dict[str, set[str]]:
    """Return the keys of the calls by which WayMore was told events: by event and entity."""
    found: dict[str, set[str]] = {}
    for call in scene.waymore.calls(scene.merchant, since):
        if "event" in call and call["status"] is not None and (call["fault"] or 200 <= call["status"] < 300):
            found.setdefault(_name(call["what"], call["data"]), set()).add(call["key"])
    return found


def _name(event: str, data: Record) -> str:
    match event:
        case "CustomerAdd" | "CustomerUpdate":
            named = [data["customer"]["id"]]
        case "Newsletter":
            named = [data["email"], data["subscription"]]
        case "WishlistAdd" | "WishlistDelete":
            named = [data["customer_id"], data["product_id"]]
        case "CartUpdate":
            named = [data["customer_id"]]
        case "Search":
            named = [data["search_string"]]
        case "OrderAdd":
            named = [data["order_details"]["order_id"]]
        case _:
            named = [data.get("product_id", data.get("order_id", ""))]
    return " ".join(map(str, (event, *named)))


def not_of(expected: dict[str, int], found: dict[str, set[str]]) -> list[str]:
    """Return which events were not told as they must be: each once, under one key."""
    counts = {name: len(keys) for name, keys in found.items()}
    return [
        f"{name} was told {counts.get(name, 0)} times, not {expected.get(name, 0)}"
        for name in sorted({*counts, *expected})
        if counts.get(name, 0) != expected.get(name, 0)
    ]


def again(scene: Scene) -> int:
    """How many calls went again though their answer had come whole."""
    clean = Counter(
        one["key"]
        for one in scene.waymore.calls(scene.merchant)
        if not one["fault"] and 200 <= (one["status"] or 0) < 300
    )
    return sum(count - 1 for count in clean.values())


def is_over(report: Record, *, refuses: bool) -> bool:
    """Return whether all is told that can be: where a record is refused each sync is partial, and the last one too."""
    settled = report["history"]["state"] == "done" and not report["synced"]["unknown"]
    return settled and report["status"] in (("ok", "partial") if refuses else ("ok",))


def meet(scene: Scene, switches: Switches) -> list[str]:
    """Live through a world; returns what is wrong."""
    return _Life(scene, switches).wrong()


class _Life:
    """One life, as somebody would set things who knows how WayMore behaves."""

    def __init__(self, scene: Scene, switches: Switches) -> None:
        self.scene, self.way, self.site = scene, switches.get(WAYMORE, {}), switches.get(SHOP, {})
        self.fine: dict[str, Any] = {}
        self.found: list[str] = []
        self.may_lack: set[str] = set()
        self.refuses = bool({"refusal", "bad_item"} & self.way.keys())

    def wrong(self) -> list[str]:
        """Live; what is wrong."""
        scene = self.scene
        self._begin()
        self._register()
        self._history()
        before = scene.last_call()
        live_a_day(scene)
        self._lose_answers()
        scene.drop()
        self._until_ok("the day")
        self.found += not_of(DAY, told(scene, before))
        self._styles()
        self._posts()
        self._put_right()
        if again(scene):
            self.found.append(f"{again(scene)} calls went again though they had been answered")
        if scene.subscribers() != scene.consents():
            self.found.append(f"subscribed: {scene.subscribers()}, not {scene.consents()}")
        allowed = {"a message for history"} if self.way.get("mass_triggers") else set[str]()
        if self.way.get("bad_uuid", 401) != 401:
            allowed.add("unknown_uuid")
        judged = [one for one in scene.wrong(excused=self.may_lack) if not any(word in one for word in allowed)]
        return self.found + judged

    def _begin(self) -> None:
        scene, way = self.scene, self.way
        open_shop(scene)
        scene.waymore.set_switches(dict(way))
        scene.shop.set_switches({"drop_format": self.site.get("drop_format", "csv")})
        if way.get("success_body") in ("empty", "text", "json_no_message"):
            self.fine["ack"] = "status"
        if way.get("block_names") in ("lower", "capitalised"):
            self.fine["block_names"] = way["block_names"]
        if way.get("dates") in ("iso", "dmy", "mdy"):
            self.fine["dates"] = way["dates"]
        if way.get("unknown_keys") == "refuse":
            self.fine["extras"] = False
        scene.drop()

    def _register(self) -> None:
        """Come to the registration by way of what goes wrong before it."""
        scene, way = self.scene, self.way
        # With `ack: status` a 200 without a word is a yes: nothing tells this account's no from it (docs/audience.md).
        mute = way.get("bad_uuid") == "200_no_message" and self.fine.get("ack") == "status"
        if way.get("bad_uuid", 401) != 401 and not mute:
            scene.settings(uuid=self._secret("uuid", "0" * 32), **self.fine)
            self._not_ok("with another's uuid")
            scene.lose()
        if way.get("bad_credentials", "200_message") != "200_message":
            scene.settings(password=self._secret("password", "not the one"), **self.fine)
            self._not_ok("with a wrong password")
        if way.get("endpoints_answer", "good") in ("foreign_host", "http"):
            scene.settings(discover=self._url("endpoints/get"), endpoints={}, **self.fine)
            self._not_ok("with endpoints that nobody may trust")
        if way.get("endpoints_answer") == "moved":
            self.fine |= {"discover": self._url("endpoints/get"), "endpoints": {}}
        scene.settings(**self.fine)
        if way.get("auth_again", "same_uuid") != "same_uuid":
            scene.waymore.set_fault("reset", scene.merchant, path_regex="/api/authenticate", count=1, when="after")
            scene.run("connect", "--merchant", scene.merchant)
            scene.waymore.clear_faults(scene.merchant)
            if way["auth_again"] == 409:
                self._not_ok("as a domain that is registered already")
                self.fine["uuid"] = self._secret("uuid", scene.waymore.give_out(scene.merchant))
                scene.settings(**self.fine)
        for _ in range(8):
            if scene.run("connect", "--merchant", scene.merchant).exit_code == 0:
                return
            scene.later(minutes=20)
        self.found.append("it could not be registered")

    def _history(self) -> None:
        """Tell the history; one order is refused, or skipped, and put right."""
        scene = self.scene
        if self.refuses:
            scene.waymore.set_switch("reject", [BAD])
        scene.waymore.set_fault("reset", scene.merchant, path_regex="/api/data", count=1, skip=2, when="after")
        report = self._until_ok("the history")
        if report["history"]["state"] != "done":
            self.found.append(f"the history: {report}")
        scene.waymore.clear_faults(scene.merchant)
        scene.later(seconds=2)

    def _put_right(self) -> None:
        """What was refused alone is told once it is fit; what was skipped silently, nobody can know of."""
        if not self.refuses:
            return
        self.scene.waymore.set_switch("reject", [])
        self.scene.later(hours=30)
        self.refuses = False
        self._until_ok("the order that was refused")
        if self.way.get("bad_item") == "item_ignored":
            self.may_lack = {BAD}

    def _lose_answers(self) -> None:
        if self.way.get("resent_event") == "dedupe_by_header" or not self.way:
            self.scene.waymore.set_fault(
                "reset", self.scene.merchant, path_regex="/api/event", count=1, skip=3, when="after"
            )

    def _styles(self) -> None:
        """Exports that went wrong, and a good one after them."""
        scene, given = self.scene, self.site.get("drop_style", [])
        for style in given if isinstance(given, list) else [given]:
            if style == "normal":
                continue
            scene.later(minutes=10)
            scene.shop.set_switch("drop_style", style)
            scene.change("customers", "2", first_name=f"Bo {style}")
            scene.drop()
            report = scene.sync()
            expected = ("failed",) if style in REFUSED else ("ok", "partial", "failed")
            if report["status"] not in expected:
                self.found.append(f"a drop with {style}: {report}")
            self.found += [f"{style}: {one}" for one in scene.wrong(settled=False) if "violation" in one and
                           "unknown_uuid" not in one]  # fmt: skip
        scene.later(minutes=10)
        scene.shop.set_switch("drop_style", "normal")
        scene.drop()
        self._until_ok("a good drop")

    def _posts(self) -> None:
        """Searches are posted in each style; what is not signed as it must be is not heard."""
        given = self.site.get("post_style", [])
        styles = given if isinstance(given, list) else [given]
        if not styles:
            return
        scene = self.scene
        entries = yaml.safe_load((scene.folder / "merchants.yaml").read_text(encoding="utf-8"))
        for entry in entries["merchants"]:
            if entry["id"] == scene.merchant:
                signed = {"header": "X-Shop-Signature", "prefix": "sha256=", "timestamp_header": "X-Shop-Timestamp"}
                key = self._secret("shop_key", SHOP_KEY)
                entry["webhooks"] = {"shop": {"signature": {**signed, "secret": key}}}
        before, expected = scene.last_call(), dict[str, int]()
        rest = {name: value for name, value in entries.items() if name != "merchants"}
        with receiving(scene.folder, entries["merchants"], inbox=scene.inbox, **rest) as receiver:
            scene.more_environment |= {"VS_ST_HOOK_SECRET": "env:HOOK_SECRET", "HOOK_SECRET": SECRET}
            there = f"http://127.0.0.1:{receiver.port}{url(scene.merchant, 'shop')}"
            scene.shop.begin_posts(there, scene.merchant, secret=SHOP_KEY, **signed)
            for style in styles:
                scene.shop.set_switch("post_style", style)
                words = [f"{style} red", f"{style} white"]
                said = [
                    {"event": "Search", "id": word, "data": {"customer_id": "1", "search_string": word}}
                    for word in words
                ]
                answered = {one["status"] for one in scene.post(*said)}
                if (answered == {200}) == (style in UNHEARD):
                    self.found.append(f"posts that are {style} were answered {answered}")
                expected |= {f"Search {word}": 1 for word in words if style not in UNHEARD}
        self._until_ok("posts")
        self.found += not_of(expected, told(scene, before))

    # How it goes on.

    def _until_ok(self, what: str) -> Record:
        """Sync until all is told: an answer that says `later` ends a sync, and so does one that is lost."""
        for _ in range(10):
            report = self.scene.sync()
            if is_over(report, refuses=self.refuses):
                return report
            if (report["error"] or {}).get("http_status") == 429:
                time.sleep(RETRY_AFTER)  # WayMore's rest goes by the real clock
            self.scene.later(minutes=10)
        self.found.append(f"{what} does not come to an end: {report}")
        return report

    def _not_ok(self, what: str) -> None:
        report = self.scene.sync()
        if report["status"] == "ok":
            self.found.append(f"{what}: {report}")

    def _secret(self, name: str, value: str) -> str:
        path = self.scene.folder / name
        path.write_text(value, encoding="utf-8")
        path.chmod(0o600)
        return f"file:{path}"

    def _url(self, of: str) -> str:
        return f"{self.scene.box.running['waymore'].url}/api/{of}"
