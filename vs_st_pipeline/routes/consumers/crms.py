"""Works through a merchant's CRMs, one after the other: what each account has, the brake, and then its chunks.

Data flow: planned.consumers_due -> per CRM: `Crm.begin` -> `brake` -> `Chunks`; an error of one stops no other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from vs_st_pipeline.domain import brake as refusing
from vs_st_pipeline.domain.brake import Verdict
from vs_st_pipeline.domain.errors import Internal, Interrupted, PipelineError, TryLater, Unsafe
from vs_st_pipeline.pipeline import verdicts
from vs_st_pipeline.platform.crash_reports import describe
from vs_st_pipeline.platform.warehouse.ledger import record_run as note_run
from vs_st_pipeline.routes.consumers import brake, due, former, looking
from vs_st_pipeline.routes.consumers.chunks import Chunks
from vs_st_pipeline.routes.consumers.looking import Desk
from vs_st_pipeline.routes.consumers.report import CrmPart
from vs_st_pipeline.routes.consumers.session import ConsumersSession
from vs_st_pipeline.routes.consumers.stage_names import PLAN, PUSH

T = TypeVar("T")


def work(session: ConsumersSession, since: Mapping[str, brake.Since], only: Collection[str] | None = None) -> None:
    """Plan and write who is due, CRM by CRM; an error of one of them is in its part of the report.

    Args:
        since: what the settings let happen at each, since when. only: address keys; None: everybody who is due.
    """
    run = session.run
    writes = PUSH in session.selected and not run.dry_run
    if writes:
        with run.open() as db, db.transaction():
            note_run(db, run.run_id, run.trigger)
    desks: list[tuple[Desk, brake.Judged | None]] = []
    for name in session.crms:
        with _part(session, name):
            with run.open() as db:
                if not due.is_anybody(db, name, run.now()):
                    continue
            desk = session.desk(name, writes=writes)
            desks.append((desk, _do(session, PLAN, _open, session, desk, since[name], only)))
    refused = _refused(session, [one for _, judged in desks if judged for one in judged.verdicts], only)
    for desk, judged in desks:
        with _part(session, desk.name):
            found = refused.get(desk.name)
            if found and writes:
                raise _unsafe(desk.name, found)
            if judged is not None and writes:
                brake.passed(desk, judged, since[desk.name])
            Chunks(desk, lambda stage_name, make, *given: _do(session, stage_name, make, *given)).run(only)
            if found:  # a dry run shows what is refused
                raise _unsafe(desk.name, found)


def _unsafe(name: str, found: Sequence[Verdict]) -> Unsafe:
    return Unsafe(refusing.refusal(found) or "", system=name)


def _open(
    session: ConsumersSession, desk: Desk, since: brake.Since, only: Collection[str] | None
) -> brake.Judged | None:
    """Read what a CRM's account has, and judge what is due there; None where there is nobody to ask about."""
    if not _anybody_to_ask_about(desk, only):
        return None
    with session.run.open() as db:
        elsewhere = former.targets_by_consent(db, session.run.merchant, desk.name).values()
    desk.setup = desk.crm.begin(session.targets(desk.name).union(*elsewhere))
    desk.is_open = True
    return brake.judge(desk, since, session.orders.read, only)


def _anybody_to_ask_about(desk: Desk, only: Collection[str] | None) -> bool:
    for page in due.pages(desk.run, desk.name, only):
        with desk.run.open() as db:
            subjects = looking.load(desk, db, [one.email_key for one in page])
        if any(looking.is_to_look_at(desk, one) for one in subjects):
            return True
    return False


def _refused(
    session: ConsumersSession, found: Sequence[Verdict], only: Collection[str] | None
) -> dict[str, list[Verdict]]:
    """Return the verdicts that hold, by CRM. A targeted sync is bound by what the last whole one has stored as well."""
    run = session.run
    if only is not None:
        with run.open() as db:
            stored = brake.standing(db, session.crms)
        known = {(one.part, one.rule) for one in found}
        found = [*found, *(one for some in stored.values() for one in some if (one.part, one.rule) not in known)]
    holding: dict[str, list[Verdict]] = {}
    for one in verdicts.refused(run, found):
        holding.setdefault(one.part, []).append(one)
    return holding


def _do(session: ConsumersSession, stage_name: str, make: Callable[..., T], *given: Any) -> T:
    """Run a part of a stage; also where the stage is not among those that were asked for, since the other needs it."""
    if stage_name in session.selected:
        made: Any = session.do(stage_name, lambda _, *rest: make(*rest), *given)
        return made  # type: ignore[no-any-return]
    return make(*given)


@contextmanager
def _part(session: ConsumersSession, name: str) -> Iterator[CrmPart]:
    """Keep a CRM's trouble to itself; a full disk, and being stopped, are everybody's."""
    part = session.told.crms[name]
    try:
        yield part
    except Interrupted:
        raise
    except PipelineError as error:
        if session.run.stop() and isinstance(error, TryLater):
            raise
        if error.system is None:
            error.system = name
        part.error = part.error or error
    except OSError:
        raise
    except Exception as error:  # a fault of ours at one CRM is no reason to leave the others
        part.error = part.error or Internal(describe(error), system=name)
