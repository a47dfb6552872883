"""100,000 orders with three events each, 5 % of them doubled, 60 % with a consent: one sync into three CRMs over HTTPS.

Peer: `benchmarks/naive_consumers.py`, which works the same events off against the same stand-ins in the same run, each
side from the same start. Told of both: requests per order and per person written, CPU, memory, and wrong subscriptions
by the stand-ins' own books: without a consent, or against an opt-out that nobody asked about. One person in fifty has
opted out at HubSpot since the order; one in ten is known to all three CRMs already.

Staging is measured by itself. `BENCH_CONSUMERS` sets the number of orders.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from benchmarks.bars import median
from benchmarks.options import CannotMeasure, Figures, Options
from benchmarks.worlds import World, run, world
from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.sandbox.core.consumer_findings import overridden

ORDERS, QUICK_ORDERS = 100_000, 2_000
ROUTE, SOURCE = "consumers", "sopost"
CRMS = ("hubspot", "klaviyo", "salesforce")
DOUBLED_EVERY, AT_ONCE = 20, 5_000
WORDS = (("PENDING", 0), ("APPROVED", 1), ("DELIVERED", 1_000))
"""Events of an order, and how many orders later than the order itself each comes."""

Record = dict[str, Any]


def main(options: Options) -> Figures:
    """Run both in turn; print and return medians, and the ratios of each round."""
    orders = options.size("BENCH_CONSUMERS", ORDERS, QUICK_ORDERS)
    ours: list[Figures] = []
    theirs: list[Figures] = []
    with tempfile.TemporaryDirectory() as name, world(Path(name), f"consumers:{orders}") as here:
        settings = here.settings(give_up_after="120s")
        told = list(events(here))
        for _ in range(options.rounds if options.quick else 1):
            theirs.append(_naive(here, settings, told, orders))
            here.box.reset()
            ours.append(_ours(here, settings, told, orders))
            here.box.reset()
    figures = {key: median([one[key] for one in ours]) for key in ours[0]}
    peers = {key: median([one[key] for one in theirs]) for key in theirs[0]}
    for title, of in (("vs-st", figures), ("naive (peer)", peers)):
        print(
            f"{title:13} {orders} orders   wall {of['wall_s']:7.1f} s   cpu {of['cpu_s']:7.1f} s   "
            f"peak {of['peak_mb']:4.0f} MB   subscribed wrongly {of['wrong']:.0f}, doubled {of['doubled']:.0f}\n"
            f"              requests per order {of['requests_each']:.3f}, order reads {of['reads_each']:.3f}; "
            + ", ".join(f"{crm} {of[f'{crm}_each']:.4f} per person" for crm in CRMS),
            flush=True,
        )
    print(f"staging       cpu {figures['staging_cpu_s']:.1f} s   peak by then {figures['staging_peak_mb']:.0f} MB")
    ratios = {
        f"{key}_ratio": median([one[key] / peer[key] for one, peer in zip(ours, theirs, strict=True)])
        for key in ("cpu_s", "peak_mb", "requests_each")
    }
    print("ours over the peer's  " + "   ".join(f"{name.removesuffix('_ratio')} {r:.2f}" for name, r in ratios.items()))
    return {"orders": orders, **figures, **ratios, **{f"peer_{key}": value for key, value in peers.items()}}


def events(here: World) -> Iterator[Record]:
    """Yield the events of the world's orders, as webhooks bring them: some of them twice."""
    due: list[tuple[int, int, Record]] = []
    for number, order in enumerate(here.box.sopost.control.orders()):
        for turn, (word, later) in enumerate(WORDS):
            event = {"event_id": f"{order['id']} {word}", "event": word, "order_id": order["id"]}
            due.append((number + later, turn, {**event, "activity_id": order["activity_id"]}))
    due.sort(key=lambda one: one[:2])
    for number, (*_, event) in enumerate(due):
        yield event
        if number % DOUBLED_EVERY == 0:
            yield event


def _ours(here: World, settings: Path, told: list[Record], orders: int) -> Figures:
    shutil.rmtree(here.data, ignore_errors=True)
    _into_the_inbox(here, told)
    found = run([sys.executable, "-m", "benchmarks.consuming", str(settings), str(here.data)], here)
    report = found["report"]
    if report["status"] != "ok":
        raise CannotMeasure(f"the sync ended with {report['status']}: {report['error']}, {report['synced']}")
    written = {crm: report["crms"][crm]["synced"]["accepted"] for crm in CRMS}
    staged = {"staging_cpu_s": found["staging_cpu"], "staging_peak_mb": found["staging_peak_mb"]}
    return {**staged, **_costs(here, found, report["calls"], written, orders)}


def _naive(here: World, settings: Path, told: list[Record], orders: int) -> Figures:
    entry = yaml.safe_load(settings.read_text(encoding="utf-8"))["merchants"][0]
    news = next(one for one in entry[ROUTE]["consents"] if not one.get("ignore"))
    keys = {
        path.name.removeprefix(f"{entry['id']}."): path.read_text(encoding="utf-8").strip()
        for path in (settings.parent / "keys").glob(f"{entry['id']}.*")
    }
    file = here.folder / "events.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in told), encoding="utf-8")
    job = {"urls": {name: side.url for name, side in here.box.running.items()}, "keys": keys, "targets": news}
    path = here.folder / "naive.json"
    path.write_text(json.dumps({**job, "events": str(file)}), encoding="utf-8")
    found = run([sys.executable, "-m", "benchmarks.naive_consumers", str(path)], here)
    return _costs(here, found, found["requests"], found["written"], orders)


def _costs(here: World, found: Record, calls: dict[str, int], written: dict[str, int], orders: int) -> Figures:
    """Return what a side took, by what it counted itself and by the stand-ins' books."""
    reads = here.box.sopost.control.report("reads")[here.box.merchants[0].id]
    people = Counter(contact["Email"] for contact in here.box.salesforce.control.all("contacts"))
    return {
        "wall_s": found["wall"],
        "cpu_s": found["cpu"],
        "peak_mb": found["peak_mb"],
        "requests_each": sum(calls.values()) / orders,
        "reads_each": sum(reads.values()) / orders,
        "reads_not_one": sum(times != 1 for times in reads.values()) + orders - len(reads),
        "written": sum(written.values()),
        **{f"{crm}_each": calls[crm] / max(1, written[crm]) for crm in CRMS},
        "wrong": len(here.box.findings()) + len(overridden(here.box.running)),
        "doubled": sum(times - 1 for times in people.values()),
    }


def _into_the_inbox(here: World, told: list[Record]) -> None:
    """Put the events where the receiver puts them, as the connector understands them."""
    hooks = next(connector.hooks for connector in CONNECTORS if connector.name == SOURCE)
    assert hooks is not None
    inbox, now = Inbox(here.data), datetime.now(UTC).isoformat()
    merchant = here.box.merchants[0].id
    for first in range(0, len(told), AT_ONCE):
        calls = [call for event in told[first : first + AT_ONCE] for call in hooks.read(json.dumps(event).encode())]
        inbox.put([Arrival(merchant, SOURCE, call, (ROUTE,), now) for call in calls])
    inbox.close()
