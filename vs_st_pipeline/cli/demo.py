"""Defines `vs-st sandbox` and `vs-st demo`: the stand-ins to try everything on, started as processes of their own."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from vs_st_pipeline import routes
from vs_st_pipeline.cli.options import one_route_option
from vs_st_pipeline.cli.output import say
from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.pipeline.demo import Demo
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.hooks import hook_url, make_token
from vs_st_pipeline.platform.settings.environment import data_dir

F = TypeVar("F", bound=Callable[..., Any])


SYSTEMS = " and ".join(connector.title for connector in CONNECTORS)


def _port_options(command: F) -> F:
    for connector in reversed(CONNECTORS):
        command = click.option(f"--port-{connector.name}", type=int, help="0: any free port.")(command)
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
    os.execv(sys.executable, [*_sandbox_command(folder, scenario), *chosen])


def _sandbox_command(folder: Path, scenario: str) -> list[str]:
    return [sys.executable, "-m", "vs_st_pipeline.sandbox", "--scenario", scenario, "--data-dir", str(folder)]


@click.command(short_help="Show every route on made-up merchants.")
@one_route_option
def demo(name: str | None) -> None:
    """Show every route on made-up merchants: what is read and written, what people do meanwhile, what follows from it.

    With --route one alone. Prints what changed where.
    """
    for route in routes.ROUTES:
        if name in (None, route.name):
            if route is routes.ROUTES[0]:
                _first_route()
            elif route.demo is not None:
                _acts_of(route, route.demo)
    say("", "The stand-ins are stopped and their data is gone. `make ui` opens fifty wineries in Dagster.")


@contextmanager
def _stand_ins(scenario: str, what: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str], Path]]:
    """Run stand-ins until the end of the block; gives their process, the environment for commands, and a folder."""
    with tempfile.TemporaryDirectory(prefix="vs-st-demo-") as folder:
        box = subprocess.Popen(
            [*_sandbox_command(Path(folder), scenario), "--on-stdin"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert box.stdin is not None
        assert box.stdout is not None
        try:
            say(f"Starting stand-ins for {what} on this machine ...")
            _paragraph(box.stdout)
            environ = {**os.environ, "VS_ST_MERCHANTS": f"{folder}/merchants.yaml", "VS_ST_DATA_DIR": f"{folder}/data"}
            environ.pop("VS_ST_NOW", None)
            yield box, environ, Path(folder)
        finally:
            box.stdin.close()
            box.wait(timeout=10)


def _first_route() -> None:
    """Sync three made-up wineries, change some things at the shop, sync again, and let a webhook hurry one change."""
    first = routes.ROUTES[0]
    with _stand_ins("demo", _titles(first)) as (box, environ, folder):
        say("", "1. The first sync: everything is read, every opted-in customer gets their values.", "")
        _vs_st(environ, "sync", "--all")
        say("", "2. Meanwhile, at the shop and on people's phones:", "")
        for sentence in _told(box, "change"):
            say(f"  - {sentence}")
        say("", "3. What the second sync wrote, and which contacts it left alone (people masked):", "")
        _vs_st(environ, "sync", "--all")
        _show_outcome(environ)
        _webhook(environ, box, folder)


def _titles(route: Route) -> str:
    titles = [connector.title for connector in route.connectors]
    return " and ".join([", ".join(titles[:-1]), titles[-1]] if len(titles) > 1 else titles)


def _acts_of(route: Route, show: Demo) -> None:
    """Play a route's acts one after the other; time is moved between them, and nobody waits for it."""
    say("", f"Route {route.name}", "")
    with _stand_ins(show.scenario, _titles(route)) as (box, environ, folder):
        say("", show.about)
        secret, moved = folder / "hook_secret", timedelta(0)
        secret.write_text(secrets.token_urlsafe(48), encoding="ascii")
        secret.chmod(0o600)
        environ["VS_ST_HOOK_SECRET"] = f"file:{secret}"
        with _running(environ, "receive", "--port", "0", "--json", quietly=True) as receiver:
            environ["VS_ST_PUBLIC_URL"] = f"http://127.0.0.1:{_port_of(receiver)}"
            for system, merchant_id, url in _urls(environ, show.pasted, secret.read_text(encoding="ascii")):
                _told(box, f"paste {system} {merchant_id} {url}")
            for number, act in enumerate(show.acts, 1):
                moved += act.later
                environ["VS_ST_NOW"] = (datetime.now(UTC) + moved).isoformat()
                say("", f"{number}. {act.title}", "")
                for command in act.before:
                    _vs_st(environ, *command)
                for order in act.orders:
                    say(*(f"  - {sentence}" for sentence in _told(box, order)))
                environ["VS_ST_NOW"] = (datetime.now(UTC) + moved).isoformat()  # after what has come meanwhile
                for command in act.commands:
                    _vs_st(environ, *command, may_fail=True)
                if act.outcome:
                    _show_outcome(environ, only=route.name)


