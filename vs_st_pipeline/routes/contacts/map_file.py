"""Reads the field map of a merchant: the route's own, or the file that its settings name."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import resources

from vs_st_pipeline.connectors.simpletexting.builtin_fields import BUILTINS
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.platform.settings.field_map_yaml import read_field_map
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.routes.contacts.settings import ContactsSettings


def load_field_map(merchant: Merchant) -> FieldMap:
    """Return the merchant's field map, checked.

    Raises:
        BadSettings: the file cannot be read or is refused; the message names file and line.
    """
    own = merchant.section(ContactsSettings).field_map
    if (path := own.path) is not None:
        try:
            if path.exists() and not path.is_file():  # a pipe would be waited for
                raise OSError(None, "Is a directory" if path.is_dir() else "not a regular file")
            return _parsed(path.read_text(encoding="utf-8-sig"), str(path))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or (
                "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else "not a path"
            )
            said_in = f"{own.said_in}: " if own.said_in else ""
            raise BadSettings(
                f"{said_in}the field map {path} of {merchant.id} cannot be read: {reason}; put the file there, "
                "readable, or write `default`"
            ) from None
    return _parsed(_default_map(), "field_map.yaml")


@cache
def _default_map() -> str:
    return (resources.files("vs_st_pipeline.routes.contacts") / "field_map.yaml").read_text(encoding="utf-8")


@lru_cache(maxsize=64)  # parsing costs more than the rest of a quiet plan, and most merchants share a map
def _parsed(text: str, name: str) -> FieldMap:
    return read_field_map(text, name, BUILTINS)
