"""10,000 changed contacts in one sync over HTTPS: CPU, peak memory and requests.

Everybody is in sync; then one value that the field map gives to all contacts changes. Peer: drt-core, an open
reverse-ETL tool, which sends the same 10,000 values from a DuckDB table to the same stand-in, 500 to a batch, and in an
environment of its own (`benchmarks/requirements.lock`). Ours reads both systems first (a quiet sync), reads all
contacts anew before it writes, sends with every batch what a contact has already, stores what it sends and what it is
sent on, polls every task and compares every result. The peer reads its table, sends, and takes the answer to a batch,
which says that it was taken and not that it was done, for success. So the ratio is what certainty costs.

Also measured: ours at a fifth and at twice as many contacts, for how CPU and memory grow. What a contact costs there is
the CPU beyond that of a sync which finds nothing to write, in a process of its own as well: what a process costs anyway
would make a contact of a small merchant dearer, and hide a growth. Each size is a world of its own, and the sizes are
measured in turn within each round. `BENCH_CONTACTS` sets the size.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.bars import apart, median
from benchmarks.options import CannotMeasure, Figures, Options
from benchmarks.worlds import World, run, world

ROOT = Path(__file__).parent.parent
PEER = ROOT / ".venv-bench" / "bin" / "drt"
LABEL, TAG = "Channel", "channel"

# The peer's command in its own process: what it took is what the system says of the child.
THEIRS = """
import json, resource, subprocess, sys, time
wall = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
assert done.returncode == 0, done.stdout + done.stderr
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"wall": time.perf_counter() - wall, "cpu": used.ru_utime + used.ru_stime,
    "peak_mb": used.ru_maxrss / 1024}))
"""

SYNC = """
name: mailing
model: "select * from mailing"
destination:
  type: rest_api
  url: "{url}/v2/api/contacts-batch/batch-update"
  method: POST
  headers: {{Content-Type: "application/json"}}
  auth: {{type: bearer, token: "{token}"}}
  body_mode: batch
  max_records_per_request: 500
  rate_limit: {{requests_per_second: 5000}}
  batch_template: |
    {{"listsReplacement": false, "updates": [{{% for row in rows %}}
      {{"contactPhone": {{{{ row.phone | tojson }}}}, "customFields": {{"{tag}": {{{{ row.value | tojson }}}}}}}}
      {{% if not loop.last %}},{{% endif %}}{{% endfor %}}]}}
sync:
  mode: full
  batch_size: 500
  rate_limit: {{requests_per_second: 5000}}
  on_error: fail
