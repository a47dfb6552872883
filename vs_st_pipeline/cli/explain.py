"""Defines `vs-st why` and `vs-st history`: what a record holds and why, and what has happened to it.

Both are about one record of one route, which the route names by arguments of its own. They show phones and values in
full: the person who asks has the customer on the line. Times are in the merchant's time zone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click

from vs_st_pipeline import routes
from vs_st_pipeline.cli.options import json_option, one_merchant, one_route_option, usable_route
from vs_st_pipeline.cli.output import say, say_json
from vs_st_pipeline.cli.sync import make_run
from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.pipeline.route import Question, Route
from vs_st_pipeline.platform.settings.merchants import Merchant

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def _record_arguments(of: Callable[[Route], Question | None]) -> Callable[[F], F]:
    """Add what names the record: any words, which the route then reads; the usage shows what each route takes."""
    usages = dict.fromkeys(question.usage for route in routes.ROUTES if (question := of(route)))
    return click.argument("words", nargs=-1, metavar=" | ".join(usages))


@click.command(short_help="Show where the values of a record came from.")
@click.option("--merchant", "merchant_id", required=True, metavar="ID", help="Whose record it is.")
@one_route_option
@json_option
@_record_arguments(lambda route: route.why)
def why(merchant_id: str, name: str | None, as_json: bool, words: tuple[str, ...]) -> None:
    """Show where the values of a record came from, or why they are missing; with FIELD for one value alone.

    The answer comes from what the last sync has stored; no system is called. Shows phones, e-mails and all values in
    full.
    """
    merchant = one_merchant(merchant_id)
    route = usable_route(merchant, name, lambda route: route.why, "why")
    assert (why_of := route.why) is not None
    _check(why_of, merchant, words)
    answer = _asked(lambda: why_of.answer(make_run(merchant, route=route.name), words))
    _print(why_of, answer, words, merchant, as_json)


@click.command(short_help="Show what has happened to a record.")
@click.option("--merchant", "merchant_id", required=True, metavar="ID", help="Whose record it is.")
@one_route_option
@click.option(
    "--at",
    metavar="TIME",
    help="What was known at this time, and the values that stood accepted then: 2026-03-31, or 2026-03-31T14:05. "
    "Without an offset it is the winery's own time; a date alone means its end.",
)
@json_option
@_record_arguments(lambda route: route.history)
def history(merchant_id: str, name: str | None, at: str | None, as_json: bool, words: tuple[str, ...]) -> None:
    """Show what has happened to a record, newest last: changed values, refusals, unanswered writes.

    Covers all records that are so named, or were when they were last read; with FIELD for one field alone. Shows phones
    and all values in full: the person who asks has the customer on the line.
    """
    merchant = one_merchant(merchant_id)
    route = usable_route(merchant, name, lambda route: route.history, "history")
    assert (history_of := route.history) is not None
    _check(history_of, merchant, words)
    until = _moment(at, merchant.time_zone) if at else None
    answer = _asked(lambda: history_of.answer(make_run(merchant, route=route.name), words, at=until))
    _print(history_of, answer, words, merchant, as_json)


def _check(question: Question, merchant: Merchant, words: tuple[str, ...]) -> None:
    """Refuse words that are too few, too many, or name no record of the route."""
    needed = [name for name in question.arguments if not name.startswith("[")]
    if len(words) < len(needed):
        raise click.UsageError(f"Missing argument '{needed[len(words)]}'.")
    if more := words[len(question.arguments) :]:
        plural = "s" if len(more) > 1 else ""
        raise click.UsageError(f"Got unexpected extra argument{plural} ({' '.join(more)})")
    _asked(lambda: question.check(merchant, words))


def _asked(answer: Callable[[], T]) -> T:
    try:
        return answer()
    except BadArguments as error:
        raise click.UsageError(str(error)) from None


def _print(question: Question, answer: Any, words: tuple[str, ...], merchant: Merchant, as_json: bool) -> None:
    if as_json:
        say_json(answer)
    else:
        say(*question.lines(answer, words, merchant))


def _moment(text: str, zone: ZoneInfo) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"'{text}' is no time: write it like 2026-03-31 or 2026-03-31T14:05") from None
    if len(text) <= len("2026-03-31"):
        moment = moment.replace(hour=23, minute=59, second=59, microsecond=999_999)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
