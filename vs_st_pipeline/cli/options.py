"""Reads which merchants a command is about, and the options that say so."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from vs_st_pipeline.cli.output import tell
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.platform.settings.environment import InvalidSetting, settings_path
from vs_st_pipeline.platform.settings.merchants import BadMerchant, Merchant, MerchantsFile

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Selection:
    """Merchants to work on, and entries that were named but cannot be used (they fail with kind `config`)."""

    merchants: list[Merchant]
    bad: list[tuple[str, BadSettings]]


def merchant_options(command: F) -> F:
    """Add `--merchant ID...` and `--all`; several ids may follow one `--merchant`, or it may be given several times."""
    command = click.argument("more_ids", nargs=-1, metavar="")(command)
    command = click.option("--all", "every", is_flag=True, help="All enabled merchants.")(command)
    return click.option("--merchant", "ids", multiple=True, metavar="ID...", help="These merchants.")(command)


def json_option(command: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")(command)


def select(ids: tuple[str, ...], more_ids: tuple[str, ...], every: bool) -> Selection:
    """Return the merchants that the options name.

    Raises:
        click.UsageError: neither or both of the options, or a merchant that the file does not have.
        BadSettings: the merchants file cannot be used at all.
    """
    if more_ids and not ids:
        raise click.UsageError(f"unexpected argument '{more_ids[0]}'; name merchants with --merchant ID...")
    if bool(ids) == every:
        raise click.UsageError("say which merchants: --merchant ID... or --all")
    found = read_settings()
    if every:
        return Selection(list(found.enabled), [(_name(bad), bad.error) for bad in found.bad])
    return _named(found, list(dict.fromkeys([*ids, *more_ids])))


def read_settings() -> MerchantsFile:
    """Read the merchants file that `VS_ST_MERCHANTS` names."""
    return read_merchants(settings_path(os.environ), os.environ)


def warn_of(misunderstood: Iterable[InvalidSetting]) -> None:
    """Print which settings of the environment are not understood, and what follows from it."""
    for one in misunderstood:
        tell(f"warning: {one.sentence}")


def settings_json(misunderstood: Iterable[InvalidSetting]) -> list[dict[str, str]]:
    """Return the settings that are not understood, for `--json`."""
    return [{"not_understood": one.says, "meanwhile": one.meanwhile} for one in misunderstood]


def one_merchant(merchant_id: str) -> Merchant:
    """Return the one good merchant with this id, enabled or not: a command that only looks may look at both.

    Raises:
        click.UsageError: there is none.
        BadSettings: its entry cannot be used.
    """
    found = read_settings()
    merchant = found.get(merchant_id)
    if merchant is not None:
        return merchant
    for bad in found.bad_of(merchant_id):
        raise bad.error
    raise click.UsageError(_unknown(found, merchant_id))


def _named(found: MerchantsFile, ids: list[str]) -> Selection:
    selection = Selection([], [])
    for merchant_id in ids:
        merchant, bad = found.get(merchant_id), found.bad_of(merchant_id)
        if merchant is None and not bad:
            raise click.UsageError(_unknown(found, merchant_id))
        if merchant is not None and merchant.enabled:
            selection.merchants.append(merchant)
        elif merchant is not None:
            selection.bad.append(
                (merchant_id, BadSettings(f"{merchant_id} is disabled in {found.path}: set enabled: true"))
            )
        selection.bad.extend((merchant_id, entry.error) for entry in bad)
    for entry in found.bad:
        if entry.id not in ids:
            tell(f"warning: {entry.error.message}")
    return selection


def _unknown(found: MerchantsFile, merchant_id: str) -> str:
    near = difflib.get_close_matches(merchant_id, found.ids, n=3)
    meant = f"did you mean {' or '.join(near)}?" if near else "`vs-st merchants` lists those that there are"
    return f"there is no merchant '{merchant_id}' in {found.path}; {meant}"


def _name(bad: BadMerchant) -> str:
    return bad.id or f"(line {bad.line})"