"""


def main(options: Options) -> Figures:
    """Run both in turn, print medians and the ratio of each round."""
    if not PEER.exists():
        raise CannotMeasure("drt is not there: `make bench` installs it")
    contacts = options.size("BENCH_CONTACTS", 10_000, 10_000)
    sizes = sorted({contacts // 5, contacts, contacts if options.quick else 2 * contacts})
    rounds: list[dict[str, dict[str, float]]] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as held:
        folder = Path(name)
        worlds = {size: held.enter_context(world(folder / str(size), f"mailing:{size}")) for size in sizes}
        for here in worlds.values():
            _in_sync(here, "value 0")
        for number in range(1, options.rounds + 1):
            found: dict[str, dict[str, float]] = {}
            for size, here in worlds.items():
                found[f"nothing to write, {size}"] = _ours(here, f"value {number - 1}", 0)
                found[f"vs-st, {size} contacts"] = _ours(here, f"value {number}", size)
            here = worlds[contacts]
            found[f"drt, {contacts} contacts"] = _theirs(here, f"theirs {number}")
            rounds.append(found)
            if number < options.rounds:
                _in_sync(here, f"back {number}")  # what the peer wrote is ours again
                for here in worlds.values():
                    _in_sync(here, f"value {number}")
    for title in rounds[0]:
        of = {key: median([one[title][key] for one in rounds]) for key in rounds[0][title]}
        print(
            f"{title:26} wall {of['wall']:6.2f} s   cpu {of['cpu']:6.2f} s   peak {of['peak_mb']:5.0f} MB   "
            f"{of['writes']:.0f} writes, {of['polls']:.0f} polls, {of['reads']:.0f} reads"
        )

    def ours(size: int, key: str) -> float:
        return median([one[f"vs-st, {size} contacts"][key] for one in rounds])

    peers = [one[f"drt, {contacts} contacts"]["cpu"] for one in rounds]
    ratio = median([one[f"vs-st, {contacts} contacts"]["cpu"] / peer for one, peer in zip(rounds, peers, strict=True)])

    def each(one: dict[str, dict[str, float]], size: int) -> float:
        return (one[f"vs-st, {size} contacts"]["cpu"] - one[f"nothing to write, {size}"]["cpu"]) / size

    costs = {size: 1e6 * median([each(one, size) for one in rounds]) for size in sizes}

    growth = median([apart(each(one, sizes[-1]), each(one, sizes[0])) for one in rounds])
    print(f"cpu ratio to the peer     {ratio:.2f}")
    print("cpu per contact  " + "   ".join(f"{size}: {cost:.0f} us" for size, cost in costs.items()))
    return {
        "contacts": contacts,
        "cpu_ratio": ratio,
        "peak_mb": ours(contacts, "peak_mb"),
        "per_contact_ratio": growth,
        "peer_s": median(peers),
        **{f"cpu_s_at_{size}": ours(size, "cpu") for size in sizes},
        **{f"peak_mb_at_{size}": ours(size, "peak_mb") for size in sizes},
        **{f"cpu_per_contact_us_at_{size}": cost for size, cost in costs.items()},
    }


def _in_sync(here: World, value: str) -> None:
    """Sync until everybody has the value, all contacts came back as they were written, and a plan of nothing stands."""
    for _ in range(4):
        _ours(here, value)


def _ours(here: World, value: str, expected: int | None = None) -> dict[str, float]:
    """One sync in a process of its own, with a field map of one value that all contacts get."""
    here.folder.joinpath("map.yaml").write_text(
        f"version: 1\nfields:\n  - {{to: {LABEL}, value: {value}, policy: mirror}}\n", encoding="utf-8"
    )
    settings = here.settings(field_map="map.yaml")
    found = _measured(here, [sys.executable, "-m", "benchmarks.one_sync", str(settings), str(here.data)])
    assert expected is None or found["accepted"] == expected, found
    return found


def _theirs(here: World, value: str) -> dict[str, float]:
    """The peer's project and table, and its command in a process of its own."""
    import duckdb

    box, folder = here.box, here.folder
    home, project = folder / "home", folder / "project"
    for path in (home / ".drt", project / "syncs"):
        path.mkdir(parents=True, exist_ok=True)
    table = folder / "mailing.duckdb"
    table.unlink(missing_ok=True)
    phones = [contact["contactPhone"] for contact in box.simpletexting.control.contacts()]
    with duckdb.connect(str(table)) as db:
        db.execute(
            "create table mailing as select unnest($phones) as phone, $value as value",
            {"phones": phones, "value": value},
        )
    (home / ".drt" / "profiles.yml").write_text(f"bench:\n  type: duckdb\n  database: {table}\n")
    (project / "drt_project.yml").write_text('name: bench\nversion: "0.1"\nprofile: bench\n')
    (project / "syncs" / "mailing.yml").write_text(
        SYNC.format(url=box.simpletexting.url, token=box.merchants[0].st_token, tag=TAG)
    )
    command = ["env", f"HOME={home}", "DO_NOT_TRACK=1", "sh", "-c", f"cd {project} && {PEER} run --select mailing"]
    found = _measured(here, [sys.executable, "-c", THEIRS, *command])
    assert found["writes"] > 0, "the peer wrote nothing"
    return found


def _measured(here: World, command: list[str]) -> dict[str, Any]:
    """One run, and what it asked of the texting service."""
    texting = here.box.simpletexting.control
    texting.clear_journal()
    found: dict[str, Any] = run(command, here)
    journal = texting.journal()
    found["writes"] = sum(entry["method"] != "GET" for entry in journal)
    found["polls"] = sum("/batch-update/" in entry["path"] for entry in journal)
    found["reads"] = len(journal) - found["writes"] - found["polls"]
    return found
