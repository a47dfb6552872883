"""Keeps an index of all commands, from which help and completion come in a tenth of the time that the commands take.

Data flow: the commands -> `index_of` -> `commands.json` (written by `scripts/reference.py`, held by a test) -> `build`
-> commands that only describe themselves.

The commands themselves import every route and connector, which takes a second: too long for a press of Tab.
"""

from __future__ import annotations

from typing import Any

import click

from vs_st_pipeline.cli import completing
from vs_st_pipeline.cli.help import Sections

Record = dict[str, Any]


COMPLETED = {
    "more_ids": "merchants", "--merchant": "merchants", "--route": "routes", "--account": "accounts",
    "--system": "systems",
}  # fmt: skip
"""What completes the values of options and arguments, by their names: a word of `completing.VALUES`."""


class NotDescribed(Exception):
    """A command of the index was to be run: that takes the real one."""


# --- the index of commands --------------------------------------------------------------------------------------------


def index_of(cli: click.Group, routes: list[str], systems: list[str]) -> Record:
    """Return what the index says of all commands, as JSON has it."""
    return {"routes": routes, "systems": systems, "top": _command(cli)}


def _command(one: click.Command) -> Record:
    found: Record = {
        "name": one.name, "help": one.help, "short": one.short_help, "hidden": one.hidden,
        "usage": one.options_metavar, "context": one.context_settings, "params": [_param(p) for p in one.params],
    }  # fmt: skip
    if isinstance(one, Sections):
        found |= {
            "alone": one.invoke_without_command, "usual": one.usual, "headings": one.headings,
            "commands": [_command(inner) for inner in one.commands.values()],
        }  # fmt: skip
    return {key: value for key, value in found.items() if value not in (None, False, "", [], {})}


def _param(one: click.Parameter) -> Record:
    found: Record = {
        "opts": one.opts, "more_opts": one.secondary_opts, "metavar": one.metavar, "required": one.required,
        "nargs": one.nargs if one.nargs != 1 else None, "many": one.multiple, "type": _type(one.type),
        "completes": next((COMPLETED[name] for name in (one.name or "", *one.opts) if name in COMPLETED), None),
    }  # fmt: skip
    if isinstance(one, click.Option):
        found |= {
            "option": True, "help": one.help, "flag": one.is_flag, "hidden": one.hidden,
            "default": one.default if one.show_default else None, "optional": one.flag_value == "",
        }  # fmt: skip
    return {key: value for key, value in found.items() if value not in (None, False, "", [], {})} | (
        {"metavar": ""} if one.metavar == "" else {}
    )


def _type(one: click.ParamType[Any]) -> Record | None:
    if isinstance(one, click.Choice):
        return {"choices": list(one.choices)}
    if isinstance(one, click.IntRange):
        return {"whole": True, "least": one.min, "most": one.max}
    if isinstance(one, click.types.IntParamType):
        return {"whole": True}
    return {"path": True} if isinstance(one, click.Path) else None


# --- commands of the index --------------------------------------------------------------------------------------------


def build(index: Record) -> click.Group:
    """Return all commands as the index describes them; running one raises `NotDescribed`."""
    found = _built(index["top"])
    assert isinstance(found, click.Group)
    return found


def _run(**_typed: Any) -> None:
    raise NotDescribed


def _built(said: Record) -> click.Command:
    common = {
        "name": said.get("name"), "help": said.get("help"), "short_help": said.get("short"), "callback": _run,
        "hidden": said.get("hidden", False), "options_metavar": said.get("usage"),
        "context_settings": said.get("context"), "params": [_built_param(one) for one in said.get("params", ())],
    }  # fmt: skip
    if "commands" not in said:
        return click.Command(**common)
    group = Sections(**common, invoke_without_command=said.get("alone", False), usual=said.get("usual"))
    for inner in said["commands"]:
        group.add_command(_built(inner))
    group.headings = said.get("headings", {})
    return group


def _built_param(said: Record) -> click.Parameter:
    common: Record = {
        "metavar": said.get("metavar"), "required": said.get("required", False), "nargs": said.get("nargs"),
        "type": _built_type(said.get("type")), "shell_complete": completing.VALUES.get(said.get("completes", "")),
    }  # fmt: skip
    if "option" not in said:
        return click.Argument(said["opts"], **common)
    names = list(said["opts"])
    if "more_opts" in said:
        names = ["/".join([*names, *said["more_opts"]])]
    if said.get("flag"):
        return click.Option(names, is_flag=True, help=said.get("help"), hidden=said.get("hidden", False))
    if said.get("optional"):
        common |= {"is_flag": False, "flag_value": ""}
    return click.Option(
        names, help=said.get("help"), hidden=said.get("hidden", False), multiple=said.get("many", False),
        default=said.get("default"), show_default="default" in said, **common,
    )  # fmt: skip


def _built_type(said: Record | None) -> click.ParamType[Any] | None:
    if said is None:
        return None
    if "choices" in said:
        return click.Choice(said["choices"])
    if "path" in said:
        return click.Path()
    return click.IntRange(said.get("least"), said.get("most")) if "least" in said else click.INT
