"""10,000 changed contacts in one sync: CPU, peak memory and requests.

Everybody is in sync; then one value that the field map gives to all contacts changes. Peer: drt-core, an open
reverse-ETL tool, which sends the same 10,000 values from a DuckDB table to the same stand-in, 500 to a batch, and in an
environment of its own (`benchmarks/requirements.lock`). Ours reads both systems first (a quiet sync), reads all
contacts anew before it writes, sends with every batch what a contact has already, stores what it sends and what it is
sent on, polls every task and compares every result. The peer reads its table, sends, and takes the answer to a batch,
which says that it was taken and not that it was done, for success. So the ratio is what certainty costs.

Also printed: the same at 2,000 contacts, for how memory grows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from vs_st_pipeline.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
PEER = ROOT / ".venv-bench" / "bin" / "drt"
RUNS = int(os.environ.get("BENCH_RUNS", "3"))
CONTACTS = int(os.environ.get("BENCH_CONTACTS", "10000"))
LABEL, TAG = "Channel", "channel"

OURS = "from benchmarks import one_sync; one_sync.main()"

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


def main() -> None:
    """Run both in turn, print medians and the ratio of each round."""
    if not PEER.exists():
        print("drt is not there: `make bench` installs it")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _rounds(folder / "all", f"mailing:{CONTACTS}", RUNS, with_peer=True)
        _rounds(folder / "fewer", f"mailing:{CONTACTS // 5}", 1, with_peer=False)


def _rounds(folder: Path, scenario: str, runs: int, *, with_peer: bool) -> None:
    ours: list[dict[str, float]] = []
    peers: list[dict[str, float]] = []
    folder.mkdir()
    with Sandbox(scenario) as box:
        _settings(box, folder, "value 0")
        _run(OURS, str(folder / "merchants.yaml"), str(folder / "data"))
        _run(OURS, str(folder / "merchants.yaml"), str(folder / "data"))  # the contacts come back as they were written
        contacts = box.simpletexting.control.contacts()
        for number in range(1, runs + 1):
            _settings(box, folder, f"value {number}")
            ours.append(_measured(box, OURS, str(folder / "merchants.yaml"), str(folder / "data")))
            assert ours[-1]["accepted"] == len(contacts), ours[-1]
            if with_peer:
                command = _peer(box, folder, [contact["contactPhone"] for contact in contacts], f"theirs {number}")
                peers.append(_measured(box, THEIRS, *command))
                _settings(box, folder, f"back {number}")  # ours again, so that the next round begins in sync
                _run(OURS, str(folder / "merchants.yaml"), str(folder / "data"))
    _print(f"vs-st, {len(contacts)} contacts", ours)
    if peers:
        _print(f"drt,   {len(contacts)} contacts", peers)
        ratios = sorted(one["cpu"] / peer["cpu"] for one, peer in zip(ours, peers, strict=True))
        print(f"cpu ratio to the peer     {ratios[len(ratios) // 2]:.2f}")


def _settings(box: Sandbox, folder: Path, value: str) -> None:
    """A field map of one value that all contacts get."""
    folder.joinpath("map.yaml").write_text(
        f"version: 1\nfields:\n  - {{to: {LABEL}, value: {value}, policy: mirror}}\n", encoding="utf-8"
    )
    quick = {"requests_per_second": 5000}
    box.write_settings(folder, vinoshipper=quick, simpletexting=quick, field_map="map.yaml")


def _peer(box: Sandbox, folder: Path, phones: list[str], value: str) -> list[str]:
    """The peer's project and table; the command that runs it."""
    import duckdb

    home, project = folder / "home", folder / "project"
    for path in (home / ".drt", project / "syncs"):
        path.mkdir(parents=True, exist_ok=True)
    table = folder / "mailing.duckdb"
    table.unlink(missing_ok=True)
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
    return ["env", f"HOME={home}", "DO_NOT_TRACK=1", "sh", "-c", f"cd {project} && {PEER} run --select mailing"]


def _measured(box: Sandbox, code: str, *arguments: str) -> dict[str, float]:
    """One run, and what it asked of the texting service."""
    box.simpletexting.control.clear_journal()
    found = _run(code, *arguments)
    journal = box.simpletexting.control.journal()
    found["writes"] = sum(entry["method"] != "GET" for entry in journal)
    found["polls"] = sum("/batch-update/" in entry["path"] for entry in journal)
    found["reads"] = len(journal) - found["writes"] - found["polls"]
    return found


def _print(name: str, runs: list[dict[str, float]]) -> None:
    figures = {key: sorted(run[key] for run in runs)[len(runs) // 2] for key in runs[0]}
    print(
        f"{name:26} wall {figures['wall']:6.2f} s   cpu {figures['cpu']:6.2f} s   peak {figures['peak_mb']:5.0f} MB   "
        f"{figures['writes']:.0f} writes, {figures['polls']:.0f} polls, {figures['reads']:.0f} reads"
    )


def _run(code: str, *arguments: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
