"""Syncs only what is hinted at, for a `Story`: the same way as a whole sync, restricted to the hinted records (H20).

Data flow: claimed hints -> once.hints -> one read each -> their items -> once.outbox -> the destination -> outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.hints import Hint as InboxHint
from vs_st_pipeline.domain.hints import Outcome
from vs_st_pipeline.domain.single_reads import SingleReads
from vs_st_pipeline.pipeline.hinted import HintDesk
from vs_st_pipeline.pipeline.once import hints
from vs_st_pipeline.pipeline.once.hints import Hint
from vs_st_pipeline.pipeline.session import Session
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db


@dataclass(frozen=True, slots=True)
class Looked:
    """What a read of one record found; it is stored when this is returned.

    Attributes:
        entity: whose items may have changed; None where there are none.
        news: it was not what was stored. gone: it answered 404, and no list has it.
    """

    entity: str | None
    news: bool = True
    gone: bool = False


@dataclass(frozen=True, slots=True)
class HintedReads:
    """How a `Story` reads what is hinted at.

    Attributes:
        wants: kinds of records by system.
        read: reads one record into raw, in one request.
    """

    wants: Mapping[str, frozenset[str]]
    read: Callable[[Session, Hint], Looked]


@dataclass(slots=True)
class Answered:
    """What came of the reads of one sync.

    Attributes:
        looked: what each read found. failed: why a record could not be read; its hint waits.
        over: hints that may not be asked for now.
    """

    looked: dict[Hint, Looked] = field(default_factory=dict)
    failed: dict[Hint, PipelineError] = field(default_factory=dict)
    over: list[Hint] = field(default_factory=list)

    @property
    def entities(self) -> set[str]:
        """Return whose items may have changed."""
        return {one.entity for one in self.looked.values() if one.entity is not None}

    def settle(self, db: Db) -> None:
        """Settle what was read, in the transaction that stores what came of it."""
        hints.settle(db, self.looked)


def read_all(session: Session, reads: HintedReads, wanted: Iterable[Hint], desk: HintDesk | None = None) -> Answered:
    """Read these records; one that cannot be read holds up no other.

    Args:
        desk: of a targeted sync, which may ask so much and no more.

    Raises:
        PipelineError: it is the system's trouble.
    """
    found, counted = Answered(), SingleReads()
    for hint in wanted:
        if desk is not None and not desk.may_ask(hint.system):
            found.over.append(hint)
            continue
        try:
            found.looked[hint] = reads.read(session, hint)
            counted.went_well()
        except PipelineError as error:
            counted.went_wrong(hint.id, error)
            found.failed[hint] = error
    return found


GIVES_OUTCOME: Final = """select case when exists (select 1 from once.ledger
                                where entity = $entity and run_id = $run) then 'written'
                   when exists (select 1 from once.outbox
                                where entity = $entity and state not in ('accepted', 'dropped')) then 'held'
                   else 'unchanged' end"""


def settle_desk(run: Run, desk: HintDesk, claimed: Sequence[InboxHint], found: Answered) -> None:
    """Say of each claimed hint what became of it."""
    looked = {one.record: what for one, what in found.looked.items()}
    failed = {one.record: error for one, error in found.failed.items()}
    over = {one.record for one in found.over}
    outcomes: dict[str, Outcome] = {}
    with run.open() as db:
        for one in found.entities:
            outcomes[one] = Outcome(db.value(GIVES_OUTCOME, {"entity": one, "run": run.run_id}))
    for hint in claimed:
        if hint.record in failed:
            desk.fail([hint], failed[hint.record].kind)
        elif hint.record in over:
            desk.settle([hint], Outcome.HANDED_OVER)
        else:
            what = looked.get(hint.record) or Looked(None)  # read already, and the power went before the inbox knew
            if hint.record in looked:
                desk.note_read(hint, news=what.news, gone=what.gone)
            desk.settle([hint], Outcome.GONE if what.gone else outcomes.get(what.entity or "", Outcome.UNCHANGED))
