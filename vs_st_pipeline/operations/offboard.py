"""Removes all that is kept of a merchant: its folder, and the files that hold the permits of its keys.

Nothing at Vinoshipper or SimpleTexting is changed. The folder gets another name first, so that no half of it is ever
taken for a merchant's; what an interrupted removal left behind is removed by the next one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vs_st_pipeline.domain.errors import SIMPLETEXTING, VINOSHIPPER, PipelineError
from vs_st_pipeline.platform.http.rate_limit import limiter_path
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.files import Warehouse


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed; `contacts` is None where the database could not be read."""

    contacts: int | None
    files: int


def stored_files(warehouse: Warehouse, merchant_id: str) -> Removed | None:
    """Count what is kept of a merchant; return None where nothing is."""
    folders = (_folder(warehouse, merchant_id), _leaving(warehouse, merchant_id))
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    if not any(folder.is_dir() for folder in folders):
        return None
    contacts: int | None = 0
    if warehouse.file(merchant_id).exists():
        contacts = None
        with suppress(PipelineError), warehouse.open(merchant_id) as db:
            contacts = int(db.value("select count(*) from raw.simpletexting_contacts"))
    return Removed(contacts, len(files))


def offboard(warehouse: Warehouse, merchant_id: str, permit_files: Iterable[Path] = ()) -> Removed:
    """Remove what is kept of a merchant.

    Args:
        permit_files: files that hold the permits of its keys, without those that another merchant shares.

    Raises:
        TryLater: a sync of the merchant is running.
    """
    leaving = _leaving(warehouse, merchant_id)
    with warehouse.all_sync_locks(merchant_id):
        removed = stored_files(warehouse, merchant_id) or Removed(0, 0)
        shutil.rmtree(leaving, ignore_errors=True)
        _folder(warehouse, merchant_id).rename(leaving)
    shutil.rmtree(leaving)
    for path in permit_files:
        path.unlink(missing_ok=True)
    return removed


def limiter_files(data_dir: Path, merchant: Merchant) -> set[Path]:
    """Return the files that hold the permits of this merchant's keys."""
    vinoshipper, simpletexting = merchant.vinoshipper, merchant.simpletexting
    return {
        limiter_path(data_dir / "pace", VINOSHIPPER, vinoshipper.base_url, vinoshipper.api_key.reveal()),
        limiter_path(data_dir / "pace", SIMPLETEXTING, simpletexting.base_url, simpletexting.api_token.reveal()),
    }


def _folder(warehouse: Warehouse, merchant_id: str) -> Path:
    return warehouse.data_dir / "merchants" / merchant_id


def _leaving(warehouse: Warehouse, merchant_id: str) -> Path:
    return warehouse.data_dir / "merchants" / f".removed-{merchant_id}"  # no merchant's id has a dot
