"""Takes the steps that are the same for every route: accounts, names, entry, webhooks, plan, sync.

A step looks first at what is there: what stands is not asked for and not made again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from vs_st_pipeline.domain.errors import BadKey, BadSettings
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.report import FAILED as RUN_FAILED
from vs_st_pipeline.domain.report import PARTIAL, Report
from vs_st_pipeline.operations.merchant_files import NotChanged, change, create, lines_to_paste
from vs_st_pipeline.operations.onboarding import confirming, hooks
from vs_st_pipeline.operations.onboarding.keys import keys_of, name_of, reference_of, take_secrets, value_behind
from vs_st_pipeline.operations.onboarding.table import NAME, TIME_ZONE
from vs_st_pipeline.operations.onboarding.walk import Walk, in_words, revealed
from vs_st_pipeline.pipeline.onboarding import DONE, SKIPPED, WAITING, StepResult, failed
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.connector import AccountSeen, Connector
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.settings.secrets import SecretError, names_scheme
from vs_st_pipeline.platform.settings.time_zones import find_zone, nearest_zone

SECRETS, NAMES, ENTRY, WEBHOOKS = "secrets", "names", "entry", "webhooks"
PLAN, SYNC, CONFIRMATION = "plan", "sync", "confirmation"
SHARED_ACCOUNT: Final = "shared_account"
NO_OVERLAP: Final = "no_overlap"
FIRST_BUDGET: Final = 500
_PLAN_LINES: Final = 40

Take = Callable[[Walk], StepResult]


def steps_of(routes: Sequence[Route]) -> dict[str, Take]:
    """Return the steps of one merchant of these routes by name, in their order."""
    seen: dict[str, AccountSeen] = {}
    setups = [route.setup for route in routes]
    steps: dict[str, Take] = {SECRETS: take_secrets}
    for connector in dict.fromkeys(one for route in routes for one in route.connectors):
        if connector.setup is not None:
            steps[connector.name] = partial(_take_account, connector, seen)
    steps[NAMES] = partial(_take_names, seen)
    for step in (one for setup in setups for one in setup.before_entry):
        steps[step.name] = partial(_take_own, step.take)
    steps[ENTRY] = _take_entry
    for step in (one for setup in setups for one in setup.after_entry):
        steps[step.name] = partial(_take_own, step.take)
    return steps | {
        WEBHOOKS: hooks.take_webhooks,
        PLAN: _take_plan,
        SYNC: _take_sync,
        CONFIRMATION: confirming.take_confirmation,
    }


def _take_own(take: Callable[..., StepResult], walk: Walk) -> StepResult:
    return take(walk.candidate)


# --- the accounts -------------------------------------------------------------------------------------------------


def _take_account(connector: Connector[Any], seen: dict[str, AccountSeen], walk: Walk) -> StepResult:
    assert connector.setup is not None
    try:
        found = connector.setup.look(walk.candidate.session.client(connector), walk.candidate.merchant)
    except BadKey as error:
        walk.key_files.note_refused(connector.name, refused=True)
        names = " and ".join(name_of(walk, key) for one, key in keys_of(walk) if one is connector)
        return failed(error, f"ask for the right {names}, and run it again")
    walk.key_files.note_refused(connector.name, refused=False)
    seen[connector.name] = found
    if found.lacks:
        return StepResult(WAITING, found.lacks, f"set it up in {connector.title}, and run it again")
    return StepResult(DONE, found.says)


def _take_names(seen: dict[str, AccountSeen], walk: Walk) -> StepResult:
    """Compare what the accounts say with what was given; nobody is written who is another one than is meant."""
    names = [one.name for one in seen.values() if one.name]
    disagrees = {word: says for one in seen.values() for word, says in one.disagrees.items()}
    name = _name(walk, names)
    differing = [other for other in names if _plain(other) != _plain(name)]
    if differing:
        disagrees = {NAME: f"the account's name is {differing[0]}, not {name}", **disagrees}
    if (shared := _shared(walk)) is not None:
        disagrees[SHARED_ACCOUNT] = shared
    if (waits := walk.candidate.agrees(disagrees)) is not None:
        return waits
    if walk.candidate.entry is not None:
        walk.candidate.entry[NAME] = name
    return StepResult(DONE, name)


def _name(walk: Walk, names: list[str]) -> str:
    if walk.standing is not None:
        return walk.standing.name
    given, person = walk.row.columns.get(NAME), walk.place.person
    if given is None and person is not None:
        return person.ask("Name", names[0] if names else walk.id) or walk.id
    return given or (names[0] if names else walk.id)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _shared(walk: Walk) -> str | None:
    """Say who else speaks with one of the merchant's keys, if nobody agreed to it."""
    for connector, key in keys_of(walk):
        value = revealed(walk.candidate.merchant.sections.get(connector.name), key.setting)
        if value is not None and (other := walk.owners(connector.name, key.setting, value)) is not None:
            return f"{other} has the same {key.asks}"
    return None


