"""Defines `vs-st forget`, `vs-st rebuild` and `vs-st offboard`: what is kept of people and merchants, how it goes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vs_st_pipeline.cli.options import json_option, one_merchant
from vs_st_pipeline.cli.output import is_terminal, say, say_json, tell
from vs_st_pipeline.cli.sync import clock, make_run, sync_lines
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.report import OK
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.platform.settings.environment import data_dir, settings_path
from vs_st_pipeline.platform.settings.merchants import ID_FORM, is_enabled

if TYPE_CHECKING:
    from vs_st_pipeline.operations.offboard import Removed

NOT_CHANGED = "Nothing at Vinoshipper or SimpleTexting was changed: to forget the person there too, delete them there."


@click.command()
@click.option("--merchant", "merchant_id", required=True, metavar="ID", help="Whose customer or contact it is.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.argument("phone")
def forget(merchant_id: str, yes: bool, as_json: bool, phone: str) -> None:
    """Erase the people with PHONE from all that is kept, and never store or write them again.

    Their contacts, the customers linked to them and their orders go from every table, and the bytes from the file.
    Salted
    hashes stay, which keep them out. Nothing at Vinoshipper or SimpleTexting is changed. A phone that nobody is stored
    under is kept out in any case.
    """
    from vs_st_pipeline.connectors import CONNECTORS
    from vs_st_pipeline.pipeline import erasure
    from vs_st_pipeline.platform.warehouse.suppression import phone_name

    merchant = one_merchant(merchant_id)
    if phone_name(phone) is None:
        raise click.UsageError("this is no phone number: give its ten digits")
    clock()
    run = make_run(merchant)
    found = erasure.find(run, phone, CONNECTORS).as_json()
    told = _told(found)
    confirm(f"{merchant_id}: {told} will be erased for good", yes)
    found = erasure.forget(run, phone, CONNECTORS).as_json()
    if as_json:
        say_json({"merchant": merchant_id, **found, "kept_out": True})
        return
    if any(found[name] for name in ("contacts", "customers", "orders")):
        say(f"{merchant_id}: {_told(found)} erased, also from the file itself, and kept out from now on.")
    else:
        say(f"{merchant_id}: nobody is stored under this phone; the person with it is kept out from now on.")
    if found["unsettled_writes"]:
        say(f"{found['unsettled_writes']} writes had no outcome yet; no later sync will ask for it.")
    say(NOT_CHANGED)
    say("Backups of the data folder still hold what was erased. So may Dagster's run history: ids, no names.")


@click.command()
@click.option("--merchant", "merchant_id", required=True, metavar="ID", help="The merchant whose file is started over.")
@click.option("--yes", is_flag=True, help="Go on also where the old file cannot be read.")
@json_option
def rebuild(merchant_id: str, yes: bool, as_json: bool) -> None:
    """Start a merchant's file over from both systems; the old one is set aside.

    Nothing is written that is there already. People who were forgotten stay forgotten, and what was under way when the
    old
    file was last used is settled by reading. A sync follows at once.
    """
    from vs_st_pipeline.operations import rebuild
    from vs_st_pipeline.routes.contacts import sync as pipeline

    merchant = one_merchant(merchant_id)
    if not merchant.enabled:
        raise BadSettings(f"{merchant_id} is disabled, so it cannot be read again: set enabled: true")
    clock()
    run = make_run(merchant)
    if (why := rebuild.why_unreadable(run)) is not None:
        has_copy = (run.warehouse.folder(merchant_id) / forgetting_copy()).exists()
        confirm(f"{merchant_id}: {why}\n{UNREADABLE_WITH_COPY if has_copy else UNREADABLE}", yes)
    rebuilt = rebuild.rebuild(run)
    if rebuilt.set_aside:
        tell(f"{merchant_id}: the old file lies in {rebuilt.set_aside} now; remove it when all is well")
        tell("it still holds people; `vs-st forget` removes it")
    if rebuilt.unreadable:
        tell(f"{merchant_id}: the old file could not be read; whatever was under way is found by reading")
    if rebuilt.unsettled:
        tell(f"{merchant_id}: {rebuilt.unsettled} writes without an outcome were carried over")
    report = pipeline.sync(run)
    if as_json:
        aside = str(rebuilt.set_aside) if rebuilt.set_aside else None
        say_json({"merchants": [report.as_json()], "set_aside": aside, "unsettled_writes": rebuilt.unsettled})
    else:
        say(*sync_lines(report))
    sys.exit(0 if report.status == OK else 1)


UNREADABLE = (
    "WARNING: the old file cannot be read, and there is no copy of the hashes of people who were forgotten beside it. "
    "If anybody was ever forgotten, they will come back with the next reading: forget them again. "
    "What was being written when the file was last used is not known either; reading will show it"
)
UNREADABLE_WITH_COPY = (
    "WARNING: the old file cannot be read. Who was forgotten is known from the copy beside it, and stays out if that "
    "copy is whole. What was being written when the file was last used is not known; reading will show it"
)


def forgetting_copy() -> str:
    from vs_st_pipeline.pipeline.erasure import COPY

    return COPY


@click.command()
@click.option("--merchant", "merchant_id", required=True, metavar="ID", help="The merchant that has left.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def offboard(merchant_id: str, yes: bool, as_json: bool) -> None:
    """Remove all that is kept of a merchant that has left; it must no longer be enabled.

    Also for a merchant that is no longer in the merchants file: ID then names its folder. Nothing at Vinoshipper or
    SimpleTexting is changed.
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
    kept = offboard.stored_files(warehouse, merchant_id)
    if kept is None:
        if enabled is None:
            raise click.UsageError(f"there is no merchant '{merchant_id}' in {path}, and nothing is kept of one")
        removed = offboard.Removed(0, 0)
    else:
        confirm(f"{merchant_id}: {_kept(kept)} will be removed for good", yes)
        removed = offboard.offboard(warehouse, merchant_id, _permit_files(path, merchant_id))
    if as_json:
        say_json({"merchant": merchant_id, "contacts": removed.contacts, "files": removed.files})
        return
    say(f"{merchant_id}: {_kept(removed)} removed, and with them the hashes of people kept out (`vs-st forget`).")
    say(NOT_CHANGED.partition(":")[0] + ".")
    say("Backups of the data folder and Dagster's run history may still tell of this merchant.")


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
    contacts = "a database that cannot be read" if removed.contacts is None else f"{removed.contacts} contacts"
    return f"{contacts} in {removed.files} files"


def _told(found: dict[str, int]) -> str:
    told = ", ".join(f"{found[name]} {name}" for name in ("customers", "contacts", "orders"))
    aside = f" and {found['files_set_aside']} files that a rebuild has set aside" if found["files_set_aside"] else ""
    return told + aside


def confirm(question: str, yes: bool) -> None:
    """Ask before what cannot be undone; where nobody can be asked, `--yes` has to say it.

    Raises:
        click.UsageError: there is no terminal, and no `--yes`.
        click.Abort: the answer is no.
    """
    if yes:
        return
    if not (is_terminal(sys.stdin) and os.isatty(2)):
        raise click.UsageError(f"{question}; there is no terminal to ask at, so say --yes")
    click.confirm(f"{question}. Go on?", abort=True, err=True)
