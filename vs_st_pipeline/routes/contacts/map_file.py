"""Reads the field map of a merchant: the route's own, or the file that its settings name."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import resources

from vs_st_pipeline.connectors.simpletexting.builtin_fields import BUILTINS
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.platform.settings.field_map_yaml import read_field_map
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.own_files import text_of
from vs_st_pipeline.routes.contacts.settings import ContactsSettings


def load_field_map(merchant: Merchant) -> FieldMap:
    """Return the merchant's field map, checked.

    Raises:
        BadSettings: the file cannot be read or is refused; the message names file and line.
    """
    own = merchant.section(ContactsSettings).field_map
    if own.path is None:
        return _parsed(_default_map(), "field_map.yaml")
    return _parsed(text_of(own, f"the field map {own.path} of {merchant.id}"), str(own.path))


@cache
def _default_map() -> str:
    return (resources.files("vs_st_pipeline.routes.contacts") / "field_map.yaml").read_text(encoding="utf-8")


@lru_cache(maxsize=64)  # parsing costs more than the rest of a quiet plan, and most merchants share a map
def _parsed(text: str, name: str) -> FieldMap:
    return read_field_map(text, name, BUILTINS)
