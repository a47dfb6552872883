"""Checks a part of the merchants file by a pydantic model, and tells each fault with file, line, key and what to write.

Data flow: nodes that know their lines -> pydantic -> a model's instance, or the fault that a person should mend first.

A fault never repeats a value: a `Form` makes its message from the node, and pydantic's own errors are asked for without
their input.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from vs_st_pipeline.platform.settings.forms import AT_A_LINE, Form, OneOf, Reading, collected
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.settings.yaml_source import LACK, Node, SettingsFault, first_of

M = TypeVar("M", bound="SettingsModel")

_OF_THE_WHOLE = ("value_error", "assertion_error")  # what a validator of a whole model raises


@dataclass(frozen=True, slots=True)
class Off:
    """Why a route does nothing today although the merchant is enabled: what its own settings say.

    Attributes:
        state: `pending` or `ended`, as the fleet's page shows it.
        says: what is missing or what has happened, in words. do: what a person should do.
    """

    state: str
    says: str
    do: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that only one enabled merchant may have, since two would do the same things at one place.

    Attributes:
        key: what it is, and which one; it holds no secret (`secrets.digest`).
        where: keys (of a list: places from 0) under which it stands in the entry, as far as they are there; the fault
            is told there.
        says: what it is, for people: a noun without article.
        whoever: it may stand once in the file, in entries of disabled merchants too.
    """

    key: tuple[str, ...]
    where: tuple[str | int, ...]
    says: str
    whoever: bool = False


class SettingsModel(BaseModel):
    """Base of every model of settings: frozen, strict, with no key that it does not know.

    A field's type says how it is written (`forms`). Its default is the built-in value; a field without one is required.
    A validator of the whole model (`mode="after"`) says what is wrong in a `ValueError` that repeats no value.

    Attributes:
        top_level: the keys stand in the merchant's entry itself, not in a section of their own.
        looks_beside: `check_beside` and `claims` have something to say.
        implied: no entry has a key for these settings: those of another section imply them.
        implies: models of the sections that these settings imply, by the name of the system or route (`implications`).
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, arbitrary_types_allowed=True
    )

    top_level: ClassVar[bool] = False
    looks_beside: ClassVar[bool] = False
    implied: ClassVar[bool] = False
    implies: ClassVar[Mapping[str, type[SettingsModel]]] = {}

    def implications(self) -> Mapping[str, SettingsModel]:
        """Return the sections that the entry has besides because of these settings: one for each name in `implies`."""
        return {}

    def check_entry(self, at: Node, named: Collection[str]) -> None:
        """Check what no single value tells: parts that must not be alike, and what needs other sections of the entry.

        Args:
            at: where these settings stand, with the defaults laid under; of `top_level` ones, the entry.
            named: the sections that the entry names, whether they can be used or not.

        Raises:
            SettingsFault: they cannot be used; made by `Node.problem` of the line to mend.
        """

    def check_beside(self, at: Node, sections: Mapping[str, SettingsModel]) -> None:
        """Check what only the values of other sections of the entry tell.

        Args:
            at: as in `check_entry`. sections: those that can be used, by name.

        Raises:
            SettingsFault: these settings cannot be used.
        """

    def claims(self, sections: Mapping[str, SettingsModel]) -> Iterable[Claim]:
        """Return what no other enabled merchant may have; of two that have it, the second cannot use this section.

        Args:
            sections: those of the entry that can be used, by name.
        """
        return ()

    def off_because(self, today: date) -> Off | None:
        """Return why the route whose settings these are is off, None where it is on.

        Args:
            today: in the merchant's zone.
        """
        return None

    def doubts(self) -> Sequence[str]:
        """Return sentences about what is right but may not be intended."""
        return ()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return these settings: nobody changes them, and pydantic copies a default that holds a dict for each use."""
        return self

    @model_validator(mode="before")
    @classmethod
    def _of_node(cls, value: Any) -> Any:
        if not isinstance(value, Node):
            return value
        try:
            return value.mapping(keys_of(cls))
        except SettingsFault as fault:
            raise collected(fault) from None


@functools.cache
def fields_of(model: type[SettingsModel]) -> dict[str, FieldInfo]:
    """Return a model's fields by the key that a file has for each."""
    return {_key_of(name, field): field for name, field in model.model_fields.items()}