# --- the entry ----------------------------------------------------------------------------------------------------


def _take_entry(walk: Walk) -> StepResult:
    if walk.standing is not None:
        _remember(walk)
        differs = differences(walk)
        if not differs:
            return StepResult(DONE, "it stands")
        return StepResult(
            WAITING,
            f"an entry stands, and says something else: {', '.join(differs)}",
            "it is not changed: change it there, or the table",
        )
    entry, person = walk.candidate.entry, walk.place.person
    assert entry is not None
    zone = walk.row.columns.get(TIME_ZONE)
    while zone is None and person is not None:
        zone = person.ask("Time zone", walk.candidate.merchant.time_zone.key)
        if find_zone(zone) is None:  # asked again, or all that was answered before would be asked again
            person.show(f"no such time zone; write one such as {nearest_zone(zone)}")
            zone = None
    if zone is not None:
        entry[TIME_ZONE] = zone
    whole = _in_order(entry)
    walk.candidate.entry = whole
    walk.draft()  # before anything is written, our reader has read it
    _remember(walk)
    failpoint("onboarding")
    try:
        with walk.lock:
            file = create(walk.place.path, whole, walk.place.environ)
    except NotChanged as error:
        return StepResult(WAITING, error.why, "\n".join(error.lines))
    failpoint("onboarding")
    walk.reread()
    return StepResult(DONE, f"written to {file.parent.name}/{file.name}, disabled")


def _remember(walk: Walk) -> None:
    """From now on what was decided may be kept (H40)."""
    walk.place.warehouse.folder(walk.id)
    walk.memory.on_disk = True
    walk.memory.save()


def _in_order(entry: dict[str, Any]) -> dict[str, Any]:
    first = [key for key in ("id", NAME, "enabled", TIME_ZONE) if key in entry]
    return {key: entry[key] for key in [*first, *(key for key in entry if key not in first)]}


def differences(walk: Walk) -> list[str]:
    """Return the columns of the row that say something else than the entry that stands."""
    merchant, columns = walk.standing, walk.row.columns
    assert merchant is not None
    differs = [NAME] if columns.get(NAME, merchant.name) != merchant.name else []
    if columns.get(TIME_ZONE, merchant.time_zone.key) != merchant.time_zone.key:
        differs.append(TIME_ZONE)
    for connector, key in keys_of(walk):
        column, settings = columns.get(key.column), merchant.sections.get(connector.name)
        if column is not None and not _same_key(walk, column, getattr(settings, key.setting, None)):
            differs.append(key.column)
    return [*differs, *(name for route in walk.routes for name in _differs(route.setup.differs, walk))]


def _differs(differs: Callable[..., list[str]], walk: Walk) -> list[str]:
    try:
        return differs(walk.standing, walk.row.columns)
    except (BadSettings, LookupError):  # the entry has no usable settings of that route
        return []


