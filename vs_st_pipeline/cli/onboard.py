"""Defines `vs-st onboard`: add wineries, one at a terminal or many from a table, and see how each stands."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vs_st_pipeline.cli import terminal
from vs_st_pipeline.cli.help import Sections
from vs_st_pipeline.cli.layout import colored_state
from vs_st_pipeline.cli.options import json_option
from vs_st_pipeline.cli.output import is_terminal, say, say_json, say_table, tell
from vs_st_pipeline.cli.progress import Progress
from vs_st_pipeline.cli.sync import JOBS, clock, is_stopped, stop_soon, the_warehouse
from vs_st_pipeline.cli.whole_numbers import WholeNumber
from vs_st_pipeline.operations.settings import fleet_rates
from vs_st_pipeline.platform.settings.environment import data_dir, settings_path
from vs_st_pipeline.platform.settings.merchants import ID_FORM
from vs_st_pipeline.platform.user import user_name

if TYPE_CHECKING:
    from vs_st_pipeline.operations.onboarding.table import Row
    from vs_st_pipeline.operations.onboarding.walk import Options, Place, RowResult
    from vs_st_pipeline.pipeline.onboarding import StepResult

MOST_NAMED = 5
NO_ID = "an id is 1-63 of a-z, 0-9 and -, no - first, such as hillside-cellars"


@click.group(cls=Sections, invoke_without_command=True, short_help="Add merchants, one by one or from a table.")
@click.option("--merchant", "merchant_id", metavar="ID", help="This merchant; of a table, this row.")
@click.option("--from", "table", metavar="FILE", help="A table of merchants: .csv, .json or .yaml.")
@click.option(
    "--secrets",
    type=click.Choice(["file", "env"]),
    default="file",
    show_default=True,
    help="Keep keys in files beside the merchants file, or expect them in the environment.",
)
@click.option("--accept", "accepted", multiple=True, metavar="WHAT", help="Agree with what does not fit together.")
@click.option("--skip-fields", is_flag=True, help="Do without the custom fields that the account lacks.")
@click.option("--plan/--skip-plan", "plan", default=None, help="Make the dry run, or leave it out.")
@click.option("--enable", is_flag=True, help="Switch each merchant on once all before is done.")
@click.option("--first-sync", is_flag=True, help="Do the first sync at once, not with the schedule.")
@click.option("--jobs", type=WholeNumber(1, 256), default=JOBS, show_default=True, help="Merchants at once.")
@json_option
@click.pass_context
def onboard(
    context: click.Context,
    merchant_id: str | None,
    table: str | None,
    secrets: str,
    accepted: tuple[str, ...],
    skip_fields: bool,
    plan: bool | None,
    enable: bool,
    first_sync: bool,
    jobs: int,
    as_json: bool,
) -> None:
    """Add merchants: keys, accounts, entry, fields, webhooks, plan, first sync. It goes on where it was.

    At a terminal it asks. With --from, --json or without a terminal it never does: a step that wants an answer waits,
    and says with which option it is given. No option takes a key.
    """
    if context.invoked_subcommand is not None:
        return
    from vs_st_pipeline.operations.onboarding.rows import Onboarding, accepted_words
    from vs_st_pipeline.operations.onboarding.walk import Options

    for word in accepted:
        if word not in accepted_words():
            raise click.UsageError(f"there is nothing '{word}' to accept; there is {', '.join(accepted_words())}")
    options = Options(secrets, frozenset(accepted), skip_fields, plan, enable, first_sync, table is not None)
    asks = table is None and not as_json and terminal.can_ask()
    rows = _rows(merchant_id, table, asks=asks)
    place = _place(options, asks=asks)
    work = Onboarding(place, rows)
    with Progress([] if asks else [row.merchant_id for row in rows]) as progress:
        report = (lambda _: None) if asks else (lambda one: progress.done(one.merchant, one))
        try:
            results = work.run(jobs, report, stop_soon)
        except KeyboardInterrupt:
            again = f"`vs-st onboard --merchant {rows[0].merchant_id}`" if asks else "the same command"
            tell(f"stopped; {again} goes on where it was")
            sys.exit(1)
    if as_json:
        say_json({"merchants": [one.as_json() for one in results]})
    elif asks:
        _say_end(results[0])
    else:
        _say_table(results)
    sys.exit(0 if all(one.status == "complete" for one in results) else 1)


@onboard.command(short_help="Show how the onboarding of each merchant stands.")
@click.option("--merchant", "merchant_id", metavar="ID", help="This merchant.")
@json_option
def status(merchant_id: str | None, as_json: bool) -> None:
    """Show how the onboarding of each merchant stands. Calls nobody."""
    from vs_st_pipeline.operations.onboarding.status import keys_without_entry, onboarding_status
    from vs_st_pipeline.operations.settings import read_standing

    file = read_standing(settings_path(os.environ), os.environ)
    results = onboarding_status(data_dir(os.environ), file, [merchant_id] if merchant_id else [])
    listed = {one.merchant for one in results}
    begun = [one for one in keys_without_entry(settings_path(os.environ), file) if one not in listed]
    if merchant_id and not results:
        if merchant_id in begun:
            raise click.UsageError(_only_keys(merchant_id))
        raise click.UsageError(f"nothing is known of an onboarding of '{merchant_id}'; `vs-st onboard` begins one")
    if as_json:
        say_json({"merchants": [one.as_json() for one in results]})
    else:
        _say_table(results)
        say(*(_only_keys(one) for one in begun if merchant_id is None))
    sys.exit(0 if all(one.status == "complete" for one in results) else 1)


def _only_keys(merchant_id: str) -> str:
    return f"{merchant_id}: only its keys are kept, no entry stands; `vs-st onboard --merchant {merchant_id}` goes on"


def _rows(merchant_id: str | None, table: str | None, *, asks: bool) -> list[Row]:
    from vs_st_pipeline.operations.onboarding.rows import table_columns
    from vs_st_pipeline.operations.onboarding.table import Row, read_table

    if merchant_id is not None and not ID_FORM.fullmatch(merchant_id):
        raise click.UsageError(NO_ID)
    if table is not None:
        rows = read_table(Path(table), table_columns())
        if merchant_id is not None:
            rows = [row for row in rows if row.merchant_id == merchant_id]
            if not rows:
                raise click.UsageError(f"{Path(table).name} has no row of '{merchant_id}'")
        return rows
    if merchant_id is None and not asks:
        raise click.UsageError("say whom: --merchant ID, or --from FILE")
    person = terminal.Terminal()
    while merchant_id is None:
        typed = person.ask("Id of the merchant (a-z, 0-9 and -, such as hillside-cellars)")
        if ID_FORM.fullmatch(typed):
            merchant_id = typed
        else:
            person.show(NO_ID)
    return [Row(merchant_id)]


def _place(options: Options, *, asks: bool) -> Place:
    from vs_st_pipeline.operations.onboarding.walk import Place

    clock()  # finds a VS_ST_NOW that is not a time before anything is called
    return Place(
        settings_path(os.environ), os.environ, the_warehouse(), clock, user_name(), fleet_rates(os.environ), options,
        person=terminal.Terminal() if asks else None,
        on_step=_say_step if asks else lambda _merchant, _step, _result: None,
        stop=is_stopped,
    )  # fmt: skip


# --- what is shown ------------------------------------------------------------------------------------------------


def _say_step(merchant_id: str, step: str, result: StepResult) -> None:
    """Show a step as it ends, beside the questions."""
    blanks = " " * (9 - len(result.state))
    tell((colored_state(result.state), f"{blanks}{step:14}  {result.says}"))
    if result.do and result.state == "skipped":  # what to do about a step that ended it is said at the end
        for line in result.do.split("\n"):
            tell(f"{'':25}{line}")


def _say_end(result: RowResult) -> None:
    """Say, on stdout, what came of one merchant at a terminal."""
    stopped = result.stopped_at
    if stopped is None:
        skipped = ", ".join(name for name, one in result.steps.items() if one.state == "skipped")
        told = f"; skipped: {skipped}" if skipped else ""
        say(f"{result.merchant}: {result.status}{told}")
        return
    name, step = stopped
    says = "" if is_terminal(sys.stdout) else f": {step.says}"  # there it stands just above, beside the step
    say(f"{result.merchant}: {result.status} at {name}{says}", *_do_lines(step))
    say(f"`vs-st onboard --merchant {result.merchant}` goes on from there.")


def _say_table(results: Sequence[RowResult]) -> None:
    """Say, on stdout, what came of all, and then what a person does about those that are not complete."""
    rows = [(one.merchant, colored_state(one.status), *_where(one)) for one in results]
    if rows:
        say_table(("merchant", "status", "step", "says"), rows)
    missing = [
        (one.merchant, row["label"], row["type"])
        for one in results
        if one.status != "complete"
        for row in one.missing_fields
    ]
    if missing:
        say("", "Custom fields that the accounts lack; make them exactly as they stand here, or leave them out:")
        say_table(("merchant", "label", "type"), missing)
    _say_planned(results)
    for (step, do), names in _to_do(results).items():
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        say("", f"{step}, {', '.join(names[:MOST_NAMED])}{more}:", *(f"  {line}" for line in do.split("\n")))
    for one in results:
        told = one.steps.get("confirmation")
        if told is not None and told.state == "skipped" and not one.again:  # nobody else is told, so it is printed
            say("", told.says)
    counts = [f"{sum(one.status == state for one in results)} {state}" for state in ("complete", "waiting", "failed")]
    say("", ", ".join(counts))


def _say_planned(results: Sequence[RowResult]) -> None:
    """Say what would be written of those that are not switched on yet."""
    from vs_st_pipeline.operations.onboarding.walk import in_words

    planned = [(one.merchant, in_words(one.planned)) for one in results if one.planned and one.status != "complete"]
    if planned:
        say(
            "",
            "What was planned; at a terminal `vs-st onboard --merchant ID --plan` shows whom, what, and who is held:",
        )
        say_table(("merchant", "planned"), planned)


def _to_do(results: Sequence[RowResult]) -> dict[tuple[str, str], list[str]]:
    """Return what is to be done, and for whom."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in results:
        if one.stopped_at is not None and one.stopped_at[1].do:
            found.setdefault((one.stopped_at[0], one.stopped_at[1].do), []).append(one.merchant)
    return found


def _where(one: RowResult) -> tuple[str, str]:
    return ("", "") if one.stopped_at is None else (one.stopped_at[0], one.stopped_at[1].says)


def _do_lines(step: StepResult) -> list[str]:
    return [f"  {line}" for line in step.do.split("\n")] if step.do else []
