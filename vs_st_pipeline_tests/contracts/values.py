"""Makes settings of any model: for each key one right value that is no default, and one that is wrong.

A new kind of value is made here by what its field holds; one that is not known fails the test that asks for it.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic.fields import FieldInfo

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount, Said
from vs_st_pipeline.platform.settings.forms import BaseUrl, Form, OneOf, OwnFile, SecretValue
from vs_st_pipeline.platform.settings.model import SettingsModel, fields_of
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.routes.notices.settings import NotificationSettings

WORD, DIGITS = "zq8-Swordfish-77", "7075550142"
ENVIRON = {"CONTRACT": WORD}
URL = "https://gateway.example/vineyard"

Place = tuple[str, ...]
SECRET = next(one for one in SecretValue.__metadata__ if isinstance(one, Form))
NOT_TOGETHER = {
    "ConsentEntry": ("hubspot", "klaviyo", "salesforce"),
    "WaymoreSettings": ("source",),
    "NoticesSettings": ("statuses", "replies"),
    "Unexpected": ("template",),
}
"""Keys that do not go with the others: an ignored consent leads nowhere; a named source must stand in the entry; files
that are read with the settings must be there; an answer is a text or a template."""
NEEDED_BY_A_RULE = {"SoPostSettings": ("token",), "WaymoreSettings": ("username", "password")}
"""Keys that no section can do without, by what another key says where it is left out: `auth` is `bearer`."""


@dataclass(frozen=True)
class Pair:
    """A value as a file has it, what is read of it, and one that is wrong there."""

    written: Any
    read: Any
    wrong: Any = f"{WORD} {DIGITS}"


NUMBER = "+919810000001"
_KEYS = {"app_name": "some app", "app_id": "77aa", "number": NUMBER}
_CLIENT = GupshupAccount(id="client:hillside", kind="client", api_key=Secret(WORD, "env:CONTRACT"), **_KEYS)
SPECIAL = {
    ("NoticesSettings", "accounts"): Pair([{"kind": "client", "api_key": "env:CONTRACT", **_KEYS}], (_CLIENT,)),
    ("NoticesSettings", "countries"): Pair(["IN"], ("IN",)),
    ("NoticesSettings", "opt_in"): Pair(["attestation"], ("attestation",)),
    ("NoticesSettings", "notifications"): Pair(
        {"packed": {"enabled": True}}, {"packed": NotificationSettings(enabled=True)}
    ),
    ("NoticesSettings", "settle"): Pair("5m", timedelta(minutes=5)),
    ("NoticesSettings", "samples"): Pair({"brand": "some brand"}, {"brand": "some brand"}),
    ("NoticesSettings", "only_to"): Pair([NUMBER], (NUMBER,)),
    ("NoticesSettings", "confirmations"): Pair({"reattempt": {"text": "some"}}, {"reattempt": Said(text="some")}),
    ("QuietHours", "from"): Pair("20:30", time(20, 30), [WORD]),
    ("QuietHours", "to"): Pair("07:30", time(7, 30), [WORD]),
    ("Cap", "exempt"): Pair(["packed"], ("packed",)),
}
"""Values of keys that name something, or that only some values fit: by model and key."""


def pair_of(hint: Any, metadata: Any, folder: Path, default: Any = None, word: str = "text") -> Pair:
    """A value of this type, other than the default; `word` makes texts of two keys differ."""
    hint, metadata = _bare(hint, metadata)
    form = next((one for one in metadata if isinstance(one, Form)), None)
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        word = next(word for word in inner if word != default)
        return Pair(word, word)
    if origin is frozenset:
        return Pair(["CA"], frozenset({"CA"}))
    if form is not None and "or a time such as" in form.write:
        return Pair("2027-06-07", date(2027, 6, 7))
    if origin is tuple:
        one = pair_of(inner[0], (), folder, word=word)
        return Pair([one.written], (one.read,))
    if origin is dict:
        one = pair_of(inner[1], (), folder)
        return Pair({"some": one.written}, {"some": one.read})
    if origin in (Union, types.UnionType):
        return pair_of(next(one for one in inner if one is not type(None)), metadata, folder, default, word)
    if isinstance(hint, type) and issubclass(hint, SettingsModel):
        written, read = whole(hint, folder)
        return Pair(written, read)
    return _plain(hint, form, folder, default, word)


def _plain(hint: Any, form: Form | None, folder: Path, default: Any, word: str) -> Pair:
    if hint is bool:
        return Pair(not default, not default)
    if hint is Secret:
        kept = Secret(WORD, "env:CONTRACT")
        is_reference = form is not None and form.write == SECRET.write  # else a name may stand there as it is
        return Pair("env:CONTRACT", kept) if is_reference else Pair("env:CONTRACT", kept, [WORD, DIGITS])
    if hint is OwnFile:
        return Pair("own/map.yaml", OwnFile(folder / "own" / "map.yaml"), [WORD, DIGITS])
    if hint is Path:
        return Pair("drops", folder / "drops", [WORD, DIGITS])
    if hint is str:
        is_url = form is not None and form.write == BaseUrl("/", usual=re.sub("^a URL such as ", "", form.write)).write
        if is_url:
            return Pair(URL, URL)
        if form is not None and form.write.startswith("an https:// template"):
            return Pair(f"{URL}/links", f"{URL}/links", [WORD, DIGITS])
        # A form of its own says what is right: `a UUID such as ...`.
        example = re.search(r"such as (\S+)", form.write) if form is not None else None
        text = example[1] if example and example[1] != default else f"some {word}"
        if form is not None and "e-mail" in form.write:
            text = "some@example.com"
        return Pair(text, text, [WORD, DIGITS])
    if hint is timedelta and form is not None and "1d or more" in form.write:
        return Pair("5d", timedelta(days=5))
    if hint is timedelta:
        return Pair("5h", timedelta(hours=5)) if default != timedelta(hours=5) else Pair("7h", timedelta(hours=7))
    if hint is date:
        return Pair("2015-06-07", date(2015, 6, 7))
    if hint is ZoneInfo:
        return Pair("Europe/Paris", ZoneInfo("Europe/Paris"))
    if hint is float:
        return Pair(0.25, 0.25)
    if hint is int:
        least = int(found[1]) if form and (found := re.search(r"from (-?\d+) to", form.write)) else 1
        return Pair(least, least) if least != default else Pair(least + 1, least + 1)
    raise AssertionError(f"no value of {hint} is known here: add one")


def _bare(hint: Any, metadata: Any) -> tuple[Any, tuple[Any, ...]]:
    """The type without what pydantic hangs on it."""
    while hasattr(hint, "__metadata__"):
        hint, metadata = hint.__origin__, (*hint.__metadata__, *metadata)
    return hint, tuple(metadata)


def _pair(model: type[SettingsModel], key: str, field: FieldInfo, folder: Path) -> Pair:
    if (found := SPECIAL.get((model.__name__, key))) is not None:
        return found
    if key == "events":
        return Pair({"Search": False}, {"Search": False})
    return pair_of(field.annotation, field.metadata, folder, None if field.is_required() else field.default, key)


def whole(model: type[SettingsModel], folder: Path) -> tuple[dict[str, Any], SettingsModel]:
    """Every key of a model with a value that is no default, and what must be read of it."""
    without = NOT_TOGETHER.get(model.__name__, ())
    pairs = {key: _pair(model, key, field, folder) for key, field in fields_of(model).items() if key not in without}
    written = {key: pair.written for key, pair in pairs.items()}
    return written, _made(model, {_name(model, key): pair.read for key, pair in pairs.items()})


def _made(model: type[SettingsModel], values: dict[str, Any]) -> SettingsModel:
    defaults = {name: field.default for name, field in model.model_fields.items() if name not in values}
    return model.model_construct(**defaults, **values)


def least(model: type[SettingsModel], folder: Path) -> dict[str, Any]:
    """What a section must have."""
    rule = NEEDED_BY_A_RULE.get(model.__name__, ())
    needed = {key: field for key, field in fields_of(model).items() if field.is_required() or key in rule}
    return {key: _pair(model, key, field, folder).written for key, field in needed.items()}


def least_read(model: type[SettingsModel], folder: Path) -> dict[str, Any]:
    """The same as it is read."""
    return {key: _pair(model, key, fields_of(model)[key], folder).read for key in least(model, folder)}


def wrong(model: type[SettingsModel], folder: Path, before: Place = ()) -> Iterator[tuple[Place, Any]]:
    """For every key, also in parts of parts, a value that is wrong there."""
    for key, field in fields_of(model).items():
        yield (*before, key), _pair(model, key, field, folder).wrong
        hint, _ = _bare(field.annotation, ())
        if isinstance(hint, type) and issubclass(hint, SettingsModel):
            yield from wrong(hint, folder, (*before, key))


def models_in(model: type[SettingsModel]) -> Iterator[type[SettingsModel]]:
    """A model, and those that its keys hold."""
    yield model
    for field in fields_of(model).values():
        hint, _ = _bare(field.annotation, ())
        if isinstance(hint, type) and issubclass(hint, SettingsModel):
            yield from models_in(hint)


def has_form(field: FieldInfo) -> bool:
    """Whether the type of a field says how it is written."""
    hint, metadata = _bare(field.annotation, field.metadata)
    is_part = isinstance(hint, type) and issubclass(hint, SettingsModel)
    return is_part or any(isinstance(one, Form | OneOf) for one in metadata)


def _name(model: type[SettingsModel], key: str) -> str:
    return next(name for name, field in model.model_fields.items() if field is fields_of(model)[key])
