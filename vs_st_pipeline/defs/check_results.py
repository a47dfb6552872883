"""Keeps what each check last found for each merchant, in the merchant's own folder.

Data flow: the measures of a run -> findings.json of its merchants -> the results of checks, over all merchants.

A tick syncs few merchants; a result of those alone would flicker from tick to tick and could not be
trusted as a dashboard. Only numbers and masked words are kept. The file is deleted with the merchant (`vs-st offboard`)
and when a person is forgotten (`vs-st forget`); losing it costs a page some rows until the merchant is measured again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from vs_st_pipeline.pipeline.erasure import FINDINGS
from vs_st_pipeline.pipeline.metrics import Metric
from vs_st_pipeline.pipeline.route_files import named_for
from vs_st_pipeline.platform.atomic_file import write_atomically


class StoredResult(msgspec.Struct, frozen=True):
    """One merchant's measure and when it was taken (epoch seconds)."""

    count: int
    of: int
    detail: str
    sample: str
    at: float


StoredResults = dict[str, dict[str, StoredResult]]
"""Check (`asset:name`) -> merchant -> finding."""

_DECODER = msgspec.json.Decoder(dict[str, StoredResult])


def merge_results(
    data_dir: Path,
    route: str,
    measured: Mapping[str, Mapping[str, Metric]],
    merchant_ids: Collection[str],
    now: datetime,
) -> StoredResults:
    """Store what was measured now over what was found before, and return all that is known of these merchants.

    Args:
        data_dir: `VS_ST_DATA_DIR`.
        route: name of the route whose checks these are.
        measured: merchant -> check -> measure.
        merchant_ids: merchants to return.
        now: aware time.
    """
    for merchant_id, by_check in measured.items():
        if by_check:
            _write(_file(data_dir, route, merchant_id), by_check, now)
    found: StoredResults = {}
    for merchant_id in merchant_ids:
        for check, one in _read(_file(data_dir, route, merchant_id)).items():
            found.setdefault(check, {})[merchant_id] = one
    return found


def _file(data_dir: Path, route: str, merchant_id: str) -> Path:
    return data_dir / "merchants" / merchant_id / named_for(route, FINDINGS)


def _write(path: Path, by_check: Mapping[str, Metric], now: datetime) -> None:
    """Write the file whole or not at all; of a merchant whose folder was removed meanwhile nothing is kept."""
    new = {
        check: StoredResult(one.count, one.of, one.detail, one.sample, now.timestamp())
        for check, one in by_check.items()
    }
    with suppress(OSError):
        write_atomically(path, msgspec.json.encode(_read(path) | new))


def _read(path: Path) -> dict[str, StoredResult]:
    try:
        return _DECODER.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
