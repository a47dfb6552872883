"""Compares three sides of every value at each CRM: what is wanted, what was accepted, and what the CRM holds now.

Data flow: people whom we wrote -> a look at each CRM; that, staged.* and synced.ledger -> what differs (`reconcile`).

It writes nothing at a CRM and stores nothing. Who left a list since is counted too, and is nobody's fault: what becomes
of a subscription is the person's or the merchant's doing.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vs_st_pipeline.domain.crm import State
from vs_st_pipeline.domain.diff import Drift, classify_drift
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.phone import mask_email
from vs_st_pipeline.domain.plan import GONE, NOT_READ_YET
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.consumers import looking
from vs_st_pipeline.routes.consumers.assets import TITLES
from vs_st_pipeline.routes.consumers.looking import Desk, Subject
from vs_st_pipeline.routes.consumers.session import ConsumersSession, open_session

SIDES: Final[tuple[Drift, ...]] = ("same", "ours", "theirs", "both")
ALARMING: Final[tuple[Drift, ...]] = ("theirs", "both")
MOST_SHOWN: Final = 20  # people who differ, in text; --json has all
LOOKS: Final = "looks"

_SAID: Final = {
    "same": "as it should be",
    "ours": "ours: what is wanted has changed, the next sync writes it",
    "theirs": "theirs: edited there",
    "both": "both: edited there, and what is wanted has changed",
}


@dataclass(slots=True)
class AuditResult:
    """What a comparison found.

    Attributes:
        report: status, error and seconds.
        consumers: people who were compared, by CRM. left_out: those who were not, by reason.
        fields: values by CRM and field, and side.
        standings: how people stand to lists that we put them on, by CRM and word.
        differing: people with a value that is not the same on all sides; masked.
    """

    report: Report
    consumers: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    fields: dict[str, dict[str, Counter[Drift]]] = field(default_factory=dict)
    standings: dict[str, Counter[str]] = field(default_factory=dict)
    differing: list[dict[str, Any]] = field(default_factory=list)

    def count(self, side: Drift) -> int:
        """Return how many values are on this side, over all CRMs and fields."""
        return sum(sides[side] for fields in self.fields.values() for sides in fields.values())

    @property
    def requests(self) -> int:
        """Return the number of requests sent, retries included."""
        return sum(calls.total() for calls in self.report.calls.values())

    @property
    def status(self) -> str:
        return self.report.status

    @property
    def seconds(self) -> float:
        return self.report.seconds

    @property
    def agrees(self) -> bool:
        """Say whether no CRM holds a value that was edited there."""
        return not any(self.count(side) for side in ALARMING)

    def as_json(self) -> dict[str, Any]:
        error = self.report.error
        merged: dict[str, Counter[Drift]] = {}
        for crm, fields in self.fields.items():
            merged |= {f"{crm} {name}": sides for name, sides in fields.items()}
        return {
            "merchant": self.report.merchant,
            "route": self.report.route,
            "status": self.status,
            "error": error.as_report() if error else None,
            "how": LOOKS if self.consumers else None,
            "requests": self.requests,
            "contacts": self.consumers.total(),
            "left_out": dict(sorted(self.left_out.items())),
            "values": {side: self.count(side) for side in SIDES},
            "fields": {name: {side: sides[side] for side in SIDES} for name, sides in merged.items()},
            "standings": {crm: dict(sorted(words.items())) for crm, words in self.standings.items()},
            "parts": {crm: error.as_report() for crm, error in self.report.parts.items()},
            "differing": self.differing,
            "seconds": round(self.seconds, 3),
        }

    def lines(self) -> list[str]:
        """Say what was found; the first line begins with the merchant's name. People are masked."""
        name = self.report.merchant
        if self.report.error is not None:
            return [f"{name}: {self.report.ended}"]
        parts = [f"  {TITLES[crm]}: {error.kind}: {error.message}" for crm, error in self.report.parts.items()]
        if not self.consumers:
            return [f"{name}: nothing was accepted for anybody yet, so there is nothing to compare", *parts]
        verdict = "all is as it was left" if self.agrees else "NOT as it was left"
        asked = f"{counted(self.requests, 'requests')}"
        lines = [f"{name}: {verdict}; {counted(self.consumers.total(), 'records')} compared ({asked})", *parts]
        lines += [f"  {counted(count, 'values', 6)} {_SAID[side]}" for side in SIDES if (count := self.count(side))]
        for crm, words in self.standings.items():
            told = ", ".join(f"{count} {word}" for word, count in sorted(words.items()))
            lines.append(f"  {TITLES[crm]}: of those put on a list {told}")
        if self.left_out:
            lines.append("  left out: " + ", ".join(f"{reason} {n}" for reason, n in sorted(self.left_out.items())))
        alarming = [row for row in self.differing if set(ALARMING) & set(row["fields"].values())]
        for row in alarming[:MOST_SHOWN]:
            what = ", ".join(f"{field} {side}" for field, side in row["fields"].items())
            lines.append(f"  {row['email']}, {row['crm']} contact {row['contact_id']}: {what}")
        if len(alarming) > MOST_SHOWN:
            lines.append(f"  and {len(alarming) - MOST_SHOWN} more, with --json")
        return lines


