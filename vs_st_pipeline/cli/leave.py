"""Defines `vs-st offboard`: what is kept of a merchant that has left goes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from vs_st_pipeline.cli.options import json_option
from vs_st_pipeline.cli.output import say, say_json, tell
from vs_st_pipeline.cli.privacy import confirm
from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.platform.settings.environment import data_dir, settings_path
from vs_st_pipeline.platform.settings.merchants import ID_FORM, is_enabled

if TYPE_CHECKING:
    from vs_st_pipeline.operations.offboard import Removed

NOT_CHANGED = f"Nothing at {' or '.join(connector.title for connector in CONNECTORS)} was changed."


@click.command()
@click.option("--merchant", "merchant_id", required=True, metavar="ID", help="The merchant that has left.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also while something is under way that nobody will then bring to an end.")
@json_option
def offboard(merchant_id: str, yes: bool, force: bool, as_json: bool) -> None:
    """Remove all that is kept of a merchant that has left; it must no longer be enabled.

    Also for a merchant that is no longer in the merchants file: ID then names its folder. Nothing at any other system
    is changed.
    """
    from vs_st_pipeline.operations import offboard
    from vs_st_pipeline.operations.warehouse import warehouse_at

    if not ID_FORM.fullmatch(merchant_id):
        raise click.UsageError("an id is 1-63 of a-z, 0-9 and -, no - first")
    path = settings_path(os.environ)
    enabled = is_enabled(path, merchant_id)
    if enabled:
        raise BadSettings(
            f"{merchant_id} is still enabled in {path}: take the entry out or set enabled: false, and try again"
        )
    warehouse = warehouse_at(data_dir(os.environ))
    under_way = offboard.under_way(warehouse, merchant_id)
    if under_way and not force:
        _refuse_to_remove(merchant_id, under_way)
    kept = offboard.stored_files(warehouse, merchant_id)
    if kept is None:
        if enabled is None:
            raise click.UsageError(f"there is no merchant '{merchant_id}' in {path}, and nothing is kept of one")
        removed = offboard.Removed(offboard.nothing_counted(), 0)
    else:
        last = "".join(f"\n{sentence}" for sentence in under_way)
        if kept.evidence:
            last += f"\n{', '.join(kept.evidence)}: what proves consent, and what was said to whom, is removed with it"
        confirm(f"{merchant_id}: {_kept(kept)} will be removed for good{last}", yes)
        try:
            removed = offboard.offboard(
                warehouse, merchant_id, _permit_files(path, merchant_id), known=under_way if force else []
            )
        except offboard.UnderWay as found:
            _refuse_to_remove(merchant_id, found.sentences)
    if as_json:
        say_json({"merchant": merchant_id, **removed.counts, "files": removed.files})
        return
    say(f"{merchant_id}: {_kept(removed)} removed, and with them the hashes of people kept out (`vs-st forget`).")
    say(NOT_CHANGED)
    say("Backups of the data folder and Dagster's run history may still tell of this merchant.")


def _refuse_to_remove(merchant_id: str, under_way: Sequence[str]) -> NoReturn:
    tell(*(f"{merchant_id}: {sentence}" for sentence in under_way))
    tell(f"{merchant_id}: nothing was removed; `vs-st offboard --merchant {merchant_id} --force` removes it as it is")
    sys.exit(1)


def _permit_files(path: Path, merchant_id: str) -> set[Path]:
    """Return the permit files of its keys, as far as those can be read, without those that another merchant shares."""
    from vs_st_pipeline.operations.offboard import limiter_files

    try:
        found = read_merchants(path, os.environ, all_secrets=True)
    except BadSettings:  # no merchant of the file is usable any more
        return set()
    folder, merchant = data_dir(os.environ), found.get(merchant_id)
    others = [limiter_files(folder, merchant) for merchant in found.merchants if merchant.id != merchant_id]
    return limiter_files(folder, merchant) - set().union(*others) if merchant else set()


def _kept(removed: Removed) -> str:
    first, *others = removed.counts.items()
    counts = dict([first, *(one for one in others if one[1] != 0)])
    if None in counts.values():
        told = "a database that cannot be read"
    else:
        told = " and ".join(f"{count} {name}" for name, count in counts.items())
    return f"{told} in {removed.files} files"
