"""Says what the entries of an order's consents mean, and what became of those that it showed before (consumers.md 7).

Data flow: entries of an order + how they were staged before + settings -> rows of staged.consents. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from vs_st_pipeline.domain.loosely import loosely
from vs_st_pipeline.routes.consumers.bodies import ConsentSaid
from vs_st_pipeline.routes.consumers.settings import ConsentEntry

MAPPED, IGNORED, UNMAPPED, HANDLER_MISMATCH = "mapped", "ignored", "unmapped", "handler_mismatch"
GIVEN, REFUSED, NEITHER = "given", "refused", "neither"
_WORST: Final = {GIVEN: 0, NEITHER: 1, REFUSED: 2}

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ConsentWords:
    """What the settings say of consents.

    Attributes:
        given, refused: statuses that mean yes and no, as `loosely` writes them.
        without_status: what an entry without a status means.
        entries: `consumers.consents` by their pair. ids: of these.
    """

    given: frozenset[str]
    refused: frozenset[str]
    without_status: str
    entries: Mapping[Pair, ConsentEntry]
    ids: frozenset[str]

    @staticmethod
    def of(
        given: Iterable[str], refused: Iterable[str], without_is_given: bool, entries: Sequence[ConsentEntry]
    ) -> ConsentWords:
        """Return the words of some settings."""
        return ConsentWords(
            frozenset(map(loosely, given)),
            frozenset(map(loosely, refused)),
            GIVEN if without_is_given else NEITHER,
            {one.pair: one for one in entries},
            frozenset(loosely(one.consent_id) for one in entries),
        )

    def verdict(self, status: str | None) -> str:
        """Return what a consent's status means: yes, no, or nothing."""
        if status is None:
            return self.without_status
        word = loosely(status)
        return GIVEN if word in self.given else REFUSED if word in self.refused else NEITHER

    def kind(self, pair: Pair) -> str:
        """Return how a consent stands in the settings: both its id and its handler must be those of one entry."""
        if (entry := self.entries.get(pair)) is not None:
            return IGNORED if entry.ignore else MAPPED
        return HANDLER_MISMATCH if pair[0] in self.ids else UNMAPPED


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """One row of staged.consents; times are UTC without zone.

    Attributes:
        given: in the last read of an order that counts.
        verdict: what its status means. ever_given: it was given, in any read, as the settings see it now.
        once_given: it was given in any read, by the settings of that time.
        vanished_at: when an order did not show it any more, or not with a status that means something.
        withdrawn_at: when an order showed that it was taken back.
    """

    consent_id: str
    data_handler: str
    consent_name: str | None
    status: str | None
    given: bool
    entry: str
    verdict: str
    text_version: str | None
    vanished_at: datetime | None = None
    withdrawn_at: datetime | None = None
    ever_given: bool = False
    once_given: bool = False

    @property
    def pair(self) -> Pair:
        return loosely(self.consent_id), loosely(self.data_handler)


def rows_of(
    said: Sequence[ConsentSaid] | None,
    before: Sequence[ConsentRow],
    words: ConsentWords,
    *,
    counts: bool,
    read_at: datetime,
    is_new_read: bool,
) -> list[ConsentRow]:
    """Return the consents of one order as they stand now.

    Args:
        said: what its body shows; None: it was not stored, so that what was staged is all there is.
        before: how they were staged.
        counts: whether the order counts.
        is_new_read: the order was read since they were staged.
    """
    old = {row.pair: row for row in before}
    found = _rows_of(said, old, words, counts=counts, read_at=read_at, is_new_read=is_new_read)
    known = {pair for pair, row in old.items() if row.once_given}
    return [replace(row, once_given=row.given or row.pair in known) for row in found]


def _rows_of(
    said: Sequence[ConsentSaid] | None,
    old: Mapping[Pair, ConsentRow],
    words: ConsentWords,
    *,
    counts: bool,
    read_at: datetime,
    is_new_read: bool,
) -> list[ConsentRow]:
    if said is None:
        return [_restated(row, words, counts) for row in old.values()]
    shown: dict[Pair, ConsentSaid] = {}
    for one in said:
        pair = loosely(one.consent_id), loosely(one.data_handler)
        first = shown.get(pair)
        # The same consent twice: given only if each is.
        if first is None or _WORST[words.verdict(one.status)] > _WORST[words.verdict(first.status)]:
            shown[pair] = one if first is None else replace(first, status=one.status)
    found = [_shown(pair, one, old.get(pair), words, counts, read_at, is_new_read) for pair, one in shown.items()]
    for pair, row in old.items():
        if pair not in shown and row.ever_given:  # what was never given leaves nothing behind
            gone = row.vanished_at or (None if row.withdrawn_at else read_at)
            found.append(replace(_restated(row, words, counts), given=False, vanished_at=gone))
    return found


def _shown(
    pair: Pair,
    one: ConsentSaid,
    old: ConsentRow | None,
    words: ConsentWords,
    counts: bool,
    read_at: datetime,
    is_new_read: bool,
) -> ConsentRow:
    kind, verdict = words.kind(pair), words.verdict(one.status)
    entry = words.entries.get(pair)
    given = kind == MAPPED and verdict == GIVEN and counts
    row = ConsentRow(
        entry.consent_id if entry else one.consent_id,
        entry.data_handler if entry else one.data_handler,
        one.name,
        one.status,
        given,
        kind,
        verdict,
        entry.text_version if entry else None,
        ever_given=given,
    )
    if one.carried and given:  # it stands, and subscribes nobody before it is seen again
        return replace(row, given=False, vanished_at=old.vanished_at if old else None)
    if old is None or given:
        return row
    if not is_new_read and counts and old.vanished_at is None and old.withdrawn_at is None:
        return row  # the very same answer: the settings have changed, and not the person's mind
    vanished, withdrawn, ever_given = old.vanished_at, old.withdrawn_at, old.ever_given
    if is_new_read and withdrawn is None and verdict == REFUSED and old.once_given:
        # Also where the settings did not list it for a while: what was done because of it stands until it is undone.
        vanished, withdrawn, ever_given = None, read_at, True
    elif is_new_read and withdrawn is None and verdict == NEITHER and old.ever_given:
        vanished = vanished or read_at
    return replace(row, ever_given=ever_given, vanished_at=vanished, withdrawn_at=withdrawn)


def _restated(row: ConsentRow, words: ConsentWords, counts: bool) -> ConsentRow:
    """Return a row as the settings see it now, where the order's body is not there."""
    entry, kind = words.entries.get(row.pair), words.kind(row.pair)
    verdict = words.verdict(row.status)
    gone = row.vanished_at is not None or row.withdrawn_at is not None
    given = kind == MAPPED and verdict == GIVEN and counts and not gone
    return replace(
        row,
        consent_id=entry.consent_id if entry else row.consent_id,
        data_handler=entry.data_handler if entry else row.data_handler,
        text_version=entry.text_version if entry else row.text_version,
        entry=kind,
        verdict=verdict,
        given=given,
        ever_given=given if counts and not gone else row.ever_given,
    )
