"""Describes a route as the rest of the house sees it: what it joins, its stages and assets, and what it can be asked.

A route is a value, made once in `routes/<route>/__init__.py` and listed in `routes.ROUTES`. Generic rooms are handed
routes and never import one: assets, checks, jobs, commands, the fleet's page and the report are made from these values.
What a route leaves out, such as `why`, is a command that it does not have.

It is long because all that a route may be asked stands in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Protocol

from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.checks import Check
from vs_st_pipeline.pipeline.demo import Demo
from vs_st_pipeline.pipeline.hinted import Hinted
from vs_st_pipeline.pipeline.onboarding import RouteSetup
from vs_st_pipeline.pipeline.own_commands import OtherName, OwnCommand, OwnJob, Told
from vs_st_pipeline.pipeline.pages import Page
from vs_st_pipeline.pipeline.session import StageDone
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import MOST_MEMORY_MB, SHARED, Layout, Legacy, Lineage, read_lineage

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asset:
    """What a stage makes.

    Attributes:
        key: with slashes. stage: the stage that makes it.
        deps: keys of the assets that it is made from.
        kinds: what it is made with, for the picture.
        system: made only of merchants whose entry names this one, where the route's merchants may lack it.
    """

    key: str
    stage: str
    description: str
    deps: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
    system: str | None = None


class RunStages(Protocol):
    """Runs these stages for one merchant, in their order; never raises, what went wrong is in the report."""

    def __call__(
        self, run: Run, selected: Collection[str], on_stage: Callable[[StageDone], None] = ..., /
    ) -> Report: ...


@dataclass(frozen=True, slots=True)
class DryRun:
    """`vs-st plan`: all stages but the one that writes.

    Attributes:
        run: returns the report, and the plan row by row, with phones and values in full.
        nothing: the rows of a merchant that has no plan.
        lines: says a report and its rows in lines; the last argument is how the merchant is named.
    """

    run: Callable[[Run], tuple[Report, Record]]
    nothing: Record
    lines: Callable[[Report, Record, str], list[str]]


class Checked(Protocol):
    """What `vs-st check` found for one merchant and route."""

    errors: list[Any]
    doubts: list[str]

    def as_json(self) -> Record: ...

    def lines(self, name: str) -> list[str]:
        """Say it for people; the first line begins with how the merchant is named."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """`vs-st why` or `vs-st history`: a question about one record, answered from what is stored.

    Attributes:
        arguments: what names the record, as the usage shows it; those in brackets may be left out.
        answer: run and arguments -> the answer for `--json`; `history` besides gets `at`, a time or None. Raises
            `BadArguments` where there is no such record and the route says so.
        lines: the same answer for people.
        check: raises `BadArguments` where the arguments name no record of this route; called before anything is opened.
    """

    arguments: tuple[str, ...]
    answer: Callable[..., Record]
    lines: Callable[[Record, Sequence[str], Merchant], list[str]]
    check: Callable[[Merchant, Sequence[str]], None] = lambda _merchant, _words: None

    @property
    def usage(self) -> str:
        return " ".join(self.arguments)


@dataclass(frozen=True, slots=True)
class Again:
    """What `vs-st retry` is asked to try again: these records, or all with this code, or all that wait."""

    records: tuple[str, ...] = ()
    code: str | None = None
    drop: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """`vs-st retry`: try again now what waits.

    Attributes:
        usage: what names records, such as `[PHONE]`.
        takes: whether a word names a record of this route and not a merchant.
        go: tries again; returns None where nothing waits, and then no system was called.
        most: records that can be named at once; None for any number.
        nothing: what is said where nothing waits: of all records, and of those that were named.
        find: returns what would be tried, a line each; then a person is asked first, and `--all` is refused (R29).
        can_drop: whether it knows `--drop`.
    """

    usage: str
    takes: Callable[[str], bool]
    go: Callable[[Run, Again], Report | None]
    most: int | None = 1
    nothing: tuple[str, str] = ("nothing waits", "nothing of that name waits")
    find: Callable[[Run, Again], list[str]] | None = None
    can_drop: bool = False


@dataclass(frozen=True, slots=True)
class HistoryAgain:
    """`vs-st sync --history-again`: what was told once, for good, is told once more.

    Attributes:
        parts: what may be named. begin: run and names (none: all) -> nothing; the sync after it does it.
        asks: what a person must agree to.
    """

    parts: tuple[str, ...]
    begin: Callable[[Run, Collection[str]], None]
    asks: str


class Compared(Protocol):
    """What `vs-st reconcile` found for one merchant and route."""

    @property
    def status(self) -> str: ...

    @property
    def seconds(self) -> float: ...

    @property
    def agrees(self) -> bool: ...

    def as_json(self) -> Record: ...

    def lines(self) -> list[str]:
        """Say it for people; the first line begins with the merchant's name."""
        ...


