"""Days of orders at wineries, orders under faults, a club run, and a tick over 300 wineries, over HTTPS.

Peer: `benchmarks/naive_orders.py`, which does the same work at the same times against the same stand-ins in the same
run, each side from the same start. A winery has 33 orders a day, as one of 300 that have 10,000 together. Each order
gets its label after four hours, is scanned the next day and delivered two to four days later, so a winery has about 135
open orders at any time. They are made in five days before (both sides tick each three hours in these, uncounted); then
both sides tick every five minutes, as the schedule does, and the requests at Vinoshipper are counted that its stand-in
saw. They are each winery's own, so a few wineries are enough for a ratio.

Under faults the answers to some creates and fulfilments get lost, in each of the ways that is known, also where
Vinoshipper makes a second order of a number that it knows, and Commerce7 a second fulfilment. Told of both sides, from
the stand-ins' books: orders that were accepted twice, customers mailed twice, orders that never arrived, and parcels
that left without a mail.

A club run is made without pace, and what the stand-ins saw is then replayed at the pace of settings.

`BENCH_ORDERS_WINERIES`, `BENCH_ORDERS_HOURS`, `BENCH_ORDERS_CLUB` and `BENCH_ORDERS_TICK` set the sizes;
`BENCH_ORDERS_PARTS` names what is measured, of `days,faults,club,tick`.

It is long because four things are measured of one pair of stand-ins.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import yaml

from benchmarks.bars import median
from benchmarks.options import CannotMeasure, Figures, Options
from benchmarks.tick import environment_of
from benchmarks.worlds import ROOT, World, run, world
from vs_st_pipeline.sandbox.scenarios.orders_accounts import APP_ID, APP_SECRET, account_of

Record = dict[str, Any]
WINERIES, HOURS, CLUB, TICK = 2, 24, 2_000, 300
A_DAY, EVERY = 33, timedelta(minutes=5)
BEFORE, SELDOM = (
    timedelta(days=5),
    timedelta(hours=3),
)  # days that make the open orders, and how often is ticked in them
LABELED, SCANNED, ON_ITS_WAY = timedelta(hours=4), timedelta(hours=26), (2, 3, 4)  # the last in days
PARTS = ("days", "faults", "club", "tick")
FAULTY_ORDERS, FAULTY_TICKS = 120, 12
STATES = ("CA", "NY", "TX")
SHOP_PACE, THERE_PACE = 90.0, 60.0  # requests a minute that the settings allow by default
OURS, THEIRS = "vs-st", "naive (peer)"
FAULTS: list[Record] = [
    {"kind": kind, "method": "POST", "path_regex": "/orders$", "when": when, "skip": skip, "count": 2}
    for skip, (kind, when) in enumerate(
        (("reset", "after"), ("500_empty", "after"), ("truncated", "after"), ("cloudflare_503", "before"),
         ("html_other", "after"), ("reset", "before")), 1
    )
]  # fmt: skip
MAIL_FAULTS = [{**fault, "path_regex": "/fulfillment"} for fault in FAULTS if fault["when"] == "after"]
CAUTIOUS = {"vinoshipper": {"duplicate_number": "400_conflict"}, "commerce7": {"fulfil_again": "refused_422"}}
CARELESS = {"vinoshipper": {"duplicate_number": "second_order"}, "commerce7": {"fulfil_again": "second_fulfilment"}}
"""What is not known of the two systems and decides what a repetition does."""


def main(options: Options) -> Figures:
    """Measure all four, and print them."""
    found: Figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in (os.environ.get("BENCH_ORDERS_PARTS") or ",".join(PARTS)).split(","):
            found |= MEASURES[part](options, folder / part)
    return found


# --- a side: ours or the peer's ---------------------------------------------------------------------------------------


@contextmanager
def _world(folder: Path, scenario: str) -> Iterator[World]:
    """A world without orders, whose rates are lifted."""
    with world(folder, scenario) as here:
        _empty(here)
        yield here


def _empty(here: World) -> None:
    here.box.reset()
    here.box.commerce7.control.set_switch("limit_per_minute", None)
    for merchant in here.box.merchants:
        for order in here.box.commerce7.control.orders(merchant.id):
            here.box.commerce7.control.delete("orders", order["id"], merchant.id)


def _settings(here: World, **orders: Any) -> Path:
    """Write the merchants file with Vinoshipper's rate lifted; Commerce7's is lifted by who is measured."""
    path = here.box.write_settings(here.folder, vinoshipper={"requests_per_second": 5000}, give_up_after="5s")
    if orders:
        whole = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in whole["merchants"]:
            entry["orders"] |= orders
        path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    return path


class Side:
    """A process that ticks when it is told what time it is; a context manager."""

    def __init__(self, here: World, command: Sequence[str]) -> None:
        self.took: list[Record] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=here.environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def tick(self, line: str) -> Record:
        """Tick once; return what it took.

        Raises:
            CannotMeasure: the process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        told = self._process.stdout.readline()
        if not told:
            raise CannotMeasure("a tick failed; what it says stands above")
        self.took.append(json.loads(told))
        return self.took[-1]


