"""Reads what fields an object has, and turns their values into texts and back.

Data flow: a describe -> `CrmField`s; a row's value -> text; text -> what is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from vs_st_pipeline.connectors.salesforce.names import SALESFORCE
from vs_st_pipeline.domain.crm import CrmField, FieldType
from vs_st_pipeline.domain.errors import BadAnswer

OPTED_OUT: Final = "HasOptedOutOfEmail"
EMAIL, LAST_NAME = "Email", "LastName"
NOT_PROVIDED: Final = "[not provided]"
"""What stands for a last name that nobody knows; as Salesforce itself writes it, and so it counts as empty."""

SHORTEST_KEY: Final = 43  # `sp_` and 40 digits

_TYPES: Final[Mapping[str, FieldType]] = {
    **dict.fromkeys(("string", "textarea", "email", "phone", "url", "encryptedstring", "combobox"), FieldType.TEXT),
    **dict.fromkeys(("id", "reference"), FieldType.TEXT),
    **dict.fromkeys(("double", "currency", "percent", "int", "long"), FieldType.NUMBER),
    "boolean": FieldType.FLAG,
    "date": FieldType.DATE,
    "datetime": FieldType.TIME,
    "picklist": FieldType.CHOICE,
    "multipicklist": FieldType.CHOICES,
}


def described(object: str, said: object) -> dict[str, Mapping[str, Any]]:
    """Return the fields that a describe shows, by name, as it shows them.

    Raises:
        BadAnswer: it is of another object, or not whole: from one without e-mail and last name no field can be missed.
    """
    if isinstance(said, Mapping) and said.get("name", object) == object and isinstance(said.get("fields"), list):
        rows = [row for row in said["fields"] if isinstance(row, Mapping) and isinstance(row.get("name"), str)]
        found = {row["name"]: row for row in rows if isinstance(row.get("type"), str)}
        if len(found) == len(said["fields"]) and {EMAIL, LAST_NAME} <= found.keys() and _tell(found.values()):
            return found
    raise BadAnswer("the answer to what fields contacts have is not whole", system=SALESFORCE, call="describe")


def _tell(rows: Iterable[Mapping[str, Any]]) -> bool:
    return all(isinstance(row.get(key), bool) for row in rows for key in ("createable", "updateable"))


def crm_field(row: Mapping[str, Any], key: str) -> CrmField:
    """Return a field as the route sees it; the one that holds our key is nobody else's to write."""
    kind = row["type"]
    type = _TYPES.get(kind, FieldType.TEXT)
    length = row.get("length")
    choices = None
    if type in (FieldType.CHOICE, FieldType.CHOICES) and row.get("restrictedPicklist"):
        choices = tuple(_choices(row.get("picklistValues")))
    return CrmField(
        name=row["name"],
        type=type,
        length=length if isinstance(length, int) and length > 0 and type is not FieldType.NUMBER else None,
        choices=choices,
        read_only=not (row["createable"] and row["updateable"]) or kind not in _TYPES or row["name"] == key,
        what=kind,
    )


def _choices(values: object) -> Iterable[tuple[str, str]]:
    for one in values if isinstance(values, list) else ():
        if isinstance(one, Mapping) and isinstance(one.get("value"), str) and one.get("active", True):
            label = one.get("label")
            yield one["value"], label if isinstance(label, str) else one["value"]


def as_text(value: object, type: FieldType) -> str:
    """Return a row's value as text: numbers in plain digits, several choices sorted, times in UTC."""
    if value is None or value == NOT_PROVIDED:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return _plain_number(value)
    text = str(value).replace("\r\n", "\n")
    if type is FieldType.CHOICES:
        return ";".join(sorted(part for part in text.split(";") if part))
    return _utc(text) if type is FieldType.TIME else text


def _plain_number(value: int | Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _utc(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment.tzinfo else text


def as_written(text: str, type: FieldType) -> object:
    """Return a text as it is written: null empties; numbers and booleans are such."""
    if text == "":
        return None
    if type is FieldType.FLAG:
        return text == "true"
    if type is FieldType.NUMBER:
        return _number(text)
    return text


def _number(text: str) -> object:
    try:
        number = Decimal(text)
        return int(number) if number == number.to_integral_value() else float(number)
    except (InvalidOperation, OverflowError, ValueError):
        return text
