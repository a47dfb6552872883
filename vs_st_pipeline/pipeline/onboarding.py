"""Describes how a merchant is onboarded, as connectors, routes and the generic steps see it: one row, its steps.

Connectors say which keys are asked for and look at the account (`platform.connector.AccountSetup`). A route adds steps
of its own (`RouteSetup`), before the merchant's entry is written and after it. The rest, and the order, is generic
(`operations.onboarding`): routes.md R14.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Protocol

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.pipeline.session import Session
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant

DONE: Final = "done"
WAITING: Final = "waiting"
SKIPPED: Final = "skipped"
FAILED: Final = "failed"
NOT_REACHED: Final = "not_reached"


@dataclass(frozen=True, slots=True)
class StepResult:
    """How a step ended for one merchant.

    Attributes:
        state: one of the words above. says: what was found. do: what a person does, several lines where those are to
            be pasted; `""` where nothing has to be done.
        error: why it failed.
    """

    state: str
    says: str = ""
    do: str = ""
    error: PipelineError | None = None

    @property
    def goes_on(self) -> bool:
        """Say whether the next step may be taken."""
        return self.state in (DONE, SKIPPED)


def failed(error: PipelineError, do: str = "") -> StepResult:
    """Return the result of a step that an error ended."""
    return StepResult(FAILED, str(error.as_report()["message"]), do, error)


class Person(Protocol):
    """Somebody at a terminal, who is asked and shown things."""

    def ask(self, question: str, default: str = "") -> str:
        """Return what is typed, without outer blanks; the default where nothing is."""
        ...

    def ask_secret(self, question: str) -> str:
        """Return what is typed, unseen."""
        ...

    def agrees(self, question: str, *, default: bool = False) -> bool: ...

    def show(self, *lines: str) -> None: ...

    def show_table(self, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None: ...


class Said(Protocol):
    """What is kept of a merchant's onboarding: what a person decided, and who was told."""

    @property
    def accepted(self) -> list[str]: ...

    @property
    def skipped(self) -> dict[str, list[str]]: ...

    def record(self, what: str) -> None:
        """Note that a person said something: who, and when."""
        ...


@dataclass(slots=True)
class Candidate:
    """One merchant while it is onboarded.

    Attributes:
        columns: what the table says of it, by column; what is not said is not there.
        sections: what the table says besides, as an entry has it.
        entry: the entry that will be written, as far as it is made; None where one stands.
        session: its clients; the merchant of its run has the keys, and is the standing entry's once there is one.
        person: who is asked; None: nobody, a step that wants an answer waits.
        kept: what is kept of it.
        agreed: words of `--accept`. skip_fields: as the option says.
        missing_fields: what a person must make at the destination.
    """

    merchant_id: str
    columns: Mapping[str, str]
    sections: Mapping[str, Any]
    entry: dict[str, Any] | None
    session: Session
    kept: Said
    person: Person | None = None
    agreed: frozenset[str] = frozenset()
    skip_fields: bool = False
    missing_fields: list[dict[str, str]] = field(default_factory=list)

    @property
    def run(self) -> Run:
        return self.session.run

    @property
    def merchant(self) -> Merchant:
        return self.session.run.merchant

    def today(self) -> date:
        """Return the date in the merchant's zone."""
        return self.session.run.today()

    def agrees(self, disagrees: Mapping[str, str]) -> StepResult | None:
        """Ask a person to agree with what does not fit together; None where all is agreed with.

        Args:
            disagrees: a sentence each, by the word of `--accept`. What was agreed with once is not asked for again.
        """
        open_ = {word: says for word, says in disagrees.items() if word not in self.kept.accepted}
        for word, says in list(open_.items()):
            if word in self.agreed or (self.person is not None and self.person.agrees(f"{says}. Is that right?")):
                self.kept.accepted.append(word)
                del open_[word]
        if not open_:
            return None
        options = " ".join(f"--accept {word}" for word in open_)
        return StepResult(WAITING, "; ".join(open_.values()), f"put it right, or agree to it: {options}")


@dataclass(frozen=True, slots=True)
class RouteStep:
    """A step that one route adds."""

    name: str
    take: Callable[[Candidate], StepResult]


@dataclass(frozen=True, slots=True)
class RouteSetup:
    """How a route is onboarded, beside what its connectors ask for.

    Attributes:
        columns: of a table of merchants, that its steps read.
        before_entry: steps that look before anything is written, and may add to the entry.
        after_entry: steps that look at the accounts once the entry stands.
        differs: a merchant that stands, columns -> names of the columns that say something else.
        no_overlap: after a dry run, why its result can hardly be meant; None where it can.
    """

    columns: tuple[str, ...] = ()
    before_entry: tuple[RouteStep, ...] = ()
    after_entry: tuple[RouteStep, ...] = ()
    differs: Callable[[Merchant, Mapping[str, str]], list[str]] = lambda _merchant, _columns: []
    no_overlap: Callable[[Run], str | None] = lambda _run: None
