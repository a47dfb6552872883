"""CPU of reading and checking the merchants file of 3,000 wineries, secrets included, against PyYAML reading it only.

Peer: `yaml.load` with libyaml (`CSafeLoader`), which forgets the lines and checks nothing. The aim is less than a
second of CPU; every command and every tick of the schedule reads the file.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from benchmarks.options import Figures, Options
from vs_st_pipeline.operations.settings import read_merchants

WINERIES = 3_000
ROUNDS = 7
ENTRY = """\
  - id: winery-{0}
    name: Winery {0}
    time_zone: America/New_York
    vinoshipper:
      api_key: env:KEY
      api_secret: file:secret-{1}
      requests_per_second: 0.{2}
      refresh:
        customer_list: {2}h
        settled_orders: 9d
    simpletexting:
      api_token: env:KEY
      batch_wait: 90s
    give_up_after: 45s
"""


def main(_: Options) -> Figures:
    """Read each form of the file some times and print what it took."""
    found: Figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        entries = [ENTRY.format(number, number % 10, number % 9 + 1) for number in range(WINERIES)]
        for number in range(10):
            (folder / f"secret-{number}").write_text("secret\n", encoding="utf-8")
        one, many = folder / "merchants.yaml", folder / "wineries"
        one.write_text("merchants:\n" + "".join(entries), encoding="utf-8")
        many.mkdir()
        for number, entry in enumerate(entries):
            text = "merchants:\n" + entry.replace("file:", "file:../")
            (many / f"winery-{number}.yaml").write_text(text, encoding="utf-8")
        peer = _cpu(lambda: len(yaml.load(one.read_bytes(), Loader=yaml.CSafeLoader)["merchants"]))
        print(f"{'PyYAML, nothing checked (peer)':40} {peer:6.3f} s of CPU")
        for key, title, path in (("one_file", "one file", one), ("many_files", f"{WINERIES:,} files", many)):
            ours = _cpu(lambda path=path: len(read_merchants(path, {"KEY": "secret"}).merchants))
            print(f"{f'read and checked, {title}':40} {ours:6.3f} s of CPU, {ours / peer:.2f} times the peer")
            found |= {f"{key}_s": ours, f"{key}_cpu_ratio": ours / peer}
    return found


def _cpu(read: Callable[[], int]) -> float:
    """Median CPU of some rounds."""
    taken = []
    for _ in range(ROUNDS):
        gc.collect()
        began = time.process_time()
        assert read() == WINERIES
        taken.append(time.process_time() - began)
    return statistics.median(taken)
