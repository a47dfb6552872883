"""Defines `vs-st inbox`: what came by webhooks, what became of it, and how to let it be read again."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import click

from vs_st_pipeline import routes
from vs_st_pipeline.cli.help import Sections
from vs_st_pipeline.cli.options import json_option, route_option
from vs_st_pipeline.cli.output import say, say_json
from vs_st_pipeline.cli.sync import make_run
from vs_st_pipeline.cli.whole_numbers import WholeNumber
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.hints import WITHOUT_HINT, HintState
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.worker import why_waiting
from vs_st_pipeline.platform.inbox import questions
from vs_st_pipeline.platform.inbox.disk import InboxUnusable
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.settings.environment import data_dir, settings_path
from vs_st_pipeline.platform.settings.forms import parse_duration
from vs_st_pipeline.platform.settings.merchants import places_of_entries

MOST_SAID = 20
_OPEN = {HintState.WAITING: "waits already", HintState.WORKING: "is being read"}
_LARGEST = 2**63 - 1  # of a number of an entry


@click.group(cls=Sections, usual="list", short_help="Show what came by webhooks, and what became of it.")
def inbox() -> None:
    """Show what came by webhooks, newest first, and what became of it.

    [--merchant ID...] [--route NAME] [--state S] [--since 1h] [--limit 100] [--json]
    """


def _merchants(command: Any) -> Any:
    command = click.argument("more_ids", nargs=-1, metavar="")(command)
    return click.option("--merchant", "ids", multiple=True, metavar="ID...", help="These merchants.")(command)


@inbox.command("list", hidden=True)
@_merchants
@route_option
@click.option("--state", type=click.Choice([state.value for state in HintState]), help="Only these.")
@click.option("--since", metavar="1h", help="Stored in this time.")
@click.option("--limit", type=WholeNumber(0, 1_000_000), default=100, show_default=True)
@json_option
def list_hints(
    ids: tuple[str, ...],
    more_ids: tuple[str, ...],
    names: tuple[str, ...],
    state: str | None,
    since: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List hints, newest first; the counts are of all that fit, whatever the limit."""
    if more_ids and not ids:
        raise click.UsageError(f"unexpected argument '{more_ids[0]}'; name merchants with --merchant ID...")
    found = Inbox(data_dir(os.environ))
    with _readable(found):
        merchants = _known(found, [*ids, *more_ids])
        chosen = questions.Filter(merchants, names, HintState(state) if state else None, _since(found, since))
        told = questions.listing(found, chosen, limit)
    stored = _stored(merchants, names)
    told |= stored
    if as_json:
        say_json(told)
        return
    oldest = told["oldest_waiting_seconds"]
    waits = "" if oldest is None else f", the oldest for {oldest:.0f} s"
    say(", ".join(f"{count} {name}" for name, count in told["counts"].items()) + waits)
    for name, what in stored.items():
        counts = what if isinstance(what, dict) else {"": what}
        say(f"{name}: " + (", ".join(f"{count} {word}".rstrip() for word, count in counts.items()) or "none"))
    say(*_lines(told["entries"]))


