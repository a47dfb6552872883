"""Holds a plan of a state route while it is made: each target, what the comparison found, and the totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from vs_st_pipeline.domain.brake import Verdict, refusal
from vs_st_pipeline.domain.diff import LedgerEntry
from vs_st_pipeline.domain.plan import UNREADABLE, Change, Wanted
from vs_st_pipeline.domain.refs import Ref


class Live(Protocol):
    """What the destination holds of a record, as it was last read."""

    @property
    def read_run(self) -> str:
        """Return the run that read it last."""

    @property
    def body_hash(self) -> str:
        """Return what changes whenever the record does."""

    def value(self, kind: str, key: str) -> str:
        """Return the text of a field; empty where there is none."""


class Planned(Protocol):
    """What is kept of a record of the destination for the next plan, so that it is made again only where it must be.

    Attributes are as in `planned.inputs`.
    """

    @property
    def ref(self) -> Ref:
        """Return the record."""

    @property
    def named(self) -> str | None:
        """Return the subject that the record itself says it stands for; `-1` where that is no id, None for none."""

    @property
    def written(self) -> str | None:
        """Return the subject that the ledger says it stands for, None where it says nothing else than `named`."""

    @property
    def subjects(self) -> Sequence[str]:
        """Return the subjects that it may stand for."""

    @property
    def share(self) -> str | None:
        """Return what it wants that at most one record may have, None for nothing."""


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A record of the destination that stands for nothing at the source. Attributes as in `Target`."""

    ref: Ref
    phone: str | None = None
    named: str | None = None
    written: str | None = None
    subjects: tuple[str, ...] = ()
    share: None = None


@dataclass(slots=True)
class Target:
    """One record of the destination that stands for a record of the source, while the plan is made.

    Attributes:
        subject: the source's record. linked_by: what links the two.
        phone: what people know it by, where it has one.
        live: what it says now; None where it is held back, and so is not looked at.
        wanted: what it should say; None where it is held back, or not all was read that decides it.
        held: why nothing may be written to it.
        unreadable: a record of it cannot be read now.
        subject_at: how new what is known of the subject is, as sortable text: with newer news a loss may be right.
        evidence: what else a write rests on, as the route knows it; kept beside the write.
        candidates: ids of all subjects that it may stand for, where it is held back before one was chosen.
        named, written, share: as in `Planned`.
    """

    ref: Ref
    subject: Ref
    linked_by: str
    phone: str | None = None
    live: Live | None = None
    wanted: list[Wanted] | None = None
    held: str | None = None
    unreadable: bool = False
    notes: set[str] = field(default_factory=set)
    subject_at: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    candidates: tuple[str, ...] = ()
    named: str | None = None
    written: str | None = None
    share: str | None = None

    @property
    def subjects(self) -> Sequence[str]:
        """Return the ids of the subjects that it may stand for: of one that is held back none was chosen."""
        return self.candidates if self.held and self.candidates else (self.subject.id,)

    @property
    def noted(self) -> list[str]:
        """Return its notes; of one that is held back only that a record of it cannot be read."""
        return [*([] if self.held else sorted(self.notes)), *[UNREADABLE] * self.unreadable]


@dataclass(slots=True)
class Differences:
    """What the comparison of some targets found, by target.

    Attributes:
        changes: what is to be written. would_change: the same with what waits for another try.
        learned: target, field, what was sent, what it is stored as.
        accepted: the ledger of all targets that were compared.
    """

    changes: dict[Ref, list[Change]] = field(default_factory=dict)
    would_change: dict[Ref, list[Change]] = field(default_factory=dict)
    learned: list[tuple[Ref, str, str, str]] = field(default_factory=list)
    accepted: dict[Ref, dict[str, LedgerEntry]] = field(default_factory=dict)


@dataclass(slots=True)
class Plan:
    """A plan's totals; its rows are in `planned`.

    Attributes:
        targets: how many have something to write. fields: how many values that is.
        unmatched: records of the destination that stand for nothing at the source.
        held, noted: targets by reason.
        missing_fields: fields of the map that the account lacks.
        verdicts: what the brake says, nothing if it did not trip.
        looked_at: targets that were planned anew; the others are planned as before.
        losing: of a plan of a few targets, those that would lose something.
    """

    targets: int = 0
    fields: int = 0
    unmatched: int = 0
    held: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    missing_fields: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    looked_at: int = 0
    losing: set[Ref] = field(default_factory=set)

    @property
    def unsafe(self) -> str | None:
        """Return the brake's sentence, None if it did not trip."""
        return refusal(self.verdicts)
