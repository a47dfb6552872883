"""Removes all that is kept of a merchant: its folder, and the files that hold the permits of its keys.

Nothing at any other system is changed here: our webhooks there are removed before (`webhooks/leaving.py`). The folder
gets another name first, so that no half of it is ever
taken for a merchant's; what an interrupted removal left behind is removed by the next one.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from vs_st_pipeline import routes
from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.domain.errors import BadSettings, PipelineError
from vs_st_pipeline.operations.onboarding.key_files import FOLDER
from vs_st_pipeline.pipeline.evidence_file import evidence_files
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.http.rate_limit import limiter_path
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.settings.merchants import Merchant, more_files
from vs_st_pipeline.platform.warehouse.files import Warehouse


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed.

    Attributes:
        counts: number of records by what they are (`contacts`); None where the database could not be read.
        evidence: names of the evidence files, which nothing can tell again.
        inbox: entries of webhooks.
    """

    counts: dict[str, int | None]
    files: int
    evidence: tuple[str, ...] = ()
    inbox: int = 0


class UnderWay(Exception):
    """Something is under way that nobody would bring to an end; nothing was removed."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("something is under way")
        self.sentences = tuple(sentences)


def nothing_counted() -> dict[str, int | None]:
    """Return the counts of a merchant of whom nothing is kept."""
    return dict.fromkeys((route.records for route in routes.ROUTES), 0)


def under_way(warehouse: Warehouse, merchant_id: str) -> list[str]:
    """Say what routes have under way that nobody would bring to an end if the merchant were removed now."""
    return [sentence for route in routes.ROUTES for sentence in _under_way(route, warehouse, merchant_id)]


def _under_way(route: Route, warehouse: Warehouse, merchant_id: str) -> list[str]:
    try:
        return route.under_way(warehouse, merchant_id)
    except PipelineError as error:  # what cannot be read may have anything under way
        return [f"whether {route.name} has anything under way cannot be seen ({error.kind}): {error.message}"]


def stored_files(warehouse: Warehouse, merchant_id: str) -> Removed | None:
    """Count what is kept of a merchant; return None where nothing is."""
    folders = (_folder(warehouse, merchant_id), _leaving(warehouse, merchant_id))
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    if not any(folder.is_dir() for folder in folders):
        return None
    counts = nothing_counted()
    for route in routes.ROUTES:
        counts[route.records] = None
        with suppress(PipelineError):
            counts[route.records] = route.count_stored(warehouse, merchant_id)
    return Removed(counts, len(files), tuple(path.name for folder in folders for path in evidence_files(folder)))


def offboard(
    warehouse: Warehouse, merchant_id: str, permit_files: Iterable[Path] = (), *, known: Collection[str] = ()
) -> Removed:
    """Remove what is kept of a merchant.

    Args:
        permit_files: files that hold the permits of its keys, without those that another merchant shares.
        known: what is under way as far as a person has been told, who wants it removed all the same.

    Raises:
        TryLater: a sync of the merchant is running.
        UnderWay: something else is under way by now.
    """
    leaving = _leaving(warehouse, merchant_id)
    with warehouse.all_sync_locks(merchant_id):
        if new := [sentence for sentence in under_way(warehouse, merchant_id) if sentence not in known]:
            raise UnderWay(new)
        removed = stored_files(warehouse, merchant_id) or Removed(nothing_counted(), 0)
        for route in routes.ROUTES:
            route.leave(warehouse, merchant_id)
        removed = replace(removed, inbox=Inbox(warehouse.data_dir).remove(merchant_id))
        shutil.rmtree(leaving, ignore_errors=True)
        _folder(warehouse, merchant_id).rename(leaving)
    shutil.rmtree(leaving)
    for path in permit_files:
        path.unlink(missing_ok=True)
    return removed


def limiter_files(data_dir: Path, merchant: Merchant) -> set[Path]:
    """Return the files that hold the permits of this merchant's keys."""
    accounts = {one.name: one.account(merchant) for one in CONNECTORS if one.name in merchant.sections}
    return {
        limiter_path(data_dir / "pace", system, account.base_url, account.rate_key)
        for system, account in accounts.items()
    }


def key_folder(path: Path, merchant_id: str) -> Path | None:
    """Return the folder of the keys that onboarding has kept beside the merchants file; None where there is none."""
    folder = more_files(path.absolute()).parent / FOLDER / merchant_id
    return folder if folder.is_dir() else None


def remove_secrets(path: Path, merchant_id: str) -> int:
    """Remove the keys of a merchant that onboarding has kept beside the merchants file; return how many files.

    Args:
        path: the merchants file or folder.

    Raises:
        BadSettings: a link stands in the place of a folder, or the disk does not let them go.
    """
    top = more_files(path.absolute()).parent / FOLDER
    folder = top / merchant_id
    if not folder.is_dir():
        return 0
    if top.is_symlink() or folder.is_symlink():
        raise BadSettings(
            f"{folder} is a link, or lies in one, so the keys there were not removed; remove them by hand"
        )
    try:
        keys = [file for file in folder.iterdir() if not file.name.startswith(".")]
        shutil.rmtree(folder)
    except OSError as error:
        raise BadSettings(f"the keys in {folder} cannot be removed: {error.strerror}") from None
    return len(keys)


def _folder(warehouse: Warehouse, merchant_id: str) -> Path:
    return warehouse.data_dir / "merchants" / merchant_id


def _leaving(warehouse: Warehouse, merchant_id: str) -> Path:
    return warehouse.data_dir / "merchants" / f".removed-{merchant_id}"  # no merchant's id has a dot
