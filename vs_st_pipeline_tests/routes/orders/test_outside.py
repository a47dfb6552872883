"""What people see of route `orders`: its commands, pages, checks and job, and how it forgets (orders.md 8, 10).

One merchant whose orders stand in each state; the commands that change something have orders of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.definitions import defs
from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.pipeline.checks import measure
from vs_st_pipeline.pipeline.pages import stored
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.user import user_name
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline.routes.orders import commands
from vs_st_pipeline.routes.orders.check import new_result
from vs_st_pipeline.routes.orders.report import new_report
from vs_st_pipeline.routes.orders.sentences import CODES
from vs_st_pipeline.routes.orders.states import NOTES
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.orders import BORN, HILLSIDE, ROUTE, STREET, Scene, hurrying

Record = dict[str, Any]

LISTED = [
    *("order_id", "order_number", "vs_number", "state", "message", "code", "compliance", "stage", "noted", "paid_at"),
    *("sent_at", "updated_at"),
]
SHOWN = [*LISTED, "problems", "sent", "packages", "fulfilment", "activity"]
ACTED = ["order_number", "done", "state", "message", "code"]


@pytest.fixture(scope="module")
def told(orders_world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, dict[str, Record]]]:
    """A synced merchant, and its orders by what became of them."""
    with pytest.MonkeyPatch.context() as patch, hurrying():
        patch.setattr(cli_sync, "_warehouse", None)
        scene = Scene(orders_world, tmp_path_factory.mktemp("commands"))
        scene.begin_alone()
        scene.settings()
        orders = {
            "sent": scene.place("PINOT22", "ZIN21", state="NY"),
            "again": scene.place("PINOT22"),
            "void": scene.place("ZIN21"),
            "scanned": scene.place("CHARD23"),
            "refused": scene.place("NEWRED"),
            "zip": scene.place("PINOT22", shipTo={"zipCode": "10014"}),
            "kept": scene.place("PINOT22", shipTo={"zipCode": "10014"}),
            "elsewhere": scene.place("PINOT22", state="FL"),
            "unpaid": scene.place("PINOT22", paymentStatus="Authorized", orderPaidDate=None),
            "old": scene.place("PINOT22", hours=24 * 60),
            "same": scene.place("ROSE24"),
        }
        scene.sync()
        scene.scan(orders["scanned"])
        scene.clear_journals()
        yield scene, orders
        scene.inbox.close()
        orders_world.reset()


def ran(scene: Scene, *words: str, **more: Any) -> Any:
    action, *rest = words
    return scene.run(ROUTE, action, "--merchant", HILLSIDE, *rest, **more)


def named(order: Record) -> str:
    return str(order["orderNumber"])


# --- list, show -------------------------------------------------------------------------------------------------------


def test_o8_list_has_these_keys_the_newest_first_and_calls_nobody(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, orders = told
    scene.clear_journals()
    done = ran(scene, "list", "--json")
    assert (done.exit_code, list(done.json)) == (0, ["merchant", "orders"])
    rows = done.json["orders"]
    assert {tuple(row) for row in rows} == {tuple(LISTED)}
    assert [row["paid_at"] for row in rows] == sorted((row["paid_at"] for row in rows), reverse=True)
    assert named(orders["old"]) not in {row["order_number"] for row in rows}, "ruling 11: of these the id is kept alone"
    assert not scene.journal("commerce7")
    assert not scene.journal("vinoshipper")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", rows[0]["paid_at"])


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--state", "sent", {"sent", "again", "void", "scanned", "same"}),
        ("--state", "waiting", {"unpaid"}),
        ("--code", "state_not_chosen", {"elsewhere"}),
        ("--code", "compliance", {"refused"}),
        ("--noted", "adopted", set()),
        ("--since", "2999-01-01", set()),
    ],
)
def test_o8_list_tells_some_apart(
    told: tuple[Scene, dict[str, Record]], option: str, value: str, expected: set[str]
) -> None:
    scene, orders = told
    done = ran(scene, "list", option, value, "--json")
    if option == "--state" and value == "sent":  # other tests of this module void and send
        assert {named(orders["sent"]), named(orders["same"])} <= {row["order_number"] for row in done.json["orders"]}
        return
    assert {row["order_number"] for row in done.json["orders"]} == {named(orders[name]) for name in expected}


def test_o8_list_says_how_many_there_are_where_it_shows_some(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, _ = told
    count = len(ran(scene, "list", "--json").json["orders"])
    whole = f"Hillside: {count} orders, by when they were paid, newest first"
    assert ran(scene, "list").out.splitlines()[0] == whole
    assert ran(scene, "list", "--limit", str(count)).out.splitlines()[0] == whole
    some = ran(scene, "list", "--limit", "2").out.splitlines()
    assert some[0] == f"Hillside: the newest 2 of {count} orders, by when they were paid; `--limit {count}` lists all"
    assert len(some) == 3
    one = ran(scene, "list", "--code", "compliance").out.splitlines()[0]
    assert one == "Hillside: 1 order, by when they were paid, newest first"
    assert ran(scene, "list", "--code", "no_email").out == "Hillside: no such order\n"


def test_o8_list_before_the_first_sync_says_that_there_is_none_yet(
    told: tuple[Scene, dict[str, Record]], tmp_path: Path
) -> None:
    before = Scene(told[0].box, tmp_path)
    before.settings()
    assert ran(before, "list").out == "Hillside: no order is held yet\n"
    before.inbox.close()


@pytest.mark.parametrize(
    ("option", "typed", "meant"),
    [
        ("--state", "snet", "state; did you mean sent?"),
        ("--code", "unknownsku", "code; did you mean unknown_sku?"),
        ("--noted", "changed_after", "note; did you mean changed_after_sent?"),
        ("--state", "?", "state; there are waiting, sending, sent, failed, not_required, voided"),
    ],
)
def test_o8_a_word_that_is_none_names_the_nearest_one(
    told: tuple[Scene, dict[str, Record]], option: str, typed: str, meant: str
) -> None:
    done = ran(told[0], "list", option, typed)
    assert (done.exit_code, f"there is no such {meant}" in done.err) == (2, True), done.err


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--state", "gone"),
        ("list", "--code", "nonsense"),
        ("list", "--noted", "nonsense"),
        ("list", "--since", "yesterday"),
        ("list", "--limit", "0"),
        ("show", "99999"),
        ("show", "Jane Doe"),
        ("send", "99999"),
        ("send",),
        ("dont-send", "99999"),
        ("check", "99999"),
        ("void", "99999", "--reason", "x", "--yes"),
        ("void", "1"),
    ],
)
def test_o8_a_wrong_command_and_an_unknown_order_exit_with_2(
    told: tuple[Scene, dict[str, Record]], words: tuple[str, ...]
) -> None:
    scene, _ = told
    done = ran(scene, *words)
    assert (done.exit_code, done.out) == (2, ""), done
    assert "Jane" not in done.err, "what was typed instead of a number may be somebody's name"


def test_o8_an_unknown_merchant_exits_with_2(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, _ = told
    assert scene.run(ROUTE, "list", "--merchant", "nobody").exit_code == 2
    assert scene.run(ROUTE, "send", "--merchant", "nobody", "1").exit_code == 2


def test_o8_show_has_these_keys_by_any_name_and_names_no_street_and_no_birth_date(
    told: tuple[Scene, dict[str, Record]],
) -> None:
    scene, orders = told
    order = orders["sent"]
    scene.clear_journals()
    found = [ran(scene, "show", word, "--json") for word in (named(order), order["id"], scene.number(order))]
    assert found[0].json == found[1].json == found[2].json
    shown = found[0].json
    assert list(shown) == SHOWN
    assert list(shown["fulfilment"]) == ["outcome", "fulfillment_id", "mailed", "written_at"]
    assert {tuple(row) for row in shown["activity"]} == {
        ("at", "kind", "text", "code", "who", "run_id", "http_status", "trace_id")
    }
    assert [row["kind"] for row in shown["activity"]][:3] == ["seen", "judged", "sending"], "oldest first"
    assert (shown["state"], shown["vs_number"], shown["compliance"]) == ("sent", scene.number(order), "compliant")
    page = ran(scene, "show", named(order)).out
    for text in (page, found[0].out):
        assert STREET not in text
        assert BORN not in text
    assert not scene.journal("commerce7") + scene.journal("vinoshipper")


def test_o8_the_page_says_how_it_stands_why_and_what_to_do(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, orders = told
    refused = ran(scene, "show", named(orders["refused"])).out
    assert "Failed to Send (compliance)" in refused
    assert "Problems at Vinoshipper" in refused
    elsewhere = ran(scene, "show", named(orders["elsewhere"])).out
    assert "Not Required to Send (state_not_chosen)" in elsewhere
    assert "(FL)" in elsewhere
    sent = ran(scene, "show", named(orders["sent"])).out
    assert re.search(r"1 x +PINOT22 +42\.00 +42\.00", sent)
    assert "UPS 03" in sent
    assert "NY 10014" in sent
    [seen] = re.findall(r"seen +order \d+, paid (\S+ \S+)\n", sent)
    assert f"\n  paid         {seen}\n" in sent, "one moment is said in one time zone"


def test_r52_why_and_history_are_show(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, orders = told
    shown = ran(scene, "show", named(orders["sent"]), "--json").json
    for command in ("why", "history"):
        words = (command, "--merchant", HILLSIDE, "--route", ROUTE)
        assert scene.run(*words, named(orders["sent"]), "--json").json == shown
        assert scene.run(*words, "99999").exit_code == 2


# --- send, dont-send --------------------------------------------------------------------------------------------------


def acted(done: Any) -> list[Record]:
    rows: list[Record] = done.json["orders"]
    assert list(done.json) == ["merchant", "orders"]
    assert {tuple(row) for row in rows} == {tuple(ACTED)}
    return rows


def test_o8_send_does_nothing_of_what_is_sent_and_exits_with_0(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, orders = told
    scene.clear_journals()
    done = ran(scene, "send", named(orders["same"]), "--json")
    expected = {"order_number": named(orders["same"]), "done": True, "state": "sent", "message": "Sent to Vinoshipper"}
    assert (done.exit_code, acted(done)) == (0, [expected | {"code": None}])
    assert scene.writes() == []


def test_o8_a_rule_says_no_and_only_a_caution_of_ours_is_passed(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, orders = told
    order = orders["zip"]
    for code in ("zip_state", "under_age", "nonsense"):
        done = ran(scene, "send", named(order), "--accept", code, "--json") if code != "zip_state" else None
        assert done is None or (done.exit_code, done.out) == (2, ""), "what cannot be passed"
    scene.clear_journals()
    done = ran(scene, "send", named(order), "--json")
    assert (done.exit_code, acted(done)[0]["code"]) == (1, "zip_state")
    assert scene.writes() == []
    says = f"`vs-st orders send --merchant {HILLSIDE} {named(order)} --accept zip_state` passes it."
    assert says in ran(scene, "show", named(order)).out
    done = ran(scene, "send", named(order), named(orders["sent"]), "--accept", "zip_state", "--json")
    assert (done.exit_code, [row["state"] for row in acted(done)]) == (0, ["sent", "sent"])
    shown = scene.show(order)
    assert [row["who"] for row in shown["activity"] if row["kind"] == "person"][-1] == f"cli:{user_name()}"
    assert scene.accepted(order) == [scene.number(order)]


def test_o8_one_that_is_not_held_is_asked_of_commerce7(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, _ = told
    order = scene.place("PINOT22")
    assert ran(scene, "show", named(order)).exit_code == 2
    assert ran(scene, "dont-send", named(order)).exit_code == 2
    assert acted(ran(scene, "send", named(order), "--json"))[0]["state"] == "sent"
    other = scene.place("PINOT22")
    assert acted(ran(scene, "check", other["id"], "--json"))[0]["done"] is True
    assert scene.there(other) is None, "judged, not sent"
    assert scene.stands(other)[0] == "waiting"


def test_ruling_6_commands_tell_commerce7_at_the_next_sync(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, orders = told
    order = orders["kept"]
    done = ran(scene, "dont-send", named(order), "--json")
    assert (done.exit_code, acted(done)[0]["state"], acted(done)[0]["code"]) == (0, "not_required", "dont_send")
    assert acted(done)[0]["message"] == "Not Required to Send"
    assert scene.told(order) == ["Failed to Send"]
    again = ran(scene, "dont-send", named(order), "--json")
    assert (again.exit_code, acted(again)) == (0, acted(done))
    due = (scene.home / "orders.due").read_text(encoding="utf-8")
    assert datetime.fromisoformat(due) <= datetime.now(UTC), "the next sync is due at once"
    scene.sync()
    assert scene.told(order) == ["Failed to Send", "Don't Send"]
    assert ran(scene, "dont-send", named(orders["sent"])).exit_code == 1, "use void"


# --- void, check ------------------------------------------------------------------------------------------------------


def test_o8_void_asks_first_needs_a_reason_and_believes_only_what_is_shown(
    told: tuple[Scene, dict[str, Record]],
) -> None:
    scene, orders = told
    order = orders["void"]
    assert ran(scene, "void", named(order), "--yes").exit_code == 2, "no reason"
    assert ran(scene, "void", named(order), "--reason", " ", "--yes").exit_code == 2
    assert ran(scene, "void", named(order), "--reason", "Moved").exit_code == 2, "ruling 10: nobody to ask"
    scene.clear_journals()
    typed = "Moved away, said Mrs. Quillfeather of 707-555-0199"
    done = ran(scene, "void", named(order), "--reason", typed, "--yes", "--json")
    assert (done.exit_code, acted(done)[0]["state"]) == (0, "voided")
    assert [entry["reason"] for entry in scene.shipper.cancellations(HILLSIDE)][-1] == typed
    assert (
        "\n  void because Moved away, said Mrs. Quillfeather of ***-***-0199\n" in ran(scene, "show", named(order)).out
    )
    assert list(scene.show(order)) == SHOWN
    assert "Quillfeather" not in str(scene.show(order)), "the activity names nobody, and outlives the person"
    again = ran(scene, "void", named(order), "--reason", "Moved away", "--yes", "--json")
    assert (again.exit_code, acted(again)[0]["done"]) == (0, True)
    assert len(scene.writes()) == 1
    assert acted(ran(scene, "send", named(order), "--json"))[0]["done"] is False, "final"


def test_o8_void_is_of_sent_orders_that_are_not_on_their_way(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, orders = told
    scene.clear_journals()
    done = ran(scene, "void", named(orders["scanned"]), "--reason", "x", "--yes", "--json")
    assert (done.exit_code, acted(done)[0]["state"], acted(done)[0]["done"]) == (1, "sent", False)
    failed = ran(scene, "void", named(orders["refused"]), "--reason", "x", "--yes")
    assert (failed.exit_code, "dont-send" in failed.out) == (1, True)
    assert scene.writes() == []


def test_o8_check_of_a_sent_order_does_all_that_coming_back_means(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, orders = told
    order = orders["scanned"]
    scene.shipper.track(scene.number(order), HILLSIDE, "1Z999AA10123456784")
    done = ran(scene, "check", named(order), "--json")
    assert (done.exit_code, acted(done)[0]["done"]) == (0, True), done
    shown = scene.show(order)
    assert (shown["stage"], shown["packages"]) == (
        "Shipped", [{"carrier": "UPS", "tracking_number": "1Z999AA10123456784"}]
    )  # fmt: skip
    assert (shown["fulfilment"]["outcome"], shown["fulfilment"]["mailed"]) == ("done", True)
    assert len(scene.mails(order)) == 1


def test_o8_check_compliance_asks_that_alone_and_prints_it(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, orders = told
    scene.clear_journals()
    done = ran(scene, "check", named(orders["refused"]), "--compliance", "--json")
    asked = [entry["path"] for entry in scene.journal("vinoshipper")]
    assert (asked, scene.journal("commerce7")) == (["/api/v3/p/orders/check-compliance"], [])
    assert done.json["orders"][0]["compliance"]["isCompliant"] is False


# --- products, retry --------------------------------------------------------------------------------------------------


def test_o8_products_compares_by_sku_with_prices_of_two_places(told: tuple[Scene, dict[str, Record]]) -> None:
    """Ruling 10."""
    scene, _ = told
    done = ran(scene, "products", "--json")
    assert (done.exit_code, list(done.json)) == (0, ["merchant", "products"])
    rows = {row["sku"]: row for row in done.json["products"]}
    assert rows["ROSE24"] == {
        "sku": "ROSE24", "found": "both", "commerce7_price": "24.00", "vinoshipper_price": "26.00", "difference": "2.00"
    }  # fmt: skip
    assert {sku: rows[sku]["found"] for sku in ("LIBRARY", "OLD18", "port19")} == {
        "LIBRARY": "only_commerce7", "OLD18": "only_vinoshipper", "port19": "case_differs"
    }  # fmt: skip
    assert "PORT19" not in rows


def test_o8_products_says_when_they_were_read_in_the_winery_s_time_zone(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, _ = told
    with warehouse_at(scene.data).open(HILLSIDE, ROUTE) as db:
        rows = db.rows("select system, read_at from raw.catalogues order by system")
    zone = ZoneInfo("America/Los_Angeles")
    times = [f"{name} {at.replace(tzinfo=UTC).astimezone(zone):%Y-%m-%d %H:%M}" for name, at in rows]
    assert len(times) == 2
    assert ran(scene, "products").out.splitlines()[0].endswith(f"; read {', '.join(times)}")


def test_r29_retry_shows_what_would_go_and_asks(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, orders = told
    words = ("retry", "--merchant", HILLSIDE, "--route", ROUTE)
    assert scene.run("retry", "--all", "--route", ROUTE, "--code", "compliance").exit_code == 2
    assert scene.run(*words).exit_code == 2, "records, or a code"
    assert scene.run(*words, "99999", "--yes").exit_code == 2
    asked = scene.run(*words[:3], named(orders["refused"]), "--route", ROUTE)
    assert (asked.exit_code, named(orders["refused"]) in asked.err) == (2, True), "it is shown, and nobody can be asked"
    scene.clear_journals()
    done = scene.run(*words, "--code", "compliance", "--yes", "--json")
    assert (done.exit_code, [row["route"] for row in done.json["merchants"]]) == (1, [ROUTE])
    assert named(orders["refused"]) in done.err
    assert scene.run(*words, "--code", "no_email", "--yes", "--json").json["nothing_waits"] == [HILLSIDE]
    assert "hillside: 1 order is judged and sent now" in asked.err


def test_r29_retry_says_which_orders_are_still_refused_and_why_and_counts_them_as_standing(
    told: tuple[Scene, dict[str, Record]],
) -> None:
    """`failed` counts what became so (ruling 8); what was failed and is still is noted `failed_before`, and open."""
    scene, orders = told
    words = ("retry", "--merchant", HILLSIDE, "--route", ROUTE, "--code", "compliance", "--yes")
    row = scene.run(*words, "--json").json["merchants"][0]
    stand = len(ran(scene, "list", "--state", "failed", "--json").json["orders"])
    assert (row["status"], row["synced"]["failed"], row["open"]) == ("partial", 0, stand)
    assert row["planned"]["noted"]["failed_before"] == stand
    done = scene.run(*words)
    assert f"\n  not sent {named(orders['refused'])}: (compliance) " in done.out
    assert f"\n  open     {stand} failed\n" in done.out
    assert (done.exit_code, done.out.count("  not sent ")) == (1, 1)


# --- check of the merchant --------------------------------------------------------------------------------------------


def test_o8_check_says_that_start_lies_ahead(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, _ = told
    words = ("check", "--merchant", HILLSIDE, "--route", ROUTE)
    assert "lies ahead" not in scene.run(*words).out
    scene.settings(start="2199-12-01")
    try:
        assert (
            "  doubtful: orders.start lies ahead (2199-12-01): no order is sent that is paid before it\n"
            in scene.run(*words).out
        )
    finally:
        scene.settings()


def test_o8_check_of_a_key_that_commerce7_refuses_says_what_to_do_and_names_the_tenant(
    told: tuple[Scene, dict[str, Record]],
) -> None:
    scene, _ = told

    def misspell(entry: Record) -> None:
        entry["commerce7"]["tenant"] = "hilside"

    scene.settings(misspell)
    try:
        done = scene.run("check", "--merchant", HILLSIDE, "--route", ROUTE)
    finally:
        scene.settings()
    assert done.exit_code == 1
    assert "  auth at commerce7: " in done.out
    assert "not installed for the tenant `hilside`, or where commerce7.tenant is misspelled\n" in done.out
    assert "  to do: renew the key and put it where the merchants file says; nothing was lost; " in done.out
    assert "if the key is right, let the winery install the app, or correct `tenant`\n" in done.out
    assert "Vinoshipper: the key is good" in done.out


def test_o8_check_gives_no_row_to_paste_for_orders_that_name_no_code() -> None:
    found = new_result(HILLSIDE)
    found.rates = [
        {"carrier": "UPS", "code": "99", "orders": 1},
        {"carrier": None, "code": None, "orders": 2},
    ]
    assert found.lines("hillside")[2:] == [
        "      - {carrier: UPS, code: 99, rate_carrier: ..., rate_code: ...}   # 1 order",
        "      none fits 2 orders of which Commerce7 names no code: ship by hand",
    ]


# --- mode, lock -------------------------------------------------------------------------------------------------------


def test_o8_mode_off_is_2_but_for_list_and_show_and_shadow_sends_nothing(
    told: tuple[Scene, dict[str, Record]],
) -> None:
    scene, orders = told
    number = named(orders["refused"])
    scene.settings(mode="off")
    try:
        codes = {action: ran(scene, action, number).exit_code for action in ("send", "dont-send", "check", "show")}
        assert codes == {"send": 2, "dont-send": 2, "check": 2, "show": 0}
        assert (ran(scene, "list").exit_code, ran(scene, "products").exit_code) == (0, 2)
        assert ran(scene, "void", number, "--reason", "x", "--yes").exit_code == 2
        scene.settings(mode="shadow")
        synced = scene.run("sync", "--merchant", HILLSIDE, "--route", ROUTE).out
        assert "  mode     shadow: nothing is written at Commerce7 or Vinoshipper\n" in synced
        scene.clear_journals()
        done = ran(scene, "send", number, "--json")
        assert (done.exit_code, acted(done)[0]["done"]) == (1, False)
        assert ran(scene, "void", named(orders["sent"]), "--reason", "x", "--yes").exit_code == 1
        assert scene.writes() == []
    finally:
        scene.settings()


def test_o8_a_lock_that_is_held_exits_with_1(
    told: tuple[Scene, dict[str, Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, orders = told

    def held(*_: Any, **__: Any) -> Any:
        raise TryLater("another sync of this merchant is running")

    monkeypatch.setattr(Warehouse, "sync_lock", held)
    for words in (("send", named(orders["refused"])), ("dont-send", named(orders["refused"]))):
        with pytest.raises(TryLater):  # the console script exits with 1
            ran(scene, *words)


def test_r57_offboard_says_what_is_under_way(told: tuple[Scene, dict[str, Record]], tmp_path: Path) -> None:
    scene, orders = told
    assert commands.under_way(warehouse_at(tmp_path), HILLSIDE) == []
    with warehouse_at(scene.data).open(HILLSIDE, ROUTE) as db:
        db.execute("update synced.orders set state = 'sending' where order_id = ?", [orders["refused"]["id"]])
    [sentence] = commands.under_way(warehouse_at(scene.data), HILLSIDE)
    assert sentence.startswith("1 order being sent, and whether Vinoshipper has that is not known")
    with warehouse_at(scene.data).open(HILLSIDE, ROUTE) as db:
        db.execute("update synced.orders set state = 'failed' where order_id = ?", [orders["refused"]["id"]])


# --- pages, checks, the job -------------------------------------------------------------------------------------------


def as_run(scene: Scene) -> Run:
    from vs_st_pipeline.operations.settings import read_merchants

    merchant = read_merchants(scene.folder / "merchants.yaml", {}).get(HILLSIDE)
    assert merchant is not None
    return Run(merchant, warehouse_at(scene.data), lambda: scene.now, route=ROUTE)


def test_o8_the_checks_are_these_and_count_what_they_say(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, orders = told
    route = next(one for one in ROUTES if one.name == ROUTE)
    assert {check.name for check in route.checks} == {
        "orders_are_sent_soon", "no_write_is_unknown", "failed_orders", "changed_after_sent", "refunded_not_voided",
        "tracking_written", "skus_match", "prices_match", "rates_known", "no_gaps",
    }  # fmt: skip
    found = {id.rpartition(":")[2]: one for id, one in measure(as_run(scene), route.checks).items()}
    assert found["failed_orders"].count >= 1
    assert "compliance 1" in found["failed_orders"].detail
    assert named(orders["refused"]) in found["failed_orders"].sample
    assert found["prices_match"].count == 1
    assert found["prices_match"].sample == "ROSE24"
    assert found["skus_match"].count == 4
    quiet = ("orders_are_sent_soon", "no_write_is_unknown", "changed_after_sent", "refunded_not_voided", "rates_known")
    assert {found[name].count for name in quiet} == {0}


def test_o8_a_page_of_each_asset_is_made_of_what_is_stored_and_names_nobody(
    told: tuple[Scene, dict[str, Record]],
) -> None:
    scene, orders = told
    route = next(one for one in ROUTES if one.name == ROUTE)
    run = as_run(scene)
    shown = {asset.key: stored(run, route.pages[asset.key]) for asset in route.assets}
    failed = shown["orders/synced/vinoshipper/orders"]["failed, newest first"]
    assert named(orders["refused"]) in {row["order"] for row in failed.rows}
    assert all(row["means"] for row in failed.rows)
    report = new_report(HILLSIDE, "run")
    assert all(route.pages[key].in_short(report, page)[0] for key, page in shown.items())
    text = repr(shown)
    assert STREET not in text
    assert orders["sent"]["customer"]["emails"][0]["email"] not in text
    assert "Buyer" not in text


def test_o8_the_job_order_command_does_what_the_command_does(
    told: tuple[Scene, dict[str, Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, orders = told
    for name, value in scene.environment().items():
        if value is not None:
            monkeypatch.setenv(name, value)
    job = defs.get_job_def("order_command")

    def launched(order: Record, action: str, **more: Any) -> Any:
        config = {"merchant": HILLSIDE, "order": named(order), "action": action, **more}
        return job.execute_in_process({"ops": {"do_order_command": {"config": config}}}, raise_on_error=False)

    assert launched(orders["same"], "send").success
    refused = launched(orders["refused"], "void", reason="x")
    assert not refused.success
    assert launched(orders["elsewhere"], "dont-send").success
    people = [row["who"] for row in scene.show(orders["elsewhere"])["activity"] if row["kind"] == "person"]
    assert people == [f"dagster:{user_name()}"]
    assert not launched(orders["unpaid"], "send", accept=["under_age"]).success


# --- the page of the docs ---------------------------------------------------------------------------------------------


def test_r28_the_page_names_every_code_and_every_note() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "orders.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([a-z_0-9]+)`", "\n".join(line for line in text.splitlines() if line.startswith("| `"))))
    assert sorted(set(CODES) - told) == []
    assert sorted(set(NOTES) - told) == []


# --- forget: the last, since it changes what the others look at ---------------------------------------------------


def test_o10_forget_erases_a_person_and_nothing_goes_twice(told: tuple[Scene, dict[str, Record]]) -> None:
    scene, orders = told
    for order, email in ((orders["same"], "ada.sent@example.com"), (orders["unpaid"], "ada.unsent@example.com")):
        customer = order["customer"] | {"emails": [{"id": "e1", "email": email}]}
        scene.change(order, customer=customer)
    scene.sync()
    words = ("forget", "--merchant", HILLSIDE, "--yes", "--json")
    first = scene.run(*words, "ada.sent@example.com")
    assert (first.exit_code, first.json["orders"]) == (0, 1), first
    assert scene.run(*words, "ada.unsent@example.com").json["orders"] == 1
    whole = b"".join(path.read_bytes() for path in scene.home.iterdir() if path.is_file())
    assert b"ada.sent@" not in whole
    assert b"ada.unsent@" not in whole
    assert scene.stands(orders["same"]) == ("sent", None), "ids, numbers, states stay"
    assert scene.show(orders["same"])["activity"]
    assert scene.stands(orders["unpaid"]) == ("failed", "forgotten")
    scene.shop.pay(orders["unpaid"]["id"], HILLSIDE)
    later = scene.place("PINOT22", customerId=orders["same"]["customer"]["id"])
    scene.clear_journals()
    scene.sync()
    scene.sync()
    scene.sync("--full")
    assert scene.accepted(orders["same"]) == [scene.number(orders["same"])]
    assert scene.there(orders["unpaid"]) is None
    assert scene.accepted(later) == [scene.number(later)], "what is ordered later is new business"
    whole = b"".join(path.read_bytes() for path in scene.home.iterdir() if path.is_file())
    assert b"ada.sent@" not in whole
    voided = orders["void"]
    assert "Quillfeather" in ran(scene, "show", named(voided)).out
    assert scene.run(*words, voided["customer"]["emails"][0]["email"]).json["orders"] == 1
    assert "because" not in ran(scene, "show", named(voided)).out, "what was typed of a person goes with that person"
    whole = b"".join(path.read_bytes() for path in scene.home.iterdir() if path.is_file())
    assert b"Quillfeather" not in whole
    there = orders["again"]
    assert scene.run(*words, there["customer"]["emails"][0]["email"]).json["orders"] == 1
    scene.scan(there)
    scene.sync()
    assert scene.show(there)["stage"] == "Shipped", "it is followed to its end"
    bodies = scene.rows("select body from raw.vinoshipper_sent_orders where vs_number = ?", [scene.number(there)])
    assert bodies == [{"body": None}]
    refused = scene.run(*words, "--customer", "no id of Commerce7")
    assert refused.exit_code == 2
