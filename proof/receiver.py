"""A receiver is killed under load, or restarted while a socket holds its calls: whoever had a 204 is in the inbox.

The calls come from another process, each with an id of its own; it notes every id that was answered 204, and every
answer that was none. The listening socket is ours, as systemd's would be, so calls wait while no receiver is there.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from proof.units import Figures, Opener, Proof, Unit
from proof.world import Finding
from vs_st_pipeline.operations.receiver.processes import receive
from vs_st_pipeline.platform.hooks import make_token
from vs_st_pipeline.platform.inbox.store import Inbox

SECRET = "a secret that is made up, of 32 characters or more"
MERCHANTS, CALLERS = 40, 12
KILLS, RESTARTS, UNITS = 200, 50, 20
MOST_SECONDS = 20.0  # until a receiver that was started takes a call


@dataclass(frozen=True)
class Sender:
    """A system whose webhooks are called.

    Attributes:
        sections: of a merchant's entry that wants them, as YAML; NUMBER is the merchant's.
        body: the name of a call -> what it says; the name is the id of the record.
    """

    system: str
    sections: str
    body: Callable[[str], dict[str, object]]


SHOP = Sender(
    "vinoshipper",
    "vinoshipper: {api_key: env:K, api_secret: env:K}, simpletexting: {api_token: env:K}",
    lambda name: {"identifier": name, "subject": "ORDER", "event": "UPDATED"},
)
SAMPLES = Sender(
    "sopost",
    "sopost: {base_url: 'https://sopost.example', token: env:K}, consumers: {}, hubspot: {token: env:K}",
    lambda name: {"event_id": name, "event": "APPROVED", "order_id": name, "activity_id": "a"},
)
ORDERS = Sender(
    "commerce7",
    "commerce7: {tenant: winery-NUMBER, app_id: env:K, app_secret: env:K}, "
    "vinoshipper: {api_key: env:K, api_secret: env:K}, orders: {start: 2026-01-01, states: [CA]}",
    lambda name: {"object": "Order", "action": "Update", "payload": {"id": name}},
)
SENDERS = {one.system: one for one in (SHOP, SAMPLES, ORDERS)}


@dataclass
class Calls(Figures):
    """What the calls came to."""

    killed: int = 0
    restarted: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    stored: int = 0

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"receivers killed, restarted   {self.killed}, {self.restarted}"
        yield "answers                       " + ", ".join(f"{n} {what}" for what, n in self.answered.most_common())
        yield f"entries                       {self.stored}, of calls that were cut off among them"
        yield from super().lines()


@contextlib.contextmanager
def _place(sender: Sender) -> Iterator[tuple[Path, socket.socket, dict[str, str]]]:
    """A merchants file, an empty data folder and a socket that listens."""
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        folder = Path(name)
        sections = [sender.sections.replace("NUMBER", str(number)) for number in range(MERCHANTS)]
        lines = "".join(f"  - {{id: winery-{number}, name: W, {own}}}\n" for number, own in enumerate(sections))
        (folder / "merchants.yaml").write_text(f"merchants:\n{lines}")
        environ = {
            "VS_ST_MERCHANTS": str(folder / "merchants.yaml"),
            "VS_ST_DATA_DIR": str(folder / "data"),
            "VS_ST_HOOK_SECRET": "env:SECRET",
            "SECRET": SECRET,
        }
        yield folder, listening, environ


def _start(listening: socket.socket, environ: dict[str, str]) -> int:
    """Start a receiver on this socket, in a process of its own; its id. No thread is here that the copy would lack."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        receive(environ, lambda *_: None, lambda _: None, fd=os.dup(listening.fileno()))
        status = 0
    finally:
        os._exit(status)


@contextlib.contextmanager
def _calling(port: int, folder: Path, sender: Sender) -> Iterator[Path]:
    """Call again and again from another process; what it notes is in the file."""
    noted, ends = folder / "noted", folder / "ends"
    caller = subprocess.Popen([sys.executable, "-m", "proof.receiver", str(port), str(noted), str(ends), sender.system])
    try:
        yield noted
        ends.touch()
        if caller.wait(60):
            raise Finding("calls", ["who called did not come to an end"])
    finally:
        if caller.poll() is None:
            caller.kill()
            caller.wait()


def _answers(noted: Path) -> list[tuple[str, str]]:
    """Each call's id, and its answer."""
    text = noted.read_text() if noted.exists() else ""
    return [(words[0], words[1]) for line in text.splitlines() if len(words := line.split()) == 2]


