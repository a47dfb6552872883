"""Starts the processes that take calls, and brings them to an end when it is asked to.

One process serves by itself. Several share the listening socket: the first one watches the others and starts one anew
that died; they end when it does, whatever way, because they see the pipe to it close.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.receiver.app import Limits, Receiver
from vs_st_pipeline.operations.receiver.figures import Figures
from vs_st_pipeline.operations.receiver.lines import Lines
from vs_st_pipeline.operations.receiver.metrics import tell_metrics
from vs_st_pipeline.operations.receiver.server import GRACE_SECONDS, make_server, serve
from vs_st_pipeline.operations.receiver.sockets import (
    Listening,
    is_loopback,
    listen,
    most_connections,
    raise_file_limit,
    take_over,
    where_of,
)
from vs_st_pipeline.operations.receiver.table import Maker
from vs_st_pipeline.operations.receiver.watch import Watch
from vs_st_pipeline.operations.receiver.writer import Writer
from vs_st_pipeline.platform.inbox.disk import refuse_network_disk
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.settings.environment import data_dir, now, settings_path
from vs_st_pipeline.platform.settings.hook_secrets import HOOK_SECRET, hook_secrets
from vs_st_pipeline.routes import ROUTES

_RESTART_SECONDS: Final = 1.0

Tell = Callable[..., None]


def receive(
    environ: Mapping[str, str],
    tell: Tell,
    listens: Callable[[Listening], None],
    *,
    host: str = "127.0.0.1",
    port: int = 8088,
    fd: int | None = None,
    processes: int = 1,
    metrics_port: int | None = None,
    limits: Limits | None = None,
) -> None:
    """Take calls until SIGTERM or SIGINT.

    Args:
        tell: prints lines on stderr. listens: called once, when calls are taken.
        fd: number of a listening socket, in place of `host` and `port`.

    Raises:
        BadSettings: a setting is not understood, or there is no secret, or no merchant has a URL.
        GiveUp: the port is taken, or the inbox is unusable.
    """
    secrets = hook_secrets(environ)
    if not secrets:
        raise BadSettings(
            f"{HOOK_SECRET} is not set, so no URL can be told from another; `vs-st webhooks secret PATH` makes one, "
            f"and {HOOK_SECRET}=file:PATH names it"
        )
    now(environ)  # it may be set, and be no time
    folder = data_dir(environ)
    refuse_network_disk(folder)
    with_hooks = [one for one in CONNECTORS if one.hooks is not None]
    figures = Figures([one.name for one in with_hooks], processes)
    inbox = Inbox(folder)
    maker = Maker(with_hooks, ROUTES, secrets, environ, proved=inbox.proved_tokens)
    process = Process(
        Watch(settings_path(environ), environ, maker, tell),
        inbox,
        figures,
        environ,
        tell,
        limits,
    )
    process.watch.begin()
    process.prove()
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(take_over(fd) if fd is not None else listen(host, port))
        told = None if metrics_port is None else stack.enter_context(listen("127.0.0.1", metrics_port))
        where = where_of(listening)
        if not is_loopback(where.host):
            tell("warning: this listens beyond this machine, without TLS: calls should come by a proxy that has it")
        raise_file_limit()
        signals = stack.enter_context(_signals())
        if processes == 1:
            process.run(0, listening, told, signals, lambda: listens(where))
        else:
            _run_many(process, processes, listening, told, signals, lambda: listens(where))


# --- one process ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Signals:
    """Whether the end was asked for; `ask` is called then, in the main thread."""

    asked: bool = False
    ask: Callable[[], None] = lambda: None


@contextlib.contextmanager
def _signals() -> Iterator[Signals]:
    state = Signals()

    def handle(_number: int, _frame: object) -> None:
        state.asked = True
        state.ask()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield state
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Process:
    """What one process needs to take calls; made before the process is, started in it."""

    def __init__(
        self,
        watch: Watch,
        inbox: Inbox,
        figures: Figures,
        environ: Mapping[str, str],
        tell: Tell,
        limits: Limits | None,
    ) -> None:
        self.watch, self._inbox, self._figures = watch, inbox, figures
        self._environ, self._tell, self._limits = environ, tell, limits

    def prove(self) -> None:
        """Write into the inbox once."""
        Writer(self._inbox, self._figures, self._tell).prove()

    def run(
        self,
        number: int,
        listening: socket.socket,
        metrics: socket.socket | None,
        signals: Signals,
        listens: Callable[[], None],
    ) -> None:
        """Take calls until the end is asked for."""
        self._figures.belong_to(number)
        lines, writer = Lines(self._tell), Writer(self._inbox, self._figures, self._tell)
        writer.prove()
        receiver = Receiver(
            lambda: self.watch.table, writer, self._figures, lines, lambda: now(self._environ), self._limits
        )
        server = make_server(receiver, most_connections())

        def leave() -> None:
            server.should_exit = True

        def begin(loop: asyncio.AbstractEventLoop) -> None:
            writer.start(loop)
            self.watch.start(lines.each_minute)
            listens()

        if metrics is not None and number == 0:
            tell_metrics(metrics, self._figures, self._inbox)
        signals.ask = leave
        if signals.asked:
            leave()
        try:
            serve(server, listening, begin)
        finally:
            self.watch.stop()
            writer.stop()
            lines.close()


# --- several processes ------------------------------------------------------------------------------------------------


def _run_many(
    process: Process,
    processes: int,
    listening: socket.socket,
    metrics: socket.socket | None,
    signals: Signals,
    listens: Callable[[], None],
) -> None:
    """Start the processes, start one anew that dies, and end them all."""
    held, alive = os.pipe()  # nothing is ever written: it closes when this process is gone
    children: dict[int, int] = {}

    def start(number: int) -> None:
        pid = os.fork()
        if pid == 0:
            os.close(alive)
            status = 1
            try:
                signals.ask = lambda: None
                _end_with(held)
                process.run(number, listening, metrics, signals, lambda: None)
                status = 0
            finally:
                os._exit(status)
        children[pid] = number

    for number in range(processes):
        start(number)
    listens()
    started = time.monotonic()
    while not signals.asked:
        for number in _ended(children):
            time.sleep(max(0.0, started + _RESTART_SECONDS - time.monotonic()))
            started = time.monotonic()
            start(number)
        time.sleep(0.1)
    listening.close()
    _signal_all(children, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS + 2
    while children and time.monotonic() < deadline:
        _ended(children)
        time.sleep(0.05)
    _signal_all(children, signal.SIGKILL)


def _ended(children: dict[int, int]) -> list[int]:
    """Take away the children that are over; return their numbers."""
    numbers = []
    while children:
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            break
        if pid in children:
            numbers.append(children.pop(pid))
    return numbers


def _signal_all(children: Mapping[int, int], what: int) -> None:
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)


def _end_with(held: int) -> None:
    """End this process in good order when the one that started it is gone."""

    def wait() -> None:
        select.select([held], [], [])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
