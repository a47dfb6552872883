"""From a hook of Eshopbox to the message at Gupshup, at the defaults: pace, settling, the worker's own rhythm.

Deliveries fail, one every other second; Eshopbox's stand-in calls the real receiver, the real worker does the rest, and
Gupshup's stand-in notes when it took the message. The lag runs from right before the stand-in is told to call.
"""

from __future__ import annotations

import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import yaml

from benchmarks.bars import median
from benchmarks.hints import running, wait_until_it_lives
from benchmarks.options import CannotMeasure, Figures
from benchmarks.receiver import SECRET
from benchmarks.worlds import World, world
from vs_st_pipeline.platform.hooks import make_token
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.sandbox.scenarios.parcels_accounts import sender_of

EVERY = 2.0  # seconds between two failures
MOST = 240.0  # seconds that the last message is waited for


def hooks(orders: int) -> Figures:
    """Let deliveries fail, and print and return how long each took to be told of."""
    with tempfile.TemporaryDirectory() as name, world(Path(name), "parcels") as here:
        settings = here.box.write_settings(here.folder)
        merchant = _at_the_defaults(settings)
        environ = {
            **here.environment, "VS_ST_MERCHANTS": str(settings), "VS_ST_DATA_DIR": str(here.data),
            "VS_ST_HOOK_SECRET": "env:BENCH_SECRET", "BENCH_SECRET": SECRET,
        }  # fmt: skip
        with running(here, environ, "sync", "--merchant", merchant, "--route", "notices", "--json") as first:
            if first.wait(120):
                raise CannotMeasure("the first sync failed")
        with running(here, environ, "receive", "--port", "0", "--json") as receiver:
            assert receiver.stdout is not None
            port = int(json.loads(receiver.stdout.readline())["port"])
            with running(here, environ, "work", "--json") as working:
                inbox = Inbox(here.data)
                wait_until_it_lives(inbox, working)
                inbox.close()
                lags = _lags(here, merchant, f"http://127.0.0.1:{port}", orders)
    found = {
        "hooks": float(orders),
        "hook_to_send_p50_s": median(lags),
        "hook_to_send_worst_s": max(lags),
        "hooks_not_told": float(orders - len(lags)),
    }
    print(
        f"hooks         {len(lags)} of {orders} failed deliveries told of: p50 {found['hook_to_send_p50_s']:.0f} s, "
        f"worst {found['hook_to_send_worst_s']:.0f} s from the hook to the message",
        flush=True,
    )
    return found


def _at_the_defaults(settings: Path) -> str:
    """Take the lifted pace out of the settings, and all merchants but the first; returns which that is."""
    whole = yaml.safe_load(settings.read_text(encoding="utf-8"))
    entry = whole["merchants"][0]
    whole["merchants"] = [entry]
    for section in (entry["eshopbox"], *entry["notices"]["accounts"], *whole.pop("gupshup_accounts").values()):
        section.pop("requests_per_second", None)
    settings.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    return str(entry["id"])


def _lags(here: World, merchant: str, public: str, orders: int) -> list[float]:
    shop, vendor, account = here.box.eshopbox.control, here.box.gupshup.control, sender_of(merchant).id
    url = f"{public}/hooks/eshopbox/{make_token(SECRET, 'eshopbox', merchant, 1)}"
    shop.begin_hooks(url, shop.keys(merchant)["header_value"], merchant)
    called: dict[str, float] = {}
    for number in range(orders):
        made = shop.order(merchant, number=f"BENCH-{number:03d}", phone=f"+9197410{number:05d}", name="Customer")
        phone = made["shippingAddress"]["contactPhone"]
        vendor.allow(phone, account)
        shop.advance(made["customerOrderNumber"], "out_for_delivery", merchant)
        shop.advance(made["customerOrderNumber"], "failed_delivery", merchant)
        called[phone.removeprefix("+")] = time.time()
        shop.send_hooks(made["customerOrderNumber"], merchant)
        time.sleep(EVERY)
    until = time.monotonic() + MOST
    while time.monotonic() < until and len(vendor.sends(account)) < orders:
        time.sleep(1)
    sent = {one["destination"]: datetime.fromisoformat(one["time"]) for one in vendor.sends(account)}
    if not sent:
        raise CannotMeasure("no hook led to a message")
    return [sent[phone].replace(tzinfo=UTC).timestamp() - at for phone, at in called.items() if phone in sent]