def _hold(folder: Path, noted: Path, figures: Calls, allowed: set[str]) -> None:
    """Every 204 is in the inbox, each with its hint, and no other answer was given than those allowed."""
    answers = _answers(noted)
    inbox = Inbox(folder / "data")
    stored = Counter(row[0] for row in inbox.ask("select id from entries"))
    hints = inbox.ask("select count(*) from hints")[0][0]
    sound = inbox.ask("pragma integrity_check")[0][0]
    inbox.close()
    wrong = [
        f"{one} was answered 204 and is not in the inbox" for one, what in answers if what == "204" and not stored[one]
    ]
    wrong += [f"{one} is in the inbox {times} times" for one, times in stored.items() if times > 1]
    wrong += [f"{one} was answered {what}" for one, what in answers if what not in allowed]
    if hints != stored.total():
        wrong.append(f"{stored.total()} entries have {hints} hints")
    if sound != "ok":
        wrong.append(f"the inbox is not sound: {sound}")
    figures.answered.update(what for _, what in answers)
    figures.stored += stored.total()
    if not figures.answered["204"]:
        wrong.append("nothing was answered 204")
    if wrong:
        raise Finding("receiver", wrong[:50])


def _good(noted: Path) -> int:
    return sum(what == "204" for _, what in _answers(noted))


def _wait_for(noted: Path, more: int) -> None:
    """Wait until so many more calls have been answered 204."""
    wanted, ends = _good(noted) + more, time.monotonic() + MOST_SECONDS
    while _good(noted) < wanted:
        if time.monotonic() > ends:
            raise Finding("receiver", ["it was started, and takes no call"])
        time.sleep(0.005)


def killed(figures: Calls, seed: int, times: int, sender: Sender = SHOP) -> None:
    """Kill receivers under load.

    Raises:
        Finding: a call was answered 204 and is not in the inbox.
    """
    chance, began = random.Random(seed), time.monotonic()
    with (
        _place(sender) as (folder, listening, environ),
        _calling(listening.getsockname()[1], folder, sender) as noted,
    ):
        for _ in range(times):
            pid = _start(listening, environ)
            try:
                _wait_for(noted, 1)
                time.sleep(chance.uniform(0.0, 0.3))
            finally:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            figures.killed += 1
        pid = _start(listening, environ)
        try:
            _wait_for(noted, 20)
            (folder / "ends").touch()
            time.sleep(0.2)
        finally:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
        _hold(folder, noted, figures, {"204", "cut"})
    figures.seconds += time.monotonic() - began


def restarted(figures: Calls, times: int, sender: Sender = SHOP) -> None:
    """Restart a receiver in good order, again and again, while calls come.

    Raises:
        Finding: a call was answered otherwise than by 204, or not at all, or is not in the inbox.
    """
    began = time.monotonic()
    with (
        _place(sender) as (folder, listening, environ),
        _calling(listening.getsockname()[1], folder, sender) as noted,
    ):
        for turn in range(times):
            pid = _start(listening, environ)
            try:
                _wait_for(noted, 30)
                if turn == times - 1:
                    (folder / "ends").touch()
                    time.sleep(0.5)
            finally:
                os.kill(pid, signal.SIGTERM)
            _, status = os.waitpid(pid, 0)
            if status:
                raise Finding("receiver", [f"it ended with {status}"])
            figures.restarted += 1
        _hold(folder, noted, figures, {"204"})
    figures.seconds += time.monotonic() - began


# --- who calls --------------------------------------------------------------------------------------------------------


def call(port: int, noted: Path, ends: Path, sender: Sender) -> None:
    """Call from some threads, each on a connection that it keeps, until the file `ends` is there."""
    log = os.open(noted, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    system = sender.system
    paths = [f"/hooks/{system}/{make_token(SECRET, system, f'winery-{n}', 1)}" for n in range(MERCHANTS)]

    def one(thread: int) -> None:
        connection, number = http.client.HTTPConnection("127.0.0.1", port, timeout=MOST_SECONDS), 0
        while not ends.exists():
            number += 1
            name = f"{thread}-{number}"
            body = json.dumps(sender.body(name))
            try:
                connection.request("POST", paths[(thread * 7 + number) % MERCHANTS], body)
                answer = connection.getresponse()
                answer.read()
                what = str(answer.status)
            except (OSError, http.client.HTTPException):  # the receiver is dead
                what = "cut"
                connection.close()
            os.write(log, f"{name} {what}\n".encode())
            time.sleep(0.01)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- all of it --------------------------------------------------------------------------------------------------------


def short() -> Calls:
    """A few of each."""
    figures = Calls()
    killed(figures, seed=0, times=3)
    restarted(figures, times=2)
    return figures


def _killed(seed: int, _: Opener) -> Figures:
    figures = Calls()
    killed(figures, seed, KILLS // UNITS)
    return figures


def _restarted(_seed: int, _: Opener) -> Figures:
    figures = Calls()
    restarted(figures, RESTARTS // 5)
    return figures


def units() -> list[Unit]:
    """All of them."""
    return [
        *(Unit(f"killed {seed}", partial(_killed, seed)) for seed in range(UNITS)),
        *(Unit(f"restarted {seed}", partial(_restarted, seed)) for seed in range(5)),
    ]


PROOF = Proof("receiver", Calls, units)

if __name__ == "__main__":
    call(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), SENDERS[sys.argv[4]])
