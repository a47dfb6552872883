"""Reads the field map of a merchant for one CRM: the route's own, or the file that the CRM's settings name."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from contextlib import suppress
from functools import cache, lru_cache
from importlib import resources
from typing import Final

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.field_map import Builtins, FieldMap
from vs_st_pipeline.platform.settings.field_map_yaml import read_field_map
from vs_st_pipeline.platform.settings.forms import OwnFile
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.own_files import text_of
from vs_st_pipeline.routes.consumers.settings import ConsumersSettings
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES
from vs_st_pipeline.routes.consumers.words import SOURCES

_STATUS: Final = "newest_order.status"

# What no map may write, in small letters: what a person is known by, and whatever says consent (consumers.md 5.4).
_EMAIL: Final = {
    "hubspot": ("email", "hs_additional_emails"),
    "klaviyo": ("email", "$email"),
    "salesforce": ("email",),
}
_CONSENT: Final = {
    "hubspot": ("hs_email_optout*", "hs_legal_basis", "hs_marketable_*"),
    "klaviyo": ("subscriptions", "subscriptions.*", "$consent*"),
    "salesforce": ("hasoptedout*", "donotcall", "individualid"),
}


def follows_status(merchant: Merchant) -> bool:
    """Say whether later statuses of orders are read: the settings say so, or a map uses them (consumers.md 3.7d)."""
    if merchant.section(ConsumersSettings).follow_status:
        return True
    for crm in (one for one in CRM_NAMES if one in merchant.sections):
        with suppress(BadSettings):  # told where the CRM's turn comes
            if any(row.source == _STATUS for row in load(merchant, crm).fields):
                return True
    return False


def load(merchant: Merchant, crm: str) -> FieldMap:
    """Return the merchant's field map for a CRM, checked.

    Args:
        crm: the connector's name; its section has been read.

    Raises:
        BadSettings: the file cannot be read or is refused; the message names file and line.
    """
    settings = merchant.sections[crm]
    own: OwnFile = getattr(settings, "field_map", OwnFile())
    key = getattr(settings, "external_id_field", None)
    if own.path is None:
        return _parsed(_default_map(crm), f"{crm}.yaml", crm, key)
    return _parsed(text_of(own, f"the field map {own.path} of {merchant.id}"), str(own.path), crm, key)


@cache
def _default_map(crm: str) -> str:
    return (resources.files("vs_st_pipeline.routes.consumers") / "maps" / f"{crm}.yaml").read_text(encoding="utf-8")


@lru_cache(maxsize=64)
def _parsed(text: str, name: str, crm: str, key: str | None) -> FieldMap:
    return read_field_map(text, name, Builtins(crm, by_name=True, refuses=_refusal(crm, key)), SOURCES)


def _refusal(crm: str, key: str | None) -> Callable[[str], str | None]:
    def refuses(name: str) -> str | None:
        folded = name.casefold()
        if folded in _EMAIL[crm]:
            return f"'{name}' is what a person is known by; no map may write it"
        if any(fnmatch.fnmatchcase(folded, pattern) for pattern in _CONSENT[crm]):
            return f"'{name}' says whether a person may be mailed; no map may write it"
        if key is not None and folded == key.casefold():
            return f"'{name}' holds the pipeline's own key; no map may write it"
        return None

    return refuses
