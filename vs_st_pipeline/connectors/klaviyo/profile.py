"""Reads a profile of Klaviyo and its values as text, and writes values as a profile has them.

Data flow: a row of JSON:API -> `Profile` -> text by name; text by name -> a profile for an import.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import msgspec

from vs_st_pipeline.domain.codec import BEYOND, try_json
from vs_st_pipeline.domain.crm import CrmField, FieldType, Item

_LOCATION: Final = ("address1", "address2", "city", "country", "region", "zip", "timezone", "ip")
OWN_FIELDS: Final = frozenset(
    {"first_name", "last_name", "organization", "locale", "title", "image", *(f"location.{one}" for one in _LOCATION)}
)
"""Fields that every profile has, all of them texts; any other name is that of a custom property."""

NEVER_WRITTEN: Final = frozenset({"id", "email", "phone_number", "external_id", "_kx", "anonymous_id", "subscriptions"})
"""What a profile is known by, or consents to: a phone that another profile has would be moved away from it."""

_PARTS: Final = frozenset({"location", "properties", "predictive_analytics"})  # objects; their parts are fields

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?", re.ASCII)


def is_writable(name: str) -> bool:
    """Say whether a field may be written; what begins with `$` is another name of one of Klaviyo's own."""
    own = name in NEVER_WRITTEN or name in _PARTS
    return not own and not name.startswith(("$", "subscriptions.", "predictive_analytics."))


class Fields(Mapping[str, CrmField]):
    """All fields of a profile: a custom property need not be made first, so any name is one."""

    def __getitem__(self, name: str) -> CrmField:
        if name in OWN_FIELDS:
            return CrmField(name, FieldType.TEXT, what="text")
        if not is_writable(name):
            return CrmField(name, FieldType.TEXT, read_only=True, what="what a profile is known by, or consents to")
        return CrmField(name, FieldType.ANY, what="custom property")

    def __iter__(self) -> Iterator[str]:
        """Name those that every profile has."""
        return iter(sorted(OWN_FIELDS | NEVER_WRITTEN | _PARTS))

    def __len__(self) -> int:
        return len(OWN_FIELDS | NEVER_WRITTEN | _PARTS)


def email_key_of(email: str) -> str:
    """Return an address as people are known by it: trimmed, NFC, lower case."""
    return unicodedata.normalize("NFC", email.strip()).lower()


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as Klaviyo said it.

    Attributes:
        email: as it stands there; `""` for none. body: the row, with `id` and `attributes`.
    """

    id: str
    email: str
    body: Mapping[str, Any] = field(repr=False)

    @property
    def email_key(self) -> str:
        return email_key_of(self.email)

    @property
    def attributes(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.body["attributes"]
        return found

    def values(self, fields: Collection[str]) -> dict[str, str]:
        """Return these fields as text; `""` where one is empty or absent."""
        return {name: _text(self._value(name)) for name in fields}

    def _value(self, name: str) -> object:
        if name not in OWN_FIELDS:
            return self._part("properties").get(name)
        inner, dot, last = name.partition(".")
        return self._part(inner).get(last) if dot else self.attributes.get(name)

    def _part(self, name: str) -> Mapping[str, Any]:
        found = self.attributes.get(name)
        return found if isinstance(found, Mapping) else {}


def profile_of(row: object) -> Profile | None:
    """Return the profile in a row of JSON:API; None where it is not enough of one to be believed."""
    if not isinstance(row, Mapping) or not isinstance(row.get("attributes"), Mapping):
        return None
    id_, email = row.get("id"), row["attributes"].get("email")
    if not isinstance(id_, str) or not id_ or not (email is None or isinstance(email, str)):
        return None
    return Profile(id_, email or "", _kept(row))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{Decimal(repr(value)).normalize():f}"
    if isinstance(value, list):
        return _json([_text(one) for one in value]) if value else ""
    if isinstance(value, Mapping):
        return _json({str(name): _text(one) for name, one in value.items()})
    return "" if value is BEYOND else str(value)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _kept(value: object) -> Any:
    """Return JSON that can be written as JSON again: a number that no program can hold is none."""
    if isinstance(value, Mapping):
        return {name: _kept(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_kept(one) for one in value]
    if isinstance(value, Decimal):
        return float(value)
    return None if value is BEYOND else value


def written(item: Item, *, null_clears: bool) -> dict[str, Any]:
    """Return an item as a profile to be imported: by its id where there is a record, else by its address.

    Args:
        null_clears: null empties a field, as it does in an import of one; else custom properties are unset by name.
    """
    attributes: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    unset = []
    for name, text in item.values.items():
        if not is_writable(name):
            continue
        if name in OWN_FIELDS:
            inner, dot, last = name.partition(".")
            (attributes.setdefault(inner, {}) if dot else attributes)[last or name] = text or None
        elif text or null_clears:
            properties[name] = _value(text, None if item.numbers is None else name in item.numbers)
        else:
            unset.append(name)
    if properties:
        attributes["properties"] = properties
    profile: dict[str, Any] = {"type": "profile", "attributes": attributes}
    if item.record_id is None:
        attributes["email"] = item.person.email
    else:
        profile["id"] = item.record_id
    if unset:
        profile["meta"] = {"patch_properties": {"unset": unset}}
    return profile


def clears_own_field(item: Item) -> bool:
    """Say whether an item empties a field that only an import of one profile can empty."""
    return any(not text and name in OWN_FIELDS for name, text in item.values.items())


def _value(text: str, is_number: bool | None) -> object:
    """Return a text as a property has it: a list, a number or the text itself; None for an empty one.

    Args:
        is_number: None: it is not known, so it is one where it looks like one.
    """
    if not text:
        return None
    if text.startswith("["):
        found = try_json(text)
        is_list = isinstance(found, list) and all(isinstance(one, str) for one in found) and _json(found) == text
        return found if is_list else text
    if is_number is not False and _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text