def _stored(merchants: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    """Return what waits in a route's own tables, where one merchant and one such route are asked about."""
    ways = {route.name: route.waiting for route in routes.ROUTES}
    way = ways[names[0]] if len(names) == 1 else None
    if way is None or len(merchants) != 1:
        return {}
    merchant = read_merchants(settings_path(os.environ), os.environ, secrets=False, all_bad=True).get(merchants[0])
    return {} if merchant is None else way(make_run(merchant, route=names[0]))


@inbox.command(short_help="Show one entry, and what became of it.")
@click.argument("number", metavar="ENTRY", type=WholeNumber(1, _LARGEST))
@json_option
def show(number: int, as_json: bool) -> None:
    """Show one entry: what is kept of the call, and what became of it for each route; phones are masked."""
    found = Inbox(data_dir(os.environ))
    with _readable(found):
        told = questions.entry(found, number)
    if told is None:
        raise click.UsageError(_unknown(number))
    told["kept"] = _shown(told["system"], told["kept"])
    if as_json:
        say_json(told)
        return
    times = counted(told["times"], "times")
    say(f"{number}  {told['stored_at']}  {told['merchant']}  {told['system']}  {told['kind']}, {times}")
    say(*(f"  {key}: {value}" for key, value in told["kept"].items()))
    say(*(f"  {line}" for line in _lines(told["hints"])))


@inbox.command(short_help="Let entries wait again, as if they had just come.")
@click.argument("words", nargs=-1, metavar="[ENTRY]...")
@click.option("--merchant", "ids", multiple=True, metavar="ID", help="All entries of these merchants, with --since.")
@click.option("--since", metavar="1h", help="That were stored in this time.")
@json_option
def replay(words: tuple[str, ...], ids: tuple[str, ...], since: str | None, as_json: bool) -> None:
    """Let entries wait again, as if they had just come: (ENTRY... | --merchant ID --since 1h)."""
    if bool(ids) != bool(since) or not (ids or words):  # words after --merchant are more merchants
        raise click.UsageError("say which entries: ENTRY..., or --merchant ID --since 1h")
    found = Inbox(data_dir(os.environ))
    with _readable(found):
        if ids:
            merchants = _known(found, [*ids, *words])
            since_when = _since(found, since)
            assert since_when is not None
            numbers = questions.entries_of(found, merchants, since_when)
        else:
            numbers = [_entry(found, word) for word in words]
        left = [said for number in numbers[:MOST_SAID] for said in _not_replayed(found, number)]
        count = found.replay(numbers) if numbers else 0
    if as_json:
        say_json({"replayed": count})
    else:
        say(f"{counted(count, 'hints')} {'waits' if count == 1 else 'wait'} again", *left)


def _not_replayed(found: Inbox, number: int) -> list[str]:
    """Say of the hints of an entry that do not wait again why they do not."""
    hints = (questions.entry(found, number) or {"hints": ()})["hints"]
    why = {
        one["route"]: "asks for nothing" if one["kind"] in WITHOUT_HINT else _OPEN.get(one["state"]) for one in hints
    }
    several = len(hints) > 1
    return [f"#{number}{f' ({route})' if several else ''} {said}" for route, said in why.items() if said]


def _shown(system: str, kept: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a system lets be shown of what is kept of its calls."""
    from vs_st_pipeline.connectors import CONNECTORS

    hooks = next((one.hooks for one in CONNECTORS if one.name == system), None)
    return kept if hooks is None or hooks.shows is None else hooks.shows(kept)


def _entry(found: Inbox, word: str) -> int:
    number = int(word) if word.isascii() and word.isdigit() and len(word) < 19 else 0
    if questions.entry(found, number) is None:
        raise click.UsageError(_unknown(word))
    return number


def _unknown(entry: object) -> str:
    return f"there is no entry {entry} in the inbox; `vs-st inbox` lists them"


def _since(found: Inbox, written: str | None) -> float | None:
    if written is None:
        return None
    try:
        return found.clock() - parse_duration(written).total_seconds()
    except BadSettings as error:
        raise click.UsageError(f"--since: {error.message}") from None


def _known(found: Inbox, ids: list[str]) -> list[str]:
    """Return the ids; one that is neither in the inbox nor in the merchants file is a slip."""
    for merchant_id in (one for one in ids if not questions.has_entries(found, one)):
        file = read_merchants(settings_path(os.environ), os.environ, secrets=False, all_bad=True)
        if file.get(merchant_id) is None and not file.bad_of(merchant_id):
            where = places_of_entries(file.path)
            raise click.UsageError(f"there is no merchant '{merchant_id}' in {where}, and nothing of one is kept")
    return ids


class _readable:  # noqa: N801  # it is used as a statement
    """Says so where the file cannot be read, in place of a fault of ours."""

    def __init__(self, found: Inbox) -> None:
        self._found = found

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._found.close()
        if isinstance(error, sqlite3.Error):
            raise InboxUnusable(
                f"the inbox {self._found.path} cannot be read: {error}; if it is damaged, stop all processes, move it "
                "away and start again: what waits in it, the next whole syncs read"
            ) from None


def _lines(hints: Sequence[dict[str, Any]]) -> list[str]:
    """Return a line for each hint; of one that waits it says why."""
    folder = data_dir(os.environ)
    found, entries = Inbox(folder), {one["entry"] for one in hints if one["state"] == HintState.WAITING}
    with _readable(found):
        why = why_waiting.reasons(found, folder, os.environ, entries) if entries else {}
    return [_line(one, why.get((one["entry"], one["route"]), "")) for one in hints]


def _line(one: dict[str, Any], why: str) -> str:
    what = " ".join(str(part) for part in (one["kind"], one["id"]) if part)
    became = (one["outcome"] or one["state"]) + (f" ({why})" if why else "")
    lag = "" if one["lag_seconds"] is None else f" after {one['lag_seconds']:.1f} s"
    times = "" if one["times"] == 1 else f", {one['times']} times"
    error = "" if one["error"] is None else f", {one['error']}"
    said = f"{one['system']} {one['event'] or '-'}"
    return f"{one['entry']}  {one['stored_at']}  {one['merchant']}  {said}  {what}: {became}{lag}{times}{error}"
