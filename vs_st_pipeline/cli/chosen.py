"""Reads which merchants a command is about that may also be asked of who is not enabled (H41)."""

from __future__ import annotations

import os
from dataclasses import dataclass

import click

from vs_st_pipeline.cli.options import check_named, name_of_bad, read_settings, unknown_merchant
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.platform.settings.environment import settings_path
from vs_st_pipeline.platform.settings.merchants import Merchant


@dataclass(frozen=True, slots=True)
class Chosen:
    """A merchant that a command is about which may also be asked of who is not enabled.

    Attributes:
        merchant: with its secrets, None where its entry cannot be used. fault: why.
    """

    merchant_id: str
    merchant: Merchant | None
    fault: BadSettings | None = None


def choose(ids: tuple[str, ...], more_ids: tuple[str, ...], every: bool) -> list[Chosen]:
    """Return the merchants that the options name: `--all` those that are enabled and active, a named one always.

    Raises:
        click.UsageError: neither or both of the options, or a merchant that the file does not have.
        BadSettings: the merchants file cannot be used at all.
    """
    check_named(ids, more_ids, every)
    found = read_settings()
    if every:
        good = [Chosen(one.id, one) for one in found.enabled if one.routes or not one.off]  # not active is as disabled
        return [*good, *(Chosen(name_of_bad(bad), None, bad.error) for bad in found.bad)]
    named = list(dict.fromkeys([*ids, *more_ids]))
    if any((one := found.get(merchant_id)) is not None and not one.enabled for merchant_id in named):
        found = read_merchants(settings_path(os.environ), os.environ, all_secrets=True)
    chosen = []
    for merchant_id in named:
        merchant, bad = found.get(merchant_id), found.bad_of(merchant_id)
        if merchant is None and not bad:
            raise click.UsageError(unknown_merchant(found, merchant_id))
        chosen += [Chosen(merchant_id, merchant)] if merchant is not None else []
        chosen += [Chosen(merchant_id, None, entry.error) for entry in bad]
    return chosen
