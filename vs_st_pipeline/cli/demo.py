"""Defines `vs-st sandbox` and `vs-st demo`: the stand-ins to try everything on, and a show of every route on them."""

from __future__ import annotations

import json
import os
import secrets
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from vs_st_pipeline import routes
from vs_st_pipeline.cli import demo_stage as stage
from vs_st_pipeline.cli import demo_summary as summary
from vs_st_pipeline.cli.options import one_route_option
from vs_st_pipeline.cli.output import say, tell
from vs_st_pipeline.cli.whole_numbers import WholeNumber
from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.pipeline.demo import Act, Demo
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.status_file import read_status
from vs_st_pipeline.platform.hooks import hook_url, make_token
from vs_st_pipeline.platform.settings.environment import data_dir
from vs_st_pipeline.platform.settings.merchants import Merchant

F = TypeVar("F", bound=Callable[..., Any])


SYSTEMS = " and ".join(connector.title for connector in CONNECTORS)


def _port_options(command: F) -> F:
    for connector in reversed(CONNECTORS):
        command = click.option(f"--port-{connector.name}", type=WholeNumber(0, 65535), help="0: any free port.")(
            command
        )
    return command


@click.command(
    help=f"Run stand-ins for {SYSTEMS} on loopback, in the foreground; all people are made up.",
    short_help="Run stand-ins for all systems on this machine.",
)
@_port_options
@click.option(
    "--scenario",
    default="demo",
    show_default=True,
    metavar="NAME",
    help="demo, small, big, estate, fleet, consumers, orders, shop_small, parcels, mailing:N, fleet:N, consumers:N, "
    "orders:N, shop:N or parcels:N.",
)
def sandbox(scenario: str, **ports: int | None) -> None:
    """Run the stand-ins, in place of this process."""
    folder = data_dir(os.environ) / "sandbox"
    given = {name.replace("_", "-"): port for name, port in ports.items() if port is not None}
    chosen = [word for name, port in given.items() for word in (f"--{name}", str(port))]
    sys.stdout.flush()
    os.execv(sys.executable, [*stage.sandbox_command(folder, scenario), *chosen])


@click.command(short_help="Show every route on made-up merchants.")
@one_route_option
@click.option("--verbose", is_flag=True, help="Also print each command and all that it says.")
def demo(name: str | None, verbose: bool) -> None:
    """Show every route on made-up merchants: what comes in, what is decided, what is written, and to whom but once.

    With --route one alone.
    """
    began = time.monotonic()
    shown = [(route, route.demo) for route in routes.ROUTES if route.demo is not None and name in (None, route.name)]
    with ExitStack() as at_the_end:
        # Each world is made while the one before it plays; that of the first, while this process imports the rest.
        worlds = [stage.StandIns(show.scenario) for _, show in shown[:1]]
        at_the_end.callback(_close, worlds)
        say(*_headline(*shown[0]))
        stage.import_all()
        for number, (route, show) in enumerate(shown):
            if number:
                say("", *_headline(route, show))
            worlds += [stage.StandIns(next_show.scenario) for _, next_show in shown[number + 1 : number + 2]]
            _Play(route, show, worlds[number], [pipe for world in worlds for pipe in world.pipes], verbose).play()
            worlds[number].stop()
    took = f"That took {time.monotonic() - began:.0f} s."
    say("", f"{took} `vs-st demo --verbose` shows every command; `make ui` opens fifty wineries.")


def _close(worlds: list[stage.StandIns]) -> None:
    for world in worlds:
        world.close()


def _headline(route: Route, show: Demo) -> list[str]:
    return textwrap.wrap(f"{route.name}: {show.about}", summary.WIDTH)


