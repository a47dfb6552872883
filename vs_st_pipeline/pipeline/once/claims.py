"""Says whose a key is: claimed once for good, before its send, in a place that outlives the route's database.

Data flow: an item about to leave -> `claim` -> the send -> `settle` with the answer -> the outbox, in its transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from vs_st_pipeline.pipeline.evidence_file import EvidenceFile, Line, Position
from vs_st_pipeline.pipeline.once.items import Person
from vs_st_pipeline.platform.warehouse.connection import Db


class Claimed(StrEnum):
    """How a claim stands."""

    OPEN = "open"  # it was about to be sent, or was sent, and no answer is known
    ACCEPTED = "accepted"
    RELEASED = "released"  # certainly not taken: it may be claimed anew
    DROPPED = "dropped"  # a person or a rule gave it up


@dataclass(frozen=True, slots=True)
class Claim:
    """One key's claim.

    Attributes:
        tries: number of the try that it is for.
        at: when it was made or settled; UTC without zone.
        detail: the destination's words, where it was accepted.
        forgotten: it was about a person who was forgotten since.
    """

    key: str
    kind: str
    entity: str
    tries: int
    state: Claimed
    at: datetime
    evidence: Mapping[str, Any] = field(default_factory=dict, repr=False)
    people: tuple[Person, ...] = field(default=(), repr=False)
    detail: Mapping[str, Any] = field(default_factory=dict, repr=False)
    forgotten: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """What claims say since they were last looked at.

    Attributes:
        claims: by key, the newest of each.
        whole: whether these are all claims that there are.
        lost: whether claims that were looked at before are gone or replaced, so that the database knows more.
    """

    claims: Mapping[str, Claim]
    whole: bool
    lost: bool


class Claims:
    """Claims in the route's evidence file. Who has the route's sync lock and outbox has all that were made before."""

    def __init__(self, file: EvidenceFile) -> None:
        self._file = file
        self._read = Position(0, 0)

    def news(self, db: Db) -> News:
        """Return the claims of the lines that have not been taken in."""
        row = db.row("select inode, bytes from once.evidence_read")
        known, now = Position(*row) if row else Position(0, 0), self._file.position()
        start = known.size if known.inode == now.inode and known.size <= now.size else 0
        claims: dict[str, Claim] = {}
        for line in self._file.read(start):
            if line.get("what") == "claim":
                _add(claims, line)
        self._read = now
        return News(claims, start == 0, known.size > 0 and start == 0)

    def seen(self, db: Db) -> None:
        """Note how far the file was read."""
        db.execute("delete from once.evidence_read")
        db.execute("insert into once.evidence_read values (?, ?)", [self._read.inode, self._read.size])

    def claim(self, claim: Claim) -> None:
        """Claim a key for a try; the row in the outbox, under the sync lock, says that nobody else has it."""
        self._file.append([_as_line(claim)])

    def settle(self, claim: Claim) -> None:
        """Note what became of it. Lost with the machine, the outcome is unknown again, and the kind's rule holds."""
        self._file.append([_as_line(claim)], durable=claim.state is Claimed.DROPPED)


def _as_line(claim: Claim) -> Line:
    line: Line = {
        "what": "claim",
        "key": claim.key,
        "kind": claim.kind,
        "entity": claim.entity,
        "try": claim.tries,
        "state": claim.state.value,
        "at": claim.at.isoformat(),
    }
    more = {
        "evidence": dict(claim.evidence), "people": [list(one) for one in claim.people], "answer": claim.detail,
        "erased": claim.forgotten,
    }  # fmt: skip
    return {**line, **{name: value for name, value in more.items() if value}}


def _add(claims: dict[str, Claim], line: Line) -> None:
    """Put a line's claim over the former one of its key; evidence and people stand in the line of the first try."""
    try:
        found = Claim(
            str(line["key"]), str(line["kind"]), str(line["entity"]), int(line["try"]), Claimed(line["state"]),
            datetime.fromisoformat(line["at"]), dict(line.get("evidence") or {}),
            tuple((str(kind), str(value)) for kind, value in line.get("people") or ()), dict(line.get("answer") or {}),
            bool(line.get("erased")),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        return  # a line of another version, or damaged: it says nothing
    before = claims.get(found.key)
    if before is not None and before.state in (Claimed.ACCEPTED, Claimed.DROPPED) and found.state is Claimed.OPEN:
        return  # cannot be: what was settled is not sent again
    if before is not None:
        found = Claim(
            found.key, found.kind, found.entity, max(found.tries, before.tries), found.state, found.at,
            found.evidence or before.evidence, found.people or before.people, found.detail,
            found.forgotten or before.forgotten,
        )  # fmt: skip
    claims[found.key] = found