def _urls(environ: dict[str, str], systems: tuple[str, ...], secret: str) -> Iterator[tuple[str, str, str]]:
    """Yield the URLs by which these systems call us: system, merchant, URL."""
    from vs_st_pipeline.operations.settings import read_merchants

    for merchant in read_merchants(Path(environ["VS_ST_MERCHANTS"]), environ).merchants if systems else ():
        for system in systems:
            token = make_token(secret, system, merchant.id, 1)
            yield system, merchant.id, hook_url(environ["VS_ST_PUBLIC_URL"], system, token)


def _port_of(receiver: subprocess.Popen[str]) -> int:
    assert receiver.stdout is not None
    line = receiver.stdout.readline()
    if not line:
        raise click.ClickException("the receiver ended early; see its message above")
    return int(json.loads(line)["port"])


def _paragraph(stream: IO[str]) -> list[str]:
    """Return the lines up to the next blank line, except those of the welcome, which ends with a blank line itself."""
    lines: list[str] = []
    for line in stream:
        text = line.rstrip("\n")
        if not text and (not lines or lines[-1].endswith((".", "both."))):
            if lines:
                return lines
            continue
        lines.append(text)
    raise click.ClickException("the sandbox ended early; see its message above")


def _told(box: subprocess.Popen[str], order: str) -> list[str]:
    """Return what the sandbox says to an order, once it has carried it out."""
    assert box.stdin is not None
    assert box.stdout is not None
    box.stdin.write(f"{order}\n")
    box.stdin.flush()
    return _paragraph(box.stdout)


def _webhook(environ: dict[str, str], box: subprocess.Popen[str], folder: Path) -> None:
    """Register webhooks, let an order ship, and wait until the contact says so: no sync is started here."""
    from vs_st_pipeline.operations.settings import read_merchants

    say("", "4. Webhooks: a receiver and a worker are started, and the first shop is told whom to call.", "")
    first = read_merchants(Path(environ["VS_ST_MERCHANTS"]), environ).merchants[0].id
    secret = folder / "hook_secret"
    _vs_st(environ, "webhooks", "secret", str(secret))
    environ = {**environ, "VS_ST_HOOK_SECRET": f"file:{secret}"}
    with _running(environ, "receive", "--port", "0", "--json") as receiver:
        environ["VS_ST_PUBLIC_URL"] = f"http://127.0.0.1:{_port_of(receiver)}"
        with _running(environ, "work", "--json"):
            _vs_st(environ, "webhooks", "register", "--merchant", first)
            say("", *(f"  - {sentence}" for sentence in _told(box, "ship")))
            said = _told(box, "told")
            say(*(f"  - {sentence}" if number == 0 else f"    {sentence}" for number, sentence in enumerate(said)))
            if len(said) == 1:
                raise click.exceptions.Exit(1)


@contextmanager
def _running(environ: dict[str, str], *arguments: str, quietly: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run a command beside this one until the end of the block; `quietly`: without its log."""
    command = [sys.executable, "-m", "vs_st_pipeline.cli.main", *arguments]
    log = subprocess.DEVNULL if quietly else None
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _vs_st(environ: dict[str, str], *arguments: str, may_fail: bool = False) -> None:
    done = subprocess.run([sys.executable, "-m", "vs_st_pipeline.cli.main", *arguments], env=environ, check=False)
    if done.returncode not in ((0, 1) if may_fail else (0,)):  # 1: also where only something was refused
        raise click.exceptions.Exit(1)


def _show_outcome(environ: dict[str, str], only: str | None = None) -> None:
    from vs_st_pipeline.cli.sync import clock
    from vs_st_pipeline.operations.settings import read_merchants
    from vs_st_pipeline.operations.warehouse import warehouse_at
    from vs_st_pipeline.pipeline.status_file import read_status
    from vs_st_pipeline.platform.run import Run
    from vs_st_pipeline.routes import routes_of

    folder = Path(environ["VS_ST_DATA_DIR"])
    warehouse = warehouse_at(folder)
    for merchant in read_merchants(Path(environ["VS_ST_MERCHANTS"]), environ).merchants:
        for route in routes_of(merchant, [only] if only else []):
            last = read_status(folder, merchant.id, route.name).last
            run = Run(merchant, warehouse, clock, route=route.name)
            if last is not None:
                say(*route.outcome(run, last.run_id))