class _Play:
    """Plays a route's acts one after the other; time is moved between them, and nobody waits for it."""

    def __init__(self, route: Route, show: Demo, world: stage.StandIns, pipes: list[int], verbose: bool) -> None:
        self.route, self.show, self.world, self.verbose = route, show, world, verbose
        self._pipes = pipes
        folder = world.folder
        self.environ = {**os.environ, "VS_ST_MERCHANTS": f"{folder}/merchants.yaml", "VS_ST_DATA_DIR": f"{folder}/data"}
        self.environ.pop("VS_ST_NOW", None)
        self._moved = timedelta(0)

    def play(self) -> None:
        """Play all acts.

        Raises:
            click.exceptions.Exit: a command failed, or somebody was told twice.
        """
        secret = self.world.folder / "hook_secret"
        self.world.wait()
        secret.write_text(secrets.token_urlsafe(48), encoding="ascii")
        secret.chmod(0o600)
        self.environ["VS_ST_HOOK_SECRET"] = f"file:{secret}"
        with self._beside("receive", "--port", "0", "--json") as receiver:
            self.environ["VS_ST_PUBLIC_URL"] = (
                f"http://127.0.0.1:{json.loads(self._line(receiver, 'the receiver'))['port']}"
            )
            for system, merchant_id, url in self._urls(secret.read_text(encoding="ascii")):
                self.world.tell(f"paste {system} {merchant_id} {url}")
            for number, act in enumerate(self.show.acts, 1):
                self._act(number, act)

    def _act(self, number: int, act: Act) -> None:
        self._moved += act.later
        self._set_clock()
        if self.verbose:
            say("")
        for command in act.before:
            self._run(command)
        said: list[str] = []
        runs: list[list[summary.Report]] = []
        if act.worker:
            with self._beside("work", "--json") as worker:
                said = [sentence for order in act.orders for sentence in self.world.tell(order)]
                answer = self.world.tell(act.answered)
                if len(answer) == 1:  # that nothing came
                    self._fail(answer[0])
                runs.append([json.loads(self._line(worker, "the worker"))])
            said += answer
        else:
            said = [sentence for order in act.orders for sentence in self.world.tell(order)]
            self._set_clock()  # after what has come meanwhile
            for command in act.commands:
                self._run(command)
                if command[0] == "sync":
                    runs.append(self._reports())
        if self.verbose:
            for command in act.looks:
                self._run(command)
            say(*(self._outcome() if act.outcome else ()))
        told, *wrong = self.world.tell("proof")
        say(*summary.lines(self.show, act, number, said, runs, told))
        if wrong:
            self._fail(f"this must not be: {'; '.join(wrong)}")

    def _set_clock(self) -> None:
        if self._moved:
            self.environ["VS_ST_NOW"] = (datetime.now(UTC) + self._moved).isoformat()

    def _run(self, command: Sequence[str]) -> None:
        code, said = stage.run(self.environ, self.world, self._pipes, stage.command(*command))
        if self.verbose:
            say(f"  $ vs-st {' '.join(command)}", *(f"    {line}" for line in said.splitlines()))
        if code not in (0, 1):  # 1: also where only something was refused
            self._fail(f"`vs-st {' '.join(command)}` ended with {code}")

    @contextmanager
    def _beside(self, *command: str) -> Iterator[int]:
        with stage.beside(self.environ, self.world, self._pipes, stage.command(*command)) as out:
            yield out

    def _line(self, descriptor: int, who: str) -> str:
        with os.fdopen(os.dup(descriptor), encoding="utf-8") as stream:
            line = stream.readline()
        if not line:
            self._fail(f"{who} ended early")
        return line

    def _fail(self, why: str) -> NoReturn:
        log = self.world.log
        said = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        tell(*said[-20:], f"vs-st demo: {why}")
        raise click.exceptions.Exit(1)

    def _merchants(self) -> list[Merchant]:
        return list(read_merchants(Path(self.environ["VS_ST_MERCHANTS"]), self.environ).merchants)

    def _reports(self) -> list[summary.Report]:
        """Return the last report of each merchant that has been synced."""
        folder = Path(self.environ["VS_ST_DATA_DIR"])
        found = [read_status(folder, one.id, self.route.name).last_run for one in self._merchants()]
        return [report for report in found if report is not None]

    def _outcome(self) -> list[str]:
        """Return what the last syncs wrote, and whom they left alone."""
        code, said = stage.run(self.environ, self.world, self._pipes, partial(_print_outcome, self.route.name))
        if code:
            self._fail("the outcome cannot be shown")
        return said.splitlines()

    def _urls(self, secret: str) -> Iterator[tuple[str, str, str]]:
        """Yield the URLs by which systems call us that only a person can tell: system, merchant, URL."""
        for merchant in self._merchants() if self.show.pasted else ():
            for system in self.show.pasted:
                token = make_token(secret, system, merchant.id, 1)
                yield system, merchant.id, hook_url(self.environ["VS_ST_PUBLIC_URL"], system, token)


def _print_outcome(name: str) -> None:
    from vs_st_pipeline.cli.sync import clock
    from vs_st_pipeline.operations.warehouse import warehouse_at
    from vs_st_pipeline.platform.run import Run
    from vs_st_pipeline.routes import routes_of

    folder = data_dir(os.environ)
    warehouse = warehouse_at(folder)
    for merchant in read_merchants(Path(os.environ["VS_ST_MERCHANTS"]), os.environ).merchants:
        for route in routes_of(merchant, [name]):
            last = read_status(folder, merchant.id, route.name).last
            if last is not None:
                say(*route.outcome(Run(merchant, warehouse, clock, route=route.name), last.run_id))
