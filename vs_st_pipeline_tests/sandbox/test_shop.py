"""The generic shop's stand-in drops and posts as audience.md 4.3, 4.4 and 11 say, and as its switches say."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import hmac
import io
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.sandbox.core.audience_switches import AUDIENCE_SWITCHES
from vs_st_pipeline.sandbox.core.clients import ControlError
from vs_st_pipeline.sandbox.shop.server import Shop
from vs_st_pipeline.sandbox.shop.tables import COLUMNS, KEYS
from vs_st_pipeline_tests.sandbox.served import Record, Served, not_tried, served
from vs_st_pipeline_tests.support.loopback import PostServer

SHOP = "corner-shop"
STYLES = AUDIENCE_SWITCHES["shop"]["drop_style"]


class Receiver(PostServer):
    """Takes posts, and says 200."""

    def __init__(self) -> None:
        self.taken: list[tuple[Mapping[str, str], bytes]] = []
        super().__init__()

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> int | None:
        self.taken.append((headers, body))
        return 200


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(Shop, "shop_small") as box:
        yield box


@pytest.fixture
def box(running: Served, tmp_path: Path) -> Served:
    running.control.begin_drops(str(tmp_path / "drop"), SHOP)
    running.control.reset()
    return running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


def dropped(told: Record, table: str) -> list[dict[str, str]]:
    """Rows of a CSV of a drop."""
    text = (Path(told["folder"]) / f"{table}.csv").read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def ready(told: Record) -> Record:
    found: Record = json.loads((Path(told["folder"]) / "_READY.json").read_text(encoding="utf-8"))
    return found


def test_a_complete_drop_has_all_tables_and_says_how_many_rows(box: Served) -> None:
    told = box.control.drop(SHOP)
    assert set(told["tables"]) == set(KEYS)
    assert ready(told)["complete"] is True
    for table, rows in told["tables"].items():
        listed = dropped(told, table)
        assert (len(listed), ready(told)["tables"][table]["rows"]) == (rows, rows)
        assert set(listed[0]) == set(COLUMNS[table])
    first = dropped(told, "customers")[0]
    assert (first["customer_id"], first["opted_in"]) == ("1", "true")


def test_drops_of_one_second_come_in_the_order_of_their_names(box: Served) -> None:
    names = [box.control.drop(SHOP)["name"] for _ in range(3)]
    assert names == sorted(set(names))


def test_an_incomplete_drop_has_what_changed_with_all_its_parts(box: Served) -> None:
    box.control.drop(SHOP)
    box.control.patch("customers", "1", {"phone": "1"}, SHOP)
    order = dropped(box.control.drop(SHOP), "orders")[0]["order_id"]
    box.control.patch("orders", order, {"status": "sent"}, SHOP)
    lines = [one for one in box.control.all("order_lines", SHOP) if one["order_id"] == order]
    told = box.control.drop(SHOP, complete=False)
    assert told["tables"] == {"orders": 1, "order_lines": len(lines)}
    assert ready(told)["complete"] is False


def test_a_line_that_is_taken_out_leaves_the_others_in_the_drop(box: Served) -> None:
    box.control.drop(SHOP)
    cart = box.control.all("cart_lines", SHOP)[0]
    key = "/".join(str(cart[name] or "") for name in KEYS["cart_lines"])
    box.control.delete("cart_lines", key, SHOP)
    left = [one for one in box.control.all("cart_lines", SHOP) if one["cart_id"] == cart["cart_id"]]
    told = box.control.drop(SHOP, complete=False)
    assert told["tables"] == {"carts": 1, "cart_lines": len(left)}


def test_it_says_which_folder_it_lacks(running: Served) -> None:
    with pytest.raises(ControlError, match="folder"):
        running.control.drop("river-bend")


def test_drop_format(box: Served) -> None:
    read: dict[str, Any] = {
        "csv": lambda file: file.read_text(encoding="utf-8").splitlines()[1:],
        "csv.gz": lambda file: gzip.decompress(file.read_bytes()).decode().splitlines()[1:],
        "parquet": lambda file: range(24) if file.read_bytes()[:4] == b"PAR1" else (),
        "jsonl": lambda file: [json.loads(line) for line in file.read_bytes().splitlines()],
        "jsonl.gz": lambda file: [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()],
    }
    for format, _ in box.each("drop_format", [None] * 5):
        told = box.control.drop(SHOP)
        file = Path(told["folder"]) / f"customers.{format}"
        assert len(read[format](file)) == told["tables"]["customers"] == 24


def test_drop_style(box: Served) -> None:
    found: dict[str, Record] = {}
    for style, _ in box.each("drop_style", [None] * len(STYLES)):
        found[style] = box.control.drop(SHOP)
    usual = dropped(found["normal"], "customers")
    assert not (Path(found["no_ready"]["folder"]) / "_READY.json").exists()
    assert ready(found["wrong_rows"])["tables"]["customers"]["rows"] == len(usual) + 1
    assert dropped(found["empty_table"], "customers") == []
    assert "customer_id" not in dropped(found["missing_column"], "customers")[0]
    assert dropped(found["extra_column"], "orders")[0]["till_number"] == "7"
    assert (Path(found["bom"]["folder"]) / "orders.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert [one["customer_id"] for one in dropped(found["duplicate_ids"], "customers")].count("1") == 2
    assert dropped(found["bad_values"], "customers")[0]["opted_in"] == "maybe"
    half, whole = ((Path(found[style]["folder"]) / "customers.csv").stat().st_size for style in ("half_file", "normal"))
    assert half < whole


def test_post_style(box: Served, receiver: Receiver) -> None:
    secret, posts = "a key of the shop's", [{"event": "Search", "id": str(i), "data": {}} for i in range(2)]
    signature = {"header": "X-Shop-Signature", "timestamp_header": "X-Shop-Timestamp", "prefix": "sha256="}
    wanted = [(["0", "1"], True, 0), (["0", "0", "1", "1"], True, 0), (["1", "0"], True, 0), (["0", "1"], False, 0),
              (["0", "1"], True, 3600)]  # fmt: skip
    for _, (ids, signed, old) in box.each("post_style", wanted):
        box.control.begin_posts(receiver.url, SHOP, secret=secret, **signature)
        receiver.taken.clear()
        done = box.control.post(*posts, merchant=SHOP, apart=True)
        assert [one["status"] for one in done] == [200] * len(ids)
        assert [json.loads(body)["id"] for _, body in receiver.taken] == ids
        for headers, body in receiver.taken:
            assert ("x-shop-signature" in headers) == signed
            if signed:
                at = headers["x-shop-timestamp"]
                digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
                assert headers["x-shop-signature"] == f"sha256={digest}"
                assert old <= time.time() - int(at) < old + 100


def test_several_posts_go_as_one_array(box: Served, receiver: Receiver) -> None:
    box.control.begin_posts(receiver.url, SHOP, secret="key", encoding="base64")
    box.control.post({"event": "Search"}, {"event": "CartUpdate"}, merchant=SHOP)
    ((headers, body),) = receiver.taken
    assert [one["event"] for one in json.loads(body)] == ["Search", "CartUpdate"]
    assert headers["x-shop-signature"] == base64.b64encode(hmac.new(b"key", body, hashlib.sha256).digest()).decode()


def test_every_switch_is_tried() -> None:
    assert not_tried(__file__, "shop") == []
