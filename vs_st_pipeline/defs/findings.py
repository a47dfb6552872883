"""What each check last found of each merchant, kept beside the merchants' files.

Data flow: the measures of a run -> findings.json -> the results of checks, which stand for all merchants.

A tick looks at few merchants; a result that spoke of those alone would flicker from tick to tick and could not be
trusted as a dashboard. Nothing but numbers and masked words is kept, and losing the file costs a day's rest of a page.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path

import msgspec
from filelock import FileLock

from vs_st_pipeline.defs.measures import Measure


class Finding(msgspec.Struct, frozen=True):
    """One merchant's measure and when it was taken (epoch seconds)."""

    count: int
    of: int
    detail: str
    sample: str
    at: float


Findings = dict[str, dict[str, Finding]]
"""Check (`asset:name`) -> merchant -> finding."""


def merge_findings(
    path: Path,
    measured: Mapping[str, Mapping[str, Measure]],
    merchant_ids: Collection[str],
    now: datetime,
) -> Findings:
    """Put what was measured just now over what was found before, and keep both.

    Args:
        path: of the file; one that cannot be read counts as empty.
        measured: merchant -> check -> measure.
        merchant_ids: whose findings are kept; those of others are forgotten.
        now: aware time.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock"), mode=0o600, timeout=30):
        kept, wanted = _read(path), set(merchant_ids)
        found: Findings = {
            check: {merchant_id: one for merchant_id, one in of.items() if merchant_id in wanted}
            for check, of in kept.items()
        }
        for merchant_id, by_check in measured.items():
            for check, one in by_check.items():
                found.setdefault(check, {})[merchant_id] = Finding(
                    one.count, one.of, one.detail, one.sample, now.timestamp()
                )
        draft = path.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_bytes(msgspec.json.encode(found))
        draft.replace(path)
    return found


def _read(path: Path) -> Findings:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Findings)
    except (OSError, msgspec.DecodeError):
        return {}