def _key_of(name: str, field: FieldInfo) -> str:
    """Return the key of a field in a file; it has another name in code where the key is a word of Python's."""
    return field.validation_alias if isinstance(field.validation_alias, str) else name


@functools.cache
def keys_of(model: type[SettingsModel]) -> tuple[str, ...]:
    """Return the keys that a file may have for a model, in the model's order."""
    return tuple(fields_of(model))


def validate(model: type[M], values: Node | Mapping[str, Node], where: Node, reading: Reading) -> M:
    """Return the model's instance.

    Args:
        values: the mapping in the file, or those keys of one that are the model's.
        where: the place that a missing key is missing from.

    Raises:
        SettingsFault: what a person should mend first: what is wrong before all that is missing, then by line.
    """
    try:
        return model.model_validate(values, context=reading)
    except ValidationError as error:
        fault = first_of(_faults(model, where, error))
    raise fault


def fault_in(
    model: type[SettingsModel], values: Node | Mapping[str, Node], where: Node, reading: Reading
) -> SettingsFault | None:
    """Return what is wrong with values that others may complete: nothing is missing, and no whole is looked at yet."""
    try:
        model.model_validate(values, context=reading)
    except ValidationError as error:
        found = [fault for fault in _faults(model, where, error, complete=False) if fault.rank != LACK]
        return min(found, key=lambda one: one.order, default=None)
    return None


def secrets_of(settings: BaseModel) -> Iterator[Secret]:
    """Yield the secrets that these settings hold, in the order of their fields."""
    yield from _secrets_in(dict(settings))


def required(model: type[SettingsModel]) -> Iterator[tuple[str, Form | None]]:
    """Yield the keys without which the model cannot be, and how each is written."""
    for key, field in fields_of(model).items():
        if field.is_required():
            yield key, _form_of(field)


def _secrets_in(value: object) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, BaseModel):
        yield from _secrets_in(dict(value))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _secrets_in(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from _secrets_in(inner)


def _faults(
    model: type[SettingsModel], where: Node, error: ValidationError, *, complete: bool = True
) -> Iterator[SettingsFault]:
    for one in error.errors(include_url=False, include_input=False):
        kind, place = one["type"], one["loc"]
        if kind == AT_A_LINE:
            yield one["ctx"]["fault"]
        elif kind == "missing":
            inner, node = _at(model, where, place[:-1])
            key = str(place[-1])
            yield missing(node, key, _form_of(fields_of(inner)[key]) if inner else None)
        elif kind not in _OF_THE_WHOLE:  # of a type that has no form of its own; pydantic's words repeat no value
            yield _at(model, where, place)[1].problem(one["msg"])
        elif complete:
            yield _at(model, where, place)[1].problem(str(one["ctx"]["error"]))


def missing(node: Node, key: str, form: Form | None, rank: int = LACK, because: str = "") -> SettingsFault:
    """Return the fault that a mapping lacks a key; `because`: what asks for it, behind the sentence."""
    if form is not None and form.absent is not None:
        return node.problem(f"{form.absent}{because}", rank)
    return node.problem(f"{key} is missing{f'; write {form.write}' if form else ''}{because}", rank)


def _at(
    model: type[SettingsModel], node: Node, place: tuple[int | str, ...]
) -> tuple[type[SettingsModel] | None, Node]:
    """Return the model and the node at a place that pydantic names, as far as the file has it."""
    inner: type[SettingsModel] | None = model
    for part in place:
        if isinstance(part, int):
            items = node.items()
            node = items[part] if part < len(items) else node
            continue
        node = node.child(part) or node
        if inner is not None and part in fields_of(inner):
            inner = _model_in(fields_of(inner)[part].annotation)
    return inner, node


def _model_in(annotation: Any) -> type[SettingsModel] | None:
    """Return the model that a field's type names, if any: `Refresh`, `tuple[Consent, ...]`, `Limits | None`."""
    if isinstance(annotation, type) and issubclass(annotation, SettingsModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


def _form_of(field: FieldInfo) -> Form | None:
    for one in field.metadata:
        if isinstance(one, Form | OneOf):
            return one if isinstance(one, Form) else one.form(field.annotation)
    return None
