"""Takes the two pictures of the README from what `make ui` shows, by Debian's chromium (`apt-get install chromium`).

It starts `scripts/ui.py` in a folder of its own, waits until its first tick is done, takes the pictures, and stops it.
With `--url` it takes them from one that runs. No picture shows a person: all are made up.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
PICTURES: Final = ROOT / "docs" / "pictures"
WIDTH: Final = 1280
MOST_BYTES: Final = 300_000
PAGES: Final = {
    "graph": ("/locations/vs_st_pipeline.definitions/asset-groups/orders/lineage", 900, "partitions"),
    "health": ("/assets/fleet/health", 1150, "up to 5 min"),
}
"""Name of the picture: its page, how high it is, and what it shows when it is there."""
READY: Final = "Ctrl-C stops everything."
PATIENCE, SETTLED = 300.0, 4.0  # seconds: until a page shows what it is to show, and then until all has its place
OPTIONS: Final = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"),
    *("--remote-debugging-pipe", "--no-first-run"),
)
SHOWN: Final = """text => document.body !== null && document.body.innerText.includes(text)
    && !document.body.innerText.includes("Loading") && !document.querySelector('[class*="pinner"]')"""


def main() -> int:
    """Take the pictures; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of the pictures: {', '.join(PAGES)}; all")
    parser.add_argument("--url", help="of a `make ui` that runs, such as http://127.0.0.1:3000")
    parser.add_argument("--folder", type=Path, default=PICTURES, help="for the pictures (docs/pictures)")
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(PAGES)):
        parser.error(f"there is no picture '{unknown[0]}'; there are {', '.join(PAGES)}")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        print("there is no chromium: install it, with `apt-get install chromium` on Debian", file=sys.stderr)
        return 2
    given.folder.mkdir(parents=True, exist_ok=True)
    with _running(given.url) as url:
        for name, (page, height, awaited) in PAGES.items():
            if given.names and name not in given.names:
                continue
            picture = given.folder / f"{name}.png"
            with Browser(program) as browser:
                picture.write_bytes(browser.take(url + page, height, awaited))
            size = picture.stat().st_size
            print(f"{picture}: {WIDTH} x {height}, {size:,} bytes")
            if size > MOST_BYTES:
                print(f"{picture} is larger than {MOST_BYTES:,} bytes", file=sys.stderr)
                return 1
    return 0


@contextmanager
def _running(url: str | None) -> Iterator[str]:
    """Give the URL of a user interface: the one that is named, or a new one that ends with the block."""
    if url is not None:
        yield url.rstrip("/")
        return
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="vs-st-pictures-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, str(ROOT / "scripts" / "ui.py"), str(port), "--folder", f"{folder}/sandbox"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith(READY):
                    break
            else:
                raise SystemExit("`make ui` ended early; see its message above")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=90)


class Browser:
    """Chromium, told what to do by its DevTools protocol over a pipe; a context manager."""

    def __init__(self, program: str) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="vs-st-chromium-", ignore_cleanup_errors=True)
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        command = [program, *OPTIONS, f"--user-data-dir={self._profile.name}", "about:blank"]
        # It reads from descriptor 3 and writes to 4, whatever these are here.
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command],
            pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._number, self._left, self._session = 0, b"", ""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._profile.cleanup()

    def take(self, page: str, height: int, awaited: str) -> bytes:
        """Return the picture (PNG) of a page, once it shows a text and nothing is loading."""
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=WIDTH, height=height, deviceScaleFactor=1, mobile=False
        )  # fmt: skip
        self._ask("Page.navigate", url=page)
        until, looks = time.monotonic() + PATIENCE, f"({SHOWN})({json.dumps(awaited)})"
        while self._ask("Runtime.evaluate", expression=looks, returnByValue=True)["result"].get("value") is not True:
            if time.monotonic() > until:
                raise SystemExit(f"{page} did not show '{awaited}' within {PATIENCE:.0f} s")
            time.sleep(0.5)
        time.sleep(SETTLED)
        return base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"])

    def _ask(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        asked |= {"sessionId": self._session} if self._session else {}
        os.write(self._out, json.dumps(asked).encode() + b"\0")
        while True:
            told = json.loads(self._message())
            if told.get("id") == self._number:
                if "error" in told:
                    raise SystemExit(f"chromium refuses {method}: {told['error'].get('message')}")
                return told["result"]

    def _message(self) -> bytes:
        while b"\0" not in self._left:
            read = os.read(self._in, 1 << 16)
            if not read:
                raise SystemExit("chromium ended early")
            self._left += read
        message, _, self._left = self._left.partition(b"\0")
        return message


if __name__ == "__main__":
    sys.exit(main())
