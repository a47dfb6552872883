"""Keeps what a merchant's accounts do not let us see, in sentences for people: as long as it lasts, and never silent.

Data flow: what a reading finds out -> raw.blind_spots -> sentences.

A way of asking that turned out to have no effect is replaced by another one. Where that one shows less, or later, it is
kept here; `vs-st sync`, `vs-st check` and a Dagster check say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from vs_st_pipeline.platform.warehouse.connection import Db


@dataclass(frozen=True, slots=True)
class Limitation:
    """Something that cannot be seen.

    Attributes:
        name: its name in `raw.blind_spots`.
        kind: the records that it is about, such as `order`.
        unseen: what is not seen, or not in time.
        instead: what is done about it.
    """

    name: str
    kind: str
    unseen: str
    instead: str

    @property
    def sentence(self) -> str:
        """Return what a person is told."""
        return f"{self.unseen}; {self.instead}"


def set_limitation(db: Db, spot: Limitation, there: bool, now: datetime) -> None:
    """Record that this cannot be seen, and since when; or that it can be seen again."""
    known = _known(db)
    if there and spot.name not in known:
        db.execute("insert into raw.blind_spots values (?, ?)", [spot.name, now])
        known[spot.name] = now
    elif not there and spot.name in known:
        db.execute("delete from raw.blind_spots where name = ?", [spot.name])
        del known[spot.name]


def stored_limitations(db: Db, declared: Mapping[str, Limitation]) -> list[tuple[Limitation, datetime]]:
    """Return which of these are there now, and since when (UTC without zone); names of a newer version are left out."""
    return [(declared[name], since) for name, since in sorted(_known(db).items()) if name in declared]


def _known(db: Db) -> dict[str, datetime]:
    found: dict[str, datetime] = db.cached(
        "blind_spots", lambda: dict(db.rows("select name, since from raw.blind_spots"))
    )
    return found
