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
from vs_st_pipeline.cli.sync import make_run
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.webhooks.leaving import Left, NotRemoved
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.settings.environment import data_dir, settings_path
from vs_st_pipeline.platform.settings.merchants import ID_FORM, Merchant, is_enabled, place_of_entry, places_of_entries

if TYPE_CHECKING:
    from vs_st_pipeline.operations.offboard import Removed

NOTHING_ELSE = "Nothing else was changed at its systems."
NOT_CHANGED = "Nothing was changed at its systems."


@click.command(short_help="Remove all that is kept of a merchant that has left.")
@click.option("--merchant", "merchant_id", required=True, metavar="ID", help="The merchant that has left.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also while something is under way that nobody will then bring to an end.")
@click.option("--leave-webhooks", is_flag=True, help="Leave our webhooks registered, and ask no system.")
@click.option("--remove-secrets", is_flag=True, help="Also the key files that `vs-st onboard` made.")
@json_option
def offboard(
    merchant_id: str, yes: bool, force: bool, leave_webhooks: bool, remove_secrets: bool, as_json: bool
) -> None:
    """Remove all that is kept of a merchant that has left; it must no longer be enabled.

    Also for a merchant that is no longer in the merchants file: ID then names its folder. Our webhooks at its systems
    are removed first; nothing else there is changed.
    """
    from vs_st_pipeline.operations import offboard
    from vs_st_pipeline.operations.warehouse import warehouse_at

    if not ID_FORM.fullmatch(merchant_id):
        raise click.UsageError("an id is 1-63 of a-z, 0-9 and -, no - first")
    path = settings_path(os.environ)
    enabled = is_enabled(path, merchant_id)
    if enabled:
        raise BadSettings(
            f"{merchant_id} is still enabled in {place_of_entry(path, merchant_id)}: "
            "take the entry out or set enabled: false, and try again"
        )
    warehouse = warehouse_at(data_dir(os.environ))
    under_way = offboard.under_way(warehouse, merchant_id)
    if under_way and not force:
        _refuse_to_remove(merchant_id, under_way)
    kept = offboard.stored_files(warehouse, merchant_id)
    inbox = Inbox(warehouse.data_dir)
    webhooks = Left()
    if kept is None:
        hints = inbox.remove(merchant_id)
        if enabled is None and not hints and not (remove_secrets and offboard.key_folder(path, merchant_id)):
            where = places_of_entries(path)
            raise click.UsageError(f"there is no merchant '{merchant_id}' in {where}, and nothing is kept of one")
        removed = offboard.Removed(offboard.nothing_counted(), 0, inbox=hints)
    else:
        last = "".join(f"\n{sentence}" for sentence in under_way)
        if kept.evidence:
            last += f"\n{', '.join(kept.evidence)}: what proves consent, and what was said to whom, is removed with it"
        permits = _permit_files(path, merchant_id)
        confirm(f"{merchant_id}: {_kept(kept)} will be removed for good{last}", yes)
        try:
            webhooks = _leave_webhooks(warehouse.data_dir, path, merchant_id, leave_webhooks)
            removed = offboard.offboard(warehouse, merchant_id, permits, known=under_way if force else [])
        except NotRemoved as found:
            tell(*(f"{merchant_id}: {sentence}" for sentence in found.sentences))
            tell(f"{merchant_id}: nothing was removed; --leave-webhooks leaves them registered and removes the rest")
            sys.exit(1)
        except offboard.UnderWay as found:
            _refuse_to_remove(merchant_id, found.sentences)
    keys = offboard.remove_secrets(path, merchant_id) if remove_secrets else 0
    if as_json:
        counts = {**removed.counts, "files": removed.files, "webhooks": webhooks.as_json(), "inbox": removed.inbox}
        say_json({"merchant": merchant_id, **counts})
        return
    say(f"{merchant_id}: {_kept(removed)} removed, and with them the hashes of people kept out (`vs-st forget`).")
    if keys:
        say(f"{counted(keys, 'files')} with its keys removed.")
    entry = None if enabled is None else place_of_entry(path, merchant_id)
    if webhooks.left is None:
        say(_answered(entry))
    if webhooks.by_hand:
        say(f"Take our URLs out at {' and '.join(webhooks.by_hand)}, where a person may have entered them.")
    said = (
        f"{counted(webhooks.removed, 'webhooks')} of ours {'was' if webhooks.removed == 1 else 'were'} removed. "
        if webhooks.removed
        else ""
    )
    say(f"{said}{NOTHING_ELSE if webhooks.removed else NOT_CHANGED}")
    say(*_remains(offboard.key_folder(path, merchant_id), entry))
    say("Backups of the data folder and Dagster's run history may still tell of this merchant.")
    if accounts := sorted(one.name for one in (warehouse.data_dir / "accounts").glob("*") if one.is_dir()):
        say(f"What accounts keep for all who send by them stays, such as who opted out: {', '.join(accounts)}.")


def _answered(entry: str | None) -> str:
    """Say what becomes of calls to webhooks that were left."""
    still = "Our webhooks may still be registered; what they send is answered with "
    return still + ("404." if entry is None else "204 as long as its entry stands, and with 404 from then on.")


def _remains(keys: Path | None, entry: str | None) -> list[str]:
    """Say what of a merchant is still there beside the data folder."""
    told = [f"its keys in {keys} (--remove-secrets removes them)"] if keys else []
    told += [f"its entry in {entry}"] if entry else []
    return [f"What remains: {', '.join(told)}."] if told else []


def _leave_webhooks(folder: Path, path: Path, merchant_id: str, leave: bool) -> Left:
    from vs_st_pipeline.operations.webhooks.leaving import entered_by_hand, known_webhooks, remove_webhooks

    if leave:
        left = 0 if known_webhooks(folder, merchant_id) == 0 else None
        return Left(0, left, entered_by_hand(folder, merchant_id))

    def find() -> Merchant | None:
        try:
            return read_merchants(path, os.environ, all_secrets=True).get(merchant_id)
        except BadSettings:  # no merchant of the file is usable any more
            return None

    return remove_webhooks(folder, merchant_id, os.environ, find=find, run_of=make_run)


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
    counts = dict([one for one in (first, *others) if one[1] != 0] or [first])
    if None in counts.values():
        told = "a database that cannot be read"
    else:
        told = " and ".join(counted(count or 0, name) for name, count in counts.items())
    return f"{told} in {counted(removed.files, 'files')}"