def audit(run: Run, sample: int | None = None) -> AuditResult:
    """Look at everybody whom we wrote, and compare; never raises, because the report says what went wrong.

    Args:
        sample: about this many people at each CRM, chosen evenly at random, the same ones all day; None for all.
    """
    with open_session(run, ()) as session:
        found = AuditResult(session.report)
        for crm in session.crms:
            try:
                _audit(session, crm, found, sample)
            except PipelineError as error:
                session.report.parts[crm] = error
        if session.report.parts and len(session.report.parts) == len(session.crms):
            raise next(iter(session.report.parts.values()))
    return found


def _audit(session: ConsumersSession, crm: str, found: AuditResult, sample: int | None) -> None:
    chosen = _chosen(session.run, crm, sample)
    if not chosen:
        return
    desk = session.desk(crm, writes=False)
    desk.setup = desk.crm.begin(session.targets(crm))
    size = max(1, desk.crm.chunk)
    for start in range(0, len(chosen), size):
        part = chosen[start : start + size]
        with session.run.open() as db:
            subjects = looking.load(desk, db, part)
        told = looking.look(desk, subjects)
        found.left_out[NOT_READ_YET] += len(subjects) - len(told)
        for subject in told:
            _compare(desk, subject, found)
        session.run.progress(f"{TITLES[crm]}: {start + len(part)} of {len(chosen)}")
    found.left_out = Counter({reason: count for reason, count in found.left_out.items() if count})


def _chosen(run: Run, crm: str, sample: int | None) -> list[str]:
    """Return the addresses of people whose record at a CRM the ledger knows."""
    if not run.file().exists():
        return []
    with run.open() as db:
        rows = db.rows(
            """select email_key from synced.consumers
               where crm = ? and record_id is not null
                 and key in (select id from synced.ledger where system = ? and object = ?)
               order by email_key""",
            [crm, crm, looking.OBJECT],
        )
    keys = [row[0] for row in rows]
    if sample is None or sample >= len(keys):
        return keys
    chance = random.Random(f"{run.merchant.id} {crm} {run.today()}")  # no secret: the choice is the same all day
    return sorted(chance.sample(keys, sample))


def _compare(desk: Desk, subject: Subject, found: AuditResult) -> None:
    assert subject.seen is not None
    _note_standings(desk, subject, found)
    record = subject.seen.record
    if record is None:
        found.left_out[subject.seen.held or GONE] += 1
        return
    wanted, _ = desk.wanted(subject.consumer)
    sides: dict[str, Drift] = {}
    for want in wanted:
        entry = subject.accepted.get(want.field)
        sides[want.field] = classify_drift(want.policy, want.value, record.values.get(want.key, ""), entry)
        found.fields.setdefault(desk.name, {}).setdefault(want.field, Counter())[sides[want.field]] += 1
    found.consumers[desk.name] += 1
    differing = {name: side for name, side in sides.items() if side != "same"}
    if differing:
        found.differing.append(
            {
                "crm": desk.name,
                "contact_id": record.id,
                "email": mask_email(subject.person.email),
                "fields": differing,
            }
        )


def _note_standings(desk: Desk, subject: Subject, found: AuditResult) -> None:
    assert subject.seen is not None
    standings = {target.id: standing for target, standing in subject.seen.standings.items()}
    for target in _put_on(subject):
        if (standing := standings.get(target)) is not None:
            word = standing.state.value if standing.state is not State.NEVER else "removed there"
            found.standings.setdefault(desk.name, Counter())[word] += 1


def _put_on(subject: Subject) -> Sequence[str]:
    return sorted({act.target for act in subject.acts if act.is_ours})