@dataclass(frozen=True, slots=True)
class Reconcile:
    """`vs-st reconcile`: compare what is wanted, what was accepted and what stands at the destination.

    Attributes:
        compare: run and sample (None: all) -> what was found; never raises.
        failed: the same for a merchant that could not be asked.
    """

    compare: Callable[[Run, int | None], Compared]
    failed: Callable[[Report], Compared]


@dataclass(frozen=True, slots=True)
class Person:
    """Whom `vs-st forget` is about: exactly one of these is given."""

    phone: str | None = None
    email: str | None = None
    customer: str | None = None


@dataclass(frozen=True, slots=True)
class Forget:
    """This route's part of `vs-st forget`.

    Attributes:
        counts: what is counted of a person, in the words of `find`'s keys, as they are told.
        knows: whether the person can be looked for by what was given.
        find: what is stored of the person, by what it is. forget: the same, after it was erased.
        elsewhere: what a person must still erase by hand, a sentence each.
        there: where this person is, as far as is stored, a sentence each; asked before anything is erased.
    """

    counts: tuple[str, ...]
    knows: Callable[[Person], bool]
    find: Callable[[Run, Person], dict[str, int]]
    forget: Callable[[Run, Person], dict[str, int]]
    elsewhere: tuple[str, ...] = ()
    there: Callable[[Run, Person], list[str]] = lambda _run, _person: []


