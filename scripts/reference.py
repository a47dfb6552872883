"""Writes docs/reference.md: every setting, command, report key, check and word, as the code says them.

Also the index of commands, `vs_st_pipeline/cli/commands.json`, from which `vs-st --help` and completion come at once.

`python scripts/reference.py` writes it; a test holds the page to the code.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_origin

import click

from vs_st_pipeline.cli.completing import INDEX
from vs_st_pipeline.cli.index import index_of
from vs_st_pipeline.cli.main import cli
from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.operations.settings import house
from vs_st_pipeline.platform.settings.forms import Form, OneOf, OwnFile
from vs_st_pipeline.platform.settings.model import SettingsModel, fields_of
from vs_st_pipeline.routes import ROUTES

COMMANDS = Path(str(files("vs_st_pipeline.cli").joinpath(INDEX)))
PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference.md"
HEAD = """# Reference

Made from the code by `scripts/reference.py`; a test holds it. What a route does, and how it is set up, stands on its
own page: [orders.md](orders.md), [consumers.md](consumers.md).
"""


def main() -> None:
    """Write the page, and the index of commands that help and completion are made from."""
    PAGE.write_text(page(), encoding="utf-8")
    COMMANDS.write_text(commands(), encoding="utf-8")


def commands() -> str:
    """Return the index of all commands."""
    systems = [one.name for one in CONNECTORS if one.hooks is not None]
    return json.dumps(index_of(cli, [route.name for route in ROUTES], systems), indent=1, ensure_ascii=False) + "\n"


def page() -> str:
    """Return the whole page."""
    parts = [HEAD, "## Settings\n", *_settings(), "## Commands\n", *_commands(), "## Routes\n", *_routes()]
    return "\n".join(parts).rstrip() + "\n"


# --- settings ---------------------------------------------------------------------------------------------------------


def _settings() -> Iterator[str]:
    for section in house().sections:
        where = "of an entry itself" if section.model.top_level else f"of section `{section.name}`"
        yield f"### Keys {where}\n"
        yield "| key | what is written | if left out | what it is |"
        yield "| --- | --- | --- | --- |"
        yield from _rows(section.model, "")
        yield ""


def _rows(model: type[SettingsModel], before: str) -> Iterator[str]:
    says = _attributes(model)
    for key, field in fields_of(model).items():
        inner = _models_in(field.annotation)
        forms = [_written(one, field.annotation) for one in _metadata(field) if isinstance(one, Form | OneOf)]
        written = forms[0] if forms else "keys"
        written = f"null, or {forms[1]}" if written.startswith("null") and forms[1:] else written
        default = "must be there" if field.is_required() else _shown(field.default)
        yield f"| `{before}{key}` | {_cell(written)} | {_cell(default)} | {_cell(says.get(key, ''))} |"
        for one in inner:
            yield from _rows(one, f"{before}{key}.")


def _metadata(field: Any) -> tuple[Any, ...]:
    found, hint = list(field.metadata), field.annotation
    for one in (hint, *getattr(hint, "__args__", ())):
        found += getattr(one, "__metadata__", ())
    return tuple(found)


def _written(form: Form | OneOf, annotation: Any) -> str:
    return form.write if isinstance(form, Form) else form.form(_literal(annotation)).write


def _literal(hint: Any) -> Any:
    """Return the `Literal` of a choice, also of one that may be null."""
    if get_origin(hint) is Literal:
        return hint
    inner = [hint.__origin__] if hasattr(hint, "__metadata__") else []
    parts = (*inner, *getattr(hint, "__args__", ()))
    return next((one for one in map(_literal, parts) if get_origin(one) is Literal), hint)


def _models_in(hint: Any) -> list[type[SettingsModel]]:
    if isinstance(hint, type):
        return [hint] if issubclass(hint, SettingsModel) else []
    inner = [hint.__origin__] if hasattr(hint, "__metadata__") else []
    return list(dict.fromkeys(one for part in (*inner, *getattr(hint, "__args__", ())) for one in _models_in(part)))


def _attributes(model: type[SettingsModel]) -> dict[str, str]:
    """Return what a model's docstring says of each key: `key, other: text. third: text.`"""
    _, _, text = " ".join((model.__doc__ or "").split()).partition("Attributes: ")
    key = "|".join(map(re.escape, fields_of(model)))
    parts = re.split(rf"(?:^|(?<= ))((?:(?:{key}), )*(?:{key})): ", text)[1:]
    return {
        name: says.strip() for names, says in zip(parts[::2], parts[1::2], strict=True) for name in names.split(", ")
    }


def _shown(value: object) -> str:
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, OwnFile):
        return "default"
    if isinstance(value, SettingsModel):
        return "as below"
    if isinstance(value, tuple | dict) and not value:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return value.isoformat() if isinstance(value, date) else str(value)


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds and seconds % unit == 0:
            return f"{seconds // unit}{name}"
    return f"{seconds}s"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


# --- commands ---------------------------------------------------------------------------------------------------------


def _commands() -> Iterator[str]:
    for words, command in _all(cli, ()):
        says = " ".join((command.help or "").split("\n\n")[0].split())
        params = [_param(one) for one in command.params if not getattr(one, "hidden", False)]
        yield f"- `vs-st {' '.join([*words, *params])}`: {says}"
    yield ""


def _all(group: click.Group, before: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _all(command, (*before, name))
        elif not command.hidden:
            yield (*before, name), command


def _param(one: click.Parameter) -> str:
    if isinstance(one, click.Option):
        takes = "" if one.is_flag else f" {one.metavar or (one.name or '').upper()}"
        return f"{max(one.opts, key=len)}{takes}" if one.required else f"[{max(one.opts, key=len)}{takes}]"
    return one.metavar if one.metavar is not None else (one.name or "").upper()


# --- routes -----------------------------------------------------------------------------------------------------------


def _routes() -> Iterator[str]:
    for route in ROUTES:
        needs = " and ".join("one of " + ", ".join(sorted(one)) if len(one) > 1 else min(one) for one in route.needs)
        yield f"### Route `{route.name}`\n"
        yield f"Keeps {route.does}. On when an entry has {needs}.\n"
        yield f"`sync --json`: {', '.join(f'`{key}`' for key in route.report('id', 'run').as_json())}.\n"
        yield "| asset | what it is |\n| --- | --- |"
        yield from (f"| `{asset.key}` | {_cell(asset.description)} |" for asset in route.assets)
        yield "\n| check | of | counts | what a failure means |\n| --- | --- | --- | --- |"
        for check in route.checks:
            yield f"| `{check.name}` | `{check.asset}` | {_cell(check.counted)} | {_cell(check.means)} |"
        yield "\n| in a field map, `from` | what it is |\n| --- | --- |"
        yield from (f"| `{name}` | {_cell(says)} |" for name, says in route.map_names.items())
        yield ""


if __name__ == "__main__":
    sys.exit(main())