class Ours(Side):
    """Route `orders`."""

    name = OURS

    def __init__(self, here: World, **settings: Any) -> None:
        shutil.rmtree(here.data, ignore_errors=True)
        super().__init__(here, ["benchmarks.ordering", str(_settings(here, **settings)), str(here.data)])

    def at(self, now: datetime) -> Record:
        """Tick at a time."""
        return self.tick(json.dumps({"now": now.isoformat()}))


class Theirs(Side):
    """The peer."""

    name = THEIRS

    def __init__(self, here: World) -> None:
        state = here.folder / "naive"
        shutil.rmtree(state, ignore_errors=True)
        began = (here.box.now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        job = {"wineries": [_winery(here, one, began) for one in here.box.merchants], "state": str(state)}
        path = here.folder / "naive.json"
        path.write_text(json.dumps({**job, "ticks": "stdin"}), encoding="utf-8")
        super().__init__(here, ["benchmarks.naive_orders", str(path)])

    def at(self, now: datetime) -> Record:
        """Tick at a time."""
        return self.tick(now.isoformat())


def _winery(here: World, merchant: Any, since: str) -> Record:
    account = account_of(merchant.id)
    return {
        "id": merchant.id, "shop_url": f"{here.box.commerce7.url}/v1", "shop_key": [APP_ID, APP_SECRET],
        "tenant": account.tenant, "there_url": here.box.vinoshipper.url,
        "there_key": [merchant.vs_key, merchant.vs_secret], "states": list(account.states), "prefix": account.prefix,
        "since": since,
    }  # fmt: skip


# --- the present of the stand-ins -------------------------------------------------------------------------------------


class Present:
    """What time it is for the stand-ins and for who ticks."""

    def __init__(self, here: World) -> None:
        self._here = here
        self.now = datetime.now(UTC)

    def go(self, to: datetime) -> None:
        """Let it be later."""
        self.now = to
        for side in (self._here.box.commerce7, self._here.box.vinoshipper):
            side.control.call("POST", "clock", {"now": to.isoformat()}, merchant=self._here.box.merchants[0].id)


class Parcels:
    """Moves on what was accepted: label, scan, delivery, each so long after the order was paid."""

    def __init__(self, here: World) -> None:
        self._here = here
        self._due: list[tuple[datetime, str, str, str]] = []

    def ordered(self, merchant: str, order: Record, at: datetime) -> None:
        """Know of an order."""
        number = account_of(merchant).number_there(order["orderNumber"])
        days = ON_ITS_WAY[order["orderNumber"] % len(ON_ITS_WAY)]
        stages = (
            ("LABELS_GENERATED", LABELED), ("SHIPPED", SCANNED), ("DELIVERED", SCANNED + timedelta(days=days))
        )  # fmt: skip
        self._due += [(at + gap, merchant, number, stage) for stage, gap in stages]

    def go(self, now: datetime) -> None:
        """Move on whatever is due; what is not there is not moved."""
        due = sorted(one for one in self._due if one[0] <= now)
        self._due = [one for one in self._due if one[0] > now]
        held = {}
        for _, merchant, number, stage in due:
            if merchant not in held:
                held[merchant] = {one["orderNumber"] for one in self._here.box.vinoshipper.control.orders(merchant)}
            if number in held[merchant]:
                self._here.box.vinoshipper.control.advance(number, merchant, to=stage)


# --- days -------------------------------------------------------------------------------------------------------------


def _days(options: Options, folder: Path) -> Figures:
    wineries = options.size("BENCH_ORDERS_WINERIES", WINERIES, 1)
    hours = options.size("BENCH_ORDERS_HOURS", HOURS, 6)
    told: dict[str, Figures] = {}
    with _world(folder, f"orders:1x{wineries}") as here:
        for side in (Theirs, Ours):
            of = told[side.name] = _live(here, side, hours)
            _empty(here)
            print(
                f"{side.name:13} {wineries} wineries, {hours} hours, {of['orders']:.0f} orders, {of['open']:.0f} open: "
                f"requests at Vinoshipper {of['there']:.0f} ({of['there_each']:.1f} an order; {of['there_by']}), "
                f"at Commerce7 {of['shop']:.0f}; cpu {of['cpu_s']:.1f} s, peak {of['peak_mb']:.0f} MB; "
                f"mailed {of['mailed']:.0f} in all",
                flush=True,
            )
            del of["there_by"]
    ours, theirs = told[OURS], told[THEIRS]
    ratio = ours["there"] / theirs["there"]
    print(f"ours over the peer's  requests at Vinoshipper {ratio:.3f}", flush=True)
    found = {"requests_ratio": ratio}
    return found | {f"day_{key}": value for key, value in ours.items()} | {
        f"peer_day_{key}": value for key, value in theirs.items()
    }  # fmt: skip


def _live(here: World, kind: type[Ours] | type[Theirs], hours: int) -> dict[str, Any]:
    """Let a side live through the days before, then through the hours that count."""
    present, parcels, placed = Present(here), Parcels(here), 0
    began = present.now
    counts_from = began + BEFORE
    times = [began + n * SELDOM for n in range(int(BEFORE / SELDOM))]
    times += [counts_from + n * EVERY for n in range(int(timedelta(hours=hours) / EVERY))]
    there, shop, orders = Counter[str](), 0, 0
    with kind(here) as side:
        for now, then in pairwise([*times, times[-1] + EVERY]):
            counts = now >= counts_from
            present.go(now)
            new = int((then - began) / timedelta(days=1) * A_DAY) - placed
            for number in range(new):
                for merchant in here.box.merchants:
                    order = here.box.commerce7.control.place(
                        merchant.id, lines=[{"sku": "PINOT22", "quantity": 2}], state=STATES[number % len(STATES)]
                    )
                    parcels.ordered(merchant.id, order, now + number / new * (then - now))
                    orders += counts
            placed += new
            parcels.go(now)
            here.clear_journals()
            took = side.at(now)
            if not counts:
                side.took.clear()
            else:
                there.update(_call_of(one) for one in here.box.vinoshipper.control.journal())
                shop += len(here.box.commerce7.control.journal())
            if took["failed"]:
                raise CannotMeasure(f"{side.name}: {took['failed'][:3]}")
    opened = 0
    for merchant in here.box.merchants:
        held = here.box.vinoshipper.control.orders(merchant.id)
        if len(held) != placed:
            raise CannotMeasure(f"{side.name} sent {len(held)} orders of {placed}")
        opened += sum(one["orderStatus"] != "DELIVERED" for one in held)
    return {
        "orders": orders,
        "open": opened,
        "there": there.total(),
        "there_by": ", ".join(f"{name} {count}" for name, count in there.most_common()),
        "shop": shop,
        "there_each": there.total() / max(1, orders),
        "mailed": sum(len(here.box.commerce7.control.mails(one.id)) for one in here.box.merchants),
        "cpu_s": sum(one["cpu"] for one in side.took),
        "peak_mb": max(one["peak_mb"] for one in side.took),
    }


def _call_of(entry: Record) -> str:
    """Name what was asked for, without the order."""
    path = entry["path"].removeprefix("/api/v3/p")
    return f"{entry['method']} {'/orders/N' if path.startswith('/orders/') else path}" + (
        " by shipping" if any("shipped" in str(key) for key in entry["query"] or ()) else ""
    )


# --- faults -----------------------------------------------------------------------------------------------------------


def _faults(options: Options, folder: Path) -> Figures:
    found: Figures = {}
    with _world(folder, "orders:1") as here:
        for word, switches in (("cautious", CAUTIOUS), ("careless", CARELESS)):
            for side in (Theirs, Ours):
                for system, values in switches.items():
                    here.box.running[system].control.set_switches(values)
                of = _live_with_faults(here, side)
                _empty(here)
                print(
                    f"{side.name:13} faults, {word} systems: of {FAULTY_ORDERS} orders {of['doubled']:.0f} accepted "
                    f"twice, {of['lost']:.0f} lost, {of['mailed_twice']:.0f} mailed twice, {of['unmailed']:.0f} never",
                    flush=True,
                )
                own = "" if side is Ours else "peer_"
                for key, value in of.items():
                    found[f"{own}{key}_{word}"] = value
    for key in ("doubled", "lost", "mailed_twice", "unmailed"):
        found[key] = sum(found[f"{key}_{word}"] for word in ("cautious", "careless"))
        found[f"peer_{key}"] = sum(found[f"peer_{key}_{word}"] for word in ("cautious", "careless"))
    return found


def _live_with_faults(here: World, kind: type[Ours] | type[Theirs]) -> Figures:
    present, merchant = Present(here), here.box.merchants[0].id
    shop, there = here.box.commerce7.control, here.box.vinoshipper.control
    orders: list[Record] = []
    scanned = set[str]()
    with kind(here) as side:
        for tick in range(FAULTY_TICKS + 6):
            present.go(present.now + timedelta(minutes=30))
            if tick < FAULTY_TICKS:
                for _ in range(FAULTY_ORDERS // FAULTY_TICKS):
                    orders.append(shop.place(merchant, lines=[{"sku": "PINOT22", "quantity": 1}]))
                there.set_switch("fault", FAULTS)
                shop.set_switch("fault", MAIL_FAULTS)
            else:
                there.clear_faults()
                shop.clear_faults()
            side.at(present.now)
            for held in there.orders(merchant):
                if held["status"] == "SUCCESS" and held["orderNumber"] not in scanned:
                    scanned.add(held["orderNumber"])
                    there.advance(held["orderNumber"], merchant, to="SHIPPED")
    accepted = there.accepted(merchant)
    mails = Counter(mail["order_id"] for mail in shop.mails(merchant))
    ids = {order["id"] for order in orders}
    return {
        "doubled": sum(len(numbers) > 1 for id, numbers in accepted.items() if id in ids),
        "lost": len(ids - set(accepted)),
        "mailed_twice": sum(mails[id] > 1 for id in ids),
        "unmailed": sum(mails[id] == 0 for id in ids & set(accepted)),
    }


# --- a club run -------------------------------------------------------------------------------------------------------


def _club(options: Options, folder: Path) -> Figures:
    """A club run at one merchant while others have an order each: pace by requests, and how long the others waited."""
    size = options.size("BENCH_ORDERS_CLUB", CLUB, 300)
    with _world(folder, "orders:1x4") as here:
        club, *others = [merchant.id for merchant in here.box.merchants]
        control = here.box.commerce7.control
        for number in range(size):
            state = STATES[number % len(STATES)]
            control.place(club, lines=[{"sku": "PINOT22", "quantity": 3}], channel="Club", state=state, hours=1)
        for other in others:
            control.place(other)
        settings = _settings(here, send_at_most=size)
        shutil.rmtree(here.data, ignore_errors=True)
        here.clear_journals()
        began = time.time()
        words = ("sync", "--all", "--route", "orders", "--json")
        environ = {**here.environment, "VS_ST_MERCHANTS": str(settings), "VS_ST_DATA_DIR": str(here.data)}
        done = subprocess.run(
            [sys.executable, "-m", "vs_st_pipeline_tests.support.unpaced", *words],
            cwd=ROOT, env=environ, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        reports = {one["merchant"]: one for one in json.loads(done.stdout)["merchants"]}
        if reports[club]["synced"]["sent"] != size:
            raise CannotMeasure(f"the club run ended with {reports[club]}")
        took, waits = time.time() - began, list[float]()
        for other in others:
            posts = [one for one in here.box.vinoshipper.control.journal(other) if one["method"] == "POST"]
            waits += [one["time"] - began for one in posts if one["path"].endswith("/orders")]
        shop, there = (here.box.running[system].control.journal(club) for system in ("commerce7", "vinoshipper"))
    accepted, told = _at_pace(shop, there)
    found = {
        "club_minutes": accepted / 60, "club_told_minutes": told / 60, "club_shop_each": len(shop) / size,
        "club_there_each": len(there) / size, "club_wall_s": took,
        "club_others_wait_s": max(waits, default=float("inf")),
    }  # fmt: skip
    print(
        f"club run      {size} orders: {len(shop)} requests at Commerce7, {len(there)} at Vinoshipper; at the pace of "
        f"settings accepted in {accepted / 60:.0f} minutes and told in {told / 60:.0f}; {took:.0f} s without pace; "
        f"the others' orders went in {found['club_others_wait_s']:.1f} s",
        flush=True,
    )
    return found


def _at_pace(shop: Sequence[Record], there: Sequence[Record]) -> tuple[float, float]:
    """Replay a sync's requests at the pace of settings; return after how many seconds all is accepted, and told.

    One request after the other, each when its system's pace allows. At that pace the lists are older than two minutes
    when most orders' turn comes, so each order is read singly before its send, whether it was here or not.
    """
    asked = sorted([(one["time"], False, one) for one in shop] + [(one["time"], True, one) for one in there], key=_when)
    free, now, accepted = {False: 0.0, True: 0.0}, 0.0, 0.0
    gaps = {False: 60 / SHOP_PACE, True: 60 / THERE_PACE}

    def ask(at_shipper: bool) -> float:
        begun = max(now, free[at_shipper])
        free[at_shipper] = begun + gaps[at_shipper]
        return begun

    for _, at_shipper, one in asked:
        if not at_shipper and one["method"] == "GET" and "/order/" in one["path"]:
            continue  # counted where it is sent
        if at_shipper and one["method"] == "GET" and "/orders/" in one["path"]:
            now = ask(False)
        now = ask(at_shipper)
        if at_shipper and one["method"] == "POST":
            accepted = now
    return accepted, now


def _when(asked: tuple[float, bool, Record]) -> float:
    return asked[0]


# --- a tick -----------------------------------------------------------------------------------------------------------

TICK_CODE = """
import json, logging, time
from benchmarks.memory import peak_mb
logging.disable(logging.CRITICAL)
wall, cpu = time.perf_counter(), time.process_time()
from dagster import DagsterInstance
from vs_st_pipeline.definitions import defs
config = {"ops": {"run_due": {"config": {"due_only": True, "routes": ["orders"]}}}}
with DagsterInstance.get() as instance:
    done = defs.resolve_job_def("tick").execute_in_process(instance=instance, run_config=config, raise_on_error=False)
print(json.dumps({"ok": done.success, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu,
    "peak_mb": peak_mb()}))
"""


def _tick(options: Options, folder: Path) -> Figures:
    """Ticks of the schedule over all wineries, one in a hundred of which has a new order."""
    size = options.size("BENCH_ORDERS_TICK", TICK, 100)
    with _world(folder, f"orders:1x{size}") as here:
        control = here.box.commerce7.control
        for merchant in here.box.merchants:
            for hours in (5, 9, 14, 20, 26):
                control.place(merchant.id, lines=[{"sku": "PINOT22", "quantity": 2}], hours=hours)
        settings = _settings(here)
        environment = environment_of(here, settings)
        ago = datetime.now(UTC)
        for minutes in (0, 20, 40, 60):  # what a crowded first tick could not send goes with the next one
            at = (ago + timedelta(minutes=minutes)).isoformat()
            run([sys.executable, "-c", TICK_CODE], here, **environment, VS_ST_NOW=at)
            sent = sum(len(here.box.vinoshipper.control.orders(merchant.id)) for merchant in here.box.merchants)
            if sent == 5 * size:
                break
        else:
            raise CannotMeasure(f"{sent} of {5 * size} orders were sent before the ticks")
        measured = []
        for number in range(options.rounds):
            news = [merchant.id for merchant in here.box.merchants[number::100]]
            for merchant_id in news:
                control.place(merchant_id, lines=[{"sku": "ZIN21", "quantity": 1}])
            here.clear_journals()
            os.sync()
            at = (ago + timedelta(hours=number + 2)).isoformat()
            tick = run([sys.executable, "-c", TICK_CODE], here, **environment, VS_ST_NOW=at)
            asked = {entry["merchant"] for entry in control.journal()}
            posts = sum(
                one["method"] == "POST" and one["path"].endswith("/orders")
                for one in here.box.vinoshipper.control.journal()
            )
            if not tick["ok"] or len(asked) < size or posts != len(news):
                raise CannotMeasure(f"a tick: {tick}, {len(asked)} of {size} were synced, {posts} of {len(news)} sent")
            measured.append(tick)
    found = {f"tick_{key}": median([one[key] for one in measured]) for key in ("wall", "cpu", "peak_mb")}
    print(
        f"tick          {size} wineries, 1 % with an order: wall {found['tick_wall']:.1f} s, "
        f"cpu {found['tick_cpu']:.1f} s, peak {found['tick_peak_mb']:.0f} MB",
        flush=True,
    )
    return {"tick_wall_s": found["tick_wall"], "tick_cpu_s": found["tick_cpu"], "tick_peak_mb": found["tick_peak_mb"]}


MEASURES = dict(zip(PARTS, (_days, _faults, _club, _tick), strict=True))
