"""Keeps contacts from being written whose opt-out came by webhook, until a later reading shows them as opted in (H23).

Data flow: the inbox's opt-outs -> who is held, asked right before each write leaves; readings -> the inbox.

What a webhook says is not believed any further than that: it holds a write back, and never lets one pass.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from vs_st_pipeline.connectors.simpletexting.consent import OPT_IN
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.platform.inbox.store import UNUSABLE, inbox_in
from vs_st_pipeline.platform.run import Run

LOOK_AGAIN_AFTER: Final = 0.5  # seconds: a write leaves at most a second after the opt-out was stored


@dataclass(slots=True)
class OptOuts:
    """Who may not be written in one run, as the inbox says now; where nobody has one, nobody."""

    run: Run
    _held: Mapping[str, float] = field(default_factory=dict)
    _looked_at: float | None = None

    def holds(self, contact_id: str, phone: str | None) -> bool:
        """Say whether a contact must not be written: by its id, else by its phone."""
        held = self._now()
        return bool(held) and (contact_id in held or (phone is not None and parse_nanp(phone) in held))

    def _now(self) -> Mapping[str, float]:
        now = time.monotonic()
        if self._looked_at is None or now - self._looked_at >= LOOK_AGAIN_AFTER:
            inbox = self.run.inbox or inbox_in(self.run.warehouse.data_dir)  # the first call may come during the run
            with suppress(*UNUSABLE):  # syncs go on without an inbox that cannot be read (H19), by what was known
                self._held = {} if inbox is None else inbox.opt_outs(self.run.merchant.id)
            self._looked_at = now
        return self._held


def clock(run: Run, ago: float = 0.0) -> float:
    """Return when a reading began, by the inbox's clock: now, or so many seconds ago."""
    return 0.0 if run.inbox is None else run.inbox.clock() - ago


def lift(run: Run, read: Iterable[tuple[str, str | None, str]], began: float) -> None:
    """Let contacts be written again that a reading showed as opted in, if it began after their opt-out was stored.

    Args:
        read: contact id, phone and status of those that were read.
        began: when the reading began (`clock`).
    """
    if run.inbox is None or run.dry_run:
        return
    with suppress(*UNUSABLE):  # they stay held, and the next reading lifts them
        held = run.inbox.opt_outs(run.merchant.id)
        if not held:
            return
        shown = {
            name
            for contact_id, phone, status in read
            if status == OPT_IN
            for name in (contact_id, parse_nanp(phone))
            if name is not None and held.get(name, began) < began
        }
        if shown:
            run.inbox.lift_opt_outs(run.merchant.id, shown, began)