def _same_key(walk: Walk, column: str, stands: Any) -> bool:
    if stands is None:
        return False
    try:
        if names_scheme(column):
            return reference_of(walk, column) == stands.reference or value_behind(walk, column) == str(stands.reveal())
        return bool(column == stands.reveal())
    except (SecretError, BadSettings):
        return False


# --- plan and sync ------------------------------------------------------------------------------------------------


def _take_plan(walk: Walk) -> StepResult:
    """Make the dry run, which goes on where an earlier one was; nothing is written at any system."""
    options, kept = walk.options, walk.memory.content
    walk.planned = kept.planned
    if options.plan is False:
        return StepResult(SKIPPED, "not planned (--skip-plan)")
    if options.plan is None and kept.planned is not None:
        shows = "; --plan shows it again" if walk.place.person is not None else ""
        return StepResult(DONE, f"planned before: {in_words(kept.planned)}{shows}")
    if options.plan is None and options.from_table:
        return StepResult(SKIPPED, "not planned (--plan)")
    found: dict[str, dict[str, Any]] = {}
    for route in walk.on_routes():
        if walk.place.person is not None:
            walk.place.person.show("Rehearsing: all is read once, which may take minutes; nothing is written ...")
        run = walk.run_of(route, dry_run=True)
        report, rows = route.dry_run.run(run)
        walk.count(report)
        if report.status == RUN_FAILED and report.error is not None:
            return failed(report.error, "run it again: it goes on where it was")
        found[route.name] = report.as_json()["planned"]
        if walk.place.person is not None:
            _show_plan(walk, route.dry_run.lines(report, rows, walk.id))
        if (says := route.setup.no_overlap(run)) and (waits := walk.candidate.agrees({NO_OVERLAP: says})):
            return waits
    planned = next(iter(found.values())) if len(found) == 1 else found
    walk.planned = kept.planned = planned
    return StepResult(DONE, in_words(planned))


def _show_plan(walk: Walk, lines: list[str]) -> None:
    """Show the dry run, all of it if the person wants that before it switches the merchant on."""
    person = walk.place.person
    assert person is not None
    person.show(*lines[:_PLAN_LINES])
    if more := lines[_PLAN_LINES:]:
        question = f"There are {counted(len(more), 'lines')} more, last who is held back. p shows them, Enter goes on"
        if person.ask(question).casefold() == "p":
            person.show(*more)


def _take_sync(walk: Walk) -> StepResult:
    """Switch the merchant on, if a person wants that; the schedule does the rest."""
    options, person = walk.options, walk.place.person
    told = "enabled before"
    if not walk.candidate.merchant.enabled:
        question = f"Switch {walk.id} on? From then on its contacts are written"
        if not options.enable and not (person is not None and person.agrees(question)):
            return StepResult(WAITING, "it is not enabled yet", "--enable")
        try:
            with walk.lock:
                change(walk.place.path, walk.id, {"enabled": True}, walk.place.environ)
        except NotChanged as error:
            return StepResult(WAITING, error.why, "\n".join(error.lines or lines_to_paste({"enabled": True})))
        failpoint("onboarding")
        walk.go_on_with(replace(walk.candidate.merchant, enabled=True))
        told = "enabled"
    unsynced = [route for route in walk.on_routes() if not walk.synced_well(route.name)]
    question = "Do the first sync now? Otherwise the schedule does it"
    if not unsynced or not (options.first_sync or (person is not None and person.agrees(question, default=True))):
        return StepResult(DONE, f"{told}; the schedule does the rest" if unsynced else f"{told}, and synced")
    written = []
    for route in unsynced:
        report = route.sync(walk.run_of(route, budget=FIRST_BUDGET))
        walk.count(report)
        if report.status == RUN_FAILED and report.error is not None:
            return failed(report.error, "run it again, or leave it to the schedule")
        written.append(_synced(report, route.records))
    return StepResult(DONE, f"{told}; {', '.join(written)}")


def _synced(report: Report, records: str) -> str:
    partial_ = f", {report.rejected} refused, {report.unknown} unknown" if report.status == PARTIAL else ""
    return f"{report.accepted} {records} written{partial_}"