@dataclass(frozen=True, slots=True)
class Registering:
    """`vs-st connect` and `vs-st disconnect`: a destination at which a shop is registered once, and taken out again.

    Attributes:
        connect: registers a merchant now. disconnect: takes it out; `force`: untold.
        stand_in_for: returns a merchant that is out of the file, as far as its registration is remembered.
        is_registered: data folder's warehouse and merchant's id -> whether there is anything to take out.
        asks: what a person agrees with before a merchant is taken out.
    """

    connect: Callable[[Run], Told]
    disconnect: Callable[..., Told]
    stand_in_for: Callable[[Merchant, Warehouse], Merchant]
    is_registered: Callable[[Warehouse, str], bool]
    asks: str


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """What joins systems.

    Attributes:
        name: its word on the command line, in reports and in asset keys.
        connectors: the systems that it reads or writes, in the order in which reports name them. The first is the one
            whose rate says how often a fleet of merchants can be synced.
        needs: names of the sections that a merchant's entry must name to have this route; of each set one will do.
        settings: what the route's own section may hold, or which keys of an entry are the route's; None: nothing.
        toolkits: tables of the toolkits that it is made of, such as `once.schema.ONCE`.
        memory_mb: how much DuckDB may take for its files, if it is known how little will do.
        migrations: the folder of its own tables' numbered SQL; None where it needs none.
        legacy: how its file was made before each owner had a lineage of its own.
        does: what it does, as the end of a sentence that begins with "Keep".
        records: what it writes, in the plural: contacts, orders.
        stages: every stage by name, in the order in which they are run.
        writes: the stage that writes at a destination, which a dry run leaves out.
        assets: what the stages make. checks: what is checked of them. pages: what their pages show, by asset.
        report: merchant's id and run's id -> the report of a run that has not done anything yet.
        hinted: how it takes hints; None where it only polls.
        setup: what onboarding a merchant needs besides what its connectors ask for.
        next_due_at: data folder and merchant's id -> when it is due, None: now. Without it, the merchant is due as
            often as the settings of the fleet say.
        outcome: a run and the id of a sync -> what that sync wrote and what it left alone, masked lines for the demo.
        under_way: warehouse and merchant's id -> what must not be interrupted by `vs-st offboard`, a sentence each.
        leave: warehouse and merchant's id -> nothing: what is kept of the merchant outside of its folder goes, but what
            must outlive it. Called when it is removed, before its folder.
        count_stored: warehouse and merchant's id -> how many records are kept; raises where it cannot be read.
        map_names: names that its field map may use in `from`, and what each is.
        carried: tables that `vs-st rebuild` carries over, and which of their rows: what no system can tell again.
        commands: what only this route can be asked, under its name; and the house's commands as it calls them.
        asked: what they are about, in one short line for the list of commands.
        jobs: what only this route can be asked in Dagster.
        demo: how it is shown on made-up merchants; None: it is not.
        open_advice: what a person does about records that were refused or stand open; `""`: `vs-st why`, `vs-st retry`.
        refused: how its records are called that were refused and stand open, after their number.
        held_advice: what a person does about what its reports call `held_up`.
        progress: data folder and merchant's id -> how far something long is, a few words for `vs-st merchants`;
            `""` where nothing is under way.
        history_again: how what is told once for good is told again; None: nothing is.
        registering: how a merchant is registered at the destination, where that must be done once.
        accounts: a merchant -> ids of the accounts that several merchants may share, by which it sends.
        waiting: a run -> what waits in the route's own tables, by what it is; `vs-st inbox --route` shows it too.
        words: what each word that its reports and answers count means, and what a person does about it, by where it
            stands: `held`, `noted`, ...
        alerts: the word (the first one) of each message that people are told besides how runs end, and what it is.
    """

    name: str
    connectors: tuple[Connector[Any], ...]
    needs: tuple[frozenset[str], ...]
    does: str
    records: str
    stages: tuple[str, ...]
    writes: str
    assets: tuple[Asset, ...]
    report: Callable[[str, str], Report]
    run_stages: RunStages
    dry_run: DryRun
    check: Callable[[Run], Checked]
    cannot_check: Callable[[str, Any], Checked]
    checks: tuple[Check, ...] = ()
    pages: Mapping[str, Page] = field(default_factory=dict)
    why: Question | None = None
    history: Question | None = None
    retry: Retry | None = None
    reconcile: Reconcile | None = None
    forget: Forget | None = None
    hinted: Hinted | None = None
    setup: RouteSetup = RouteSetup()
    next_due_at: Callable[[Path, str], datetime | None] | None = None
    outcome: Callable[[Run, str], list[str]] = lambda _run, _run_id: []
    under_way: Callable[[Warehouse, str], list[str]] = lambda _warehouse, _merchant: []
    leave: Callable[[Warehouse, str], None] = lambda _warehouse, _merchant: None
    count_stored: Callable[[Warehouse, str], int] = lambda _warehouse, _merchant: 0
    map_names: Mapping[str, str] = field(default_factory=dict)
    carried: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[OwnCommand | OtherName, ...] = ()
    asked: str = ""
    jobs: tuple[OwnJob, ...] = ()
    demo: Demo | None = None
    open_advice: str = ""
    refused: str = "refused"
    held_advice: str = ""
    history_again: HistoryAgain | None = None
    registering: Registering | None = None
    progress: Callable[[Path, str], str] = lambda _data_dir, _merchant: ""
    accounts: Callable[[Merchant], Collection[str]] = lambda _merchant: ()
    waiting: Callable[[Run], Record] | None = None
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    alerts: Mapping[str, str] = field(default_factory=dict)
    settings: type[SettingsModel] | None = None
    toolkits: tuple[Lineage, ...] = ()
    memory_mb: int = MOST_MEMORY_MB
    migrations: Traversable | None = None
    legacy: Legacy | None = None

    def is_on(self, merchant: Merchant) -> bool:
        """Say whether this route is to be run for a merchant."""
        return merchant.enabled and self.name in merchant.routes

    @property
    def paced_by(self) -> str:
        """Return the name of the system whose rate says how often a fleet of merchants can be synced."""
        return self.connectors[0].name

    def sync(self, run: Run) -> Report:
        """Run all stages for one merchant: the main job."""
        return self.run_stages(run, self.stages)

    def made_by(self, stage: str) -> tuple[str, ...]:
        """Return the keys of the assets that a stage makes."""
        return tuple(asset.key for asset in self.assets if asset.stage == stage)

    def lacked_by(self, merchant: Merchant) -> frozenset[str]:
        """Return the keys of the assets that are never made of a merchant, because it lacks their system."""
        lacks = (asset for asset in self.assets if asset.system is not None and asset.system not in merchant.sections)
        return frozenset(asset.key for asset in lacks)

    def stages_for(self, assets: Iterable[str], *, dry_run: bool) -> list[str]:
        """Return the stages that make these assets, in their order; a dry run ends before anything is written."""
        wanted = set(assets)
        return [
            stage
            for stage in self.stages
            if not wanted.isdisjoint(self.made_by(stage)) and not (dry_run and stage == self.writes)
        ]


def layout_of(route: Route) -> Layout:
    """Return what this route's files hold: what all share, its toolkits' and connectors' tables, and its own."""
    own = [(connector.name, connector.migrations) for connector in route.connectors]
    own.append((route.name, route.migrations))
    return Layout(
        (SHARED, *route.toolkits, *(read_lineage(owner, folder) for owner, folder in own if folder)),
        route.legacy,
        tuple((connector.name, stream) for connector in route.connectors for stream in connector.streams),
        route.memory_mb,
    )
