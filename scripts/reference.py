"""Writes docs/reference.md: all commands, options, variables, settings, words, report keys, checks, alerts, as coded.

Also the index of commands, `vs_st_pipeline/cli/commands.json`, from which `vs-st --help` and completion come at once.

`python scripts/reference.py` writes both; a test holds them to the code. Nothing is listed here: each part is read from
where the thing itself stands.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_origin

import click

from vs_st_pipeline.cli.completing import INDEX
from vs_st_pipeline.cli.index import index_of
from vs_st_pipeline.cli.main import cli
from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.definitions import defs
from vs_st_pipeline.defs import fleet_health, fleet_hints
from vs_st_pipeline.domain.hints import OUTCOME_MEANS, STATE_MEANS
from vs_st_pipeline.domain.report import KEYS
from vs_st_pipeline.operations.fleet import advice, health, hint_findings, inbox_troubles
from vs_st_pipeline.operations.settings import house
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.settings.forms import Form, OneOf, OwnFile
from vs_st_pipeline.platform.settings.merchants import Entry
from vs_st_pipeline.platform.settings.model import SettingsModel, fields_of
from vs_st_pipeline.platform.settings.variables import variables
from vs_st_pipeline.platform.settings.webhooks import SystemWebhooks, WebhookKeys, WebhookSettings
from vs_st_pipeline.routes import ROUTES

COMMANDS = Path(str(files("vs_st_pipeline.cli").joinpath(INDEX)))
PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference.md"
HEAD = """# Reference

Every command, setting and word there is. It is made from the code by `scripts/reference.py`, and a test holds it to
the code. What a route does, and how it is set up, is on its own page:
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
    parts: dict[str, list[str]] = {
        "Commands": list(_commands()),
        "Environment": list(_environment()),
        "Settings": list(_settings()),
        "What a sync reports": list(_reports()),
        "States and errors": list(_states()),
        "Alerts": list(_alerts()),
        "Webhooks and hints": list(_hints()),
        "Dagster": list(_dagster()),
    }
    parts |= {f"Route `{route.name}`": list(_route(route)) for route in ROUTES}
    pages = ", ".join(f"[{route.name}]({route.name}.md)" for route in ROUTES)
    contents = [f"- [{title.replace('`', '')}](#{_anchor(title)})" for title in parts]
    body = [line for title, lines in parts.items() for line in (f"\n## {title}\n", *lines)]
    text = "\n".join([HEAD.rstrip() + f" {pages}.", "", *contents, *body])
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def _anchor(title: str) -> str:
    """Return under which name a heading is linked, as GitHub and generators of sites make it."""
    return re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-")


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    titles = list(titles)
    yield f"| {' | '.join(titles)} |"
    yield f"|{' --- |' * len(titles)}"
    yield from (f"| {' | '.join(map(_cell, row))} |" for row in rows)
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


# --- commands ---------------------------------------------------------------------------------------------------------


def _commands() -> Iterator[str]:
    found = list(_all(cli, click.Context(cli, info_name="vs-st"), ()))
    yield "Options of `vs-st` itself: `--version`, `--help`. Each command has `--help` too.\n"
    for heading in dict.fromkeys(cli.headings.values()):
        yield f"\n{heading}:\n"
        for words, command in found:
            if cli.headings[words[0]] == heading:
                says = command.short_help or _first(command)
                yield f"- [`{_name(words)}`](#{_anchor(_name(words))}): {says}"
    for words, command in found:
        params = [_param(one) for one in command.params if not getattr(one, "hidden", False)]
        yield f"\n### `{_name(words)}`\n"
        yield f"`{' '.join([_name(words), *filter(None, params)])}`\n"
        yield "\n\n".join(" ".join(part.split()) for part in (command.help or "").replace("\b", "").split("\n\n"))
        yield ""
        options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
        if options:
            yield from _table(["option", "what it does"], ([f"`{_option(one)}`", _says(one)] for one in options))


def _all(
    group: click.Group, context: click.Context, before: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            if command.invoke_without_command:  # it does something by itself, too
                yield (*before, name), command
            yield from _all(command, click.Context(command, context, name), (*before, name))
        elif command is not None:
            # One that is hidden is what its group does by itself.
            yield (before if command.hidden else (*before, name)), command


def _name(words: Iterable[str]) -> str:
    return " ".join(["vs-st", *words])


def _first(command: click.Command) -> str:
    return " ".join((command.help or "").split("\n\n")[0].split())


def _param(one: click.Parameter) -> str:
    if isinstance(one, click.Option):
        return _option(one) if one.required else f"[{_option(one)}]"
    return one.metavar if one.metavar is not None else (one.name or "").upper()


def _option(one: click.Option) -> str:
    takes = "" if one.is_flag else f" {one.metavar or (one.name or '').upper()}"
    return f"{max(one.opts, key=len)}{takes}"


def _says(one: click.Option) -> str:
    many = " Several may be given." if one.multiple else ""
    must = " Must be given." if one.required else ""
    shown = isinstance(one.default, str | int | float) and not isinstance(one.default, bool) and not one.is_flag
    default = f" If left out: {one.default}." if shown and str(one.default) else ""
    return f"{one.help or ''}{must}{many}{default}"


# --- environment ------------------------------------------------------------------------------------------------------


def _environment() -> Iterator[str]:
    yield "Read from the environment, or a file `.env` that a shell has loaded. What is not understood is told by"
    yield "`vs-st merchants`, `vs-st check` and the check `settings_are_understood`.\n"
    rows = variables(connector.name for connector in CONNECTORS)
    yield from _table(
        ["variable", "if not set", "what it is"], ([f"`{one.name}`", one.default, one.means] for one in rows)
    )


# --- settings ---------------------------------------------------------------------------------------------------------


_SETTINGS = ["key", "what is written", "if left out", "what it is"]


def _settings() -> Iterator[str]:
    at_top = "".join(f", `{one.key}`" for one in house().shared)
    yield f"At the top of the merchants file stand `merchants` (a list of entries), `defaults`{at_top}. A section"
    yield "is had only by a merchant whose own entry names it; `defaults` fills in what the entry leaves out of it.\n"
    yield "### Keys of every entry\n"
    webhooks = [*_rows(WebhookKeys, "webhooks."), *_rows(SystemWebhooks, "webhooks.SYSTEM.")]
    yield from _table(_SETTINGS, (row for row in (*_rows(Entry, ""), *webhooks)))
    for section in house().sections:
        if section.model.implied:  # no entry has a key for it: another section's keys mean it
            continue
        where = "of an entry itself" if section.model.top_level else f"of section `{section.name}`"
        yield f"### Keys {where}\n"
        yield from _table(_SETTINGS, _rows(section.model, ""))
    for one in house().shared:
        yield f"### Keys of `{one.key}.ID`, at the top of the file\n"
        yield from _table(_SETTINGS, _rows(one.model, ""))


def _rows(model: type[SettingsModel], before: str) -> Iterator[list[str]]:
    says = _attributes(model)
    for key, field in fields_of(model).items():
        inner = _models_in(field.annotation)
        forms = [_written(one, field.annotation) for one in _metadata(field) if isinstance(one, Form | OneOf)]
        written = forms[0] if forms else "keys"
        written = f"null, or {forms[1]}" if written.startswith("null") and forms[1:] else written
        default = "must be there" if field.is_required() else _shown(field.default)
        word = re.match(r"(always|never|unlimited|default)\b", written)
        default = word[1] if word and default == "null" else default
        summary = " ".join((inner[0].__doc__ or "").partition("\n")[0].split()) if inner else ""
        yield [f"`{before}{key}`", written, default, says.get(key, summary)]
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
    """Return what a model's docstring, and its bases', say of each key: `key, other: text. third: text.`"""
    said: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, SettingsModel):
            said |= _said(model, one.__doc__ or "")
    return said


def _said(model: type[SettingsModel], doc: str) -> dict[str, str]:
    _, _, text = " ".join(doc.split()).partition("Attributes: ")
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
    if isinstance(value, SettingsModel | WebhookSettings):
        return "as below"
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "none"
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


# --- what is told -----------------------------------------------------------------------------------------------------


def _reports() -> Iterator[str]:
    yield "`vs-st sync --json` and `vs-st plan --json` print an object per merchant and route with these keys,"
    yield "always all of them; what a route adds, and counts, is under the route. `vs-st plan` adds the plan itself.\n"
    yield from _table(["key", "what it is"], ([f"`{key}`", says] for key, says in KEYS.items()))


def _states() -> Iterator[str]:
    yield "How a merchant's route is, in `vs-st merchants` and on `fleet/health`, the worst first:\n"
    yield from _table(["state", "meaning"], ([f"`{state}`", says] for state, says in health.STATES.items()))
    yield "Why a run failed (`error.kind`):\n"
    yield from _table(["kind", "what to do"], ([f"`{kind}`", do] for kind, do in advice.WHAT_TO_DO.items()))


def _alerts() -> Iterator[str]:
    yield "What `VS_ST_ALERTS` is told of every route; each once, and once more when it is over. What a route tells"
    yield "besides is under the route. What to do, step by step: [operations.md](operations.md#when-an-alert-comes).\n"
    found = {state: health.STATES[state] for state in health.TROUBLE} | dict(inbox_troubles.ALERTS)
    yield from _table(["alert", "what it is"], ([f"`{word}`", says] for word, says in found.items()))


def _hints() -> Iterator[str]:
    yield "`vs-st inbox` shows each call, and what became of each hint that it gave.\n"
    yield from _table(["state of a hint", "what it means"], ([f"`{word}`", says] for word, says in STATE_MEANS.items()))
    yield from _table(["outcome", "what it means"], ([f"`{word}`", says] for word, says in OUTCOME_MEANS.items()))


def _dagster() -> Iterator[str]:
    repository = defs.get_repository_def()
    jobs = sorted((one for one in repository.get_all_jobs() if not one.name.startswith("__")), key=lambda one: one.name)
    yield from _table(["job", "what it does"], ([f"`{one.name}`", one.description or ""] for one in jobs))
    schedules = sorted(repository.schedule_defs, key=lambda one: one.name)
    yield from _table(
        ["schedule", "job", "what it does"],
        ([f"`{one.name}`", f"`{one.job_name}`", one.description or ""] for one in schedules),
    )
    sensors = sorted(repository.sensor_defs, key=lambda one: one.name)
    yield from _table(["sensor", "what it does"], ([f"`{one.name}`", one.description or ""] for one in sensors))
    yield "Assets and checks of all merchants together; those of a route are under the route:\n"
    described = {key: says for one in defs.assets for key, says in getattr(one, "descriptions_by_key", {}).items()}
    keys = (fleet_health.KEY, fleet_hints.KEY)
    yield from _table(["asset", "what it is"], ([f"`{key.to_user_string()}`", described[key]] for key in keys))
    checks = [("fleet/health", one) for one in fleet_health.CHECKS] + [
        ("fleet/hints", one) for one in hint_findings.CHECKS
    ]
    yield from _table(
        ["check", "of", "fails where there are, or where", "what to do"],
        ([f"`{one.name}`", f"`{asset}`", one.counted, one.means] for asset, one in checks),
    )


# --- routes -----------------------------------------------------------------------------------------------------------


def _route(route: Route) -> Iterator[str]:
    needs = " and ".join(
        "one of " + ", ".join(f"`{name}`" for name in sorted(one)) if len(one) > 1 else f"`{min(one)}`"
        for one in route.needs
    )
    yield f"Keeps {route.does}. On when an entry has {needs}. Its page: [{route.name}.md]({route.name}.md).\n"
    report = route.report("id", "run")
    own = {key: says for key, says in report.keys.items() if key not in KEYS}
    counted = {key: _counted(value) for key, value in report.as_json().items() if isinstance(value, dict)}
    yield "Its report has besides:\n"
    yield from _table(
        ["key", "counts, and what it is"],
        (
            [f"`{key}`", "; ".join(filter(None, [counted.get(key, ""), own.get(key, "")]))]
            for key in report.as_json()
            if key in own or (counted.get(key) and key != "hints")
        ),
    )
    for where, words in route.words.items():
        yield from _words(where, words)
    if route.alerts:
        yield from _table(
            ["alert", "what it is, and what to do"], ([f"`{word}`", says] for word, says in route.alerts.items())
        )
    yield from _table(["asset", "what it is"], ([f"`{asset.key}`", asset.description] for asset in route.assets))
    yield from _table(
        ["check", "of", "counts", "what a failure means, and what to do"],
        ([f"`{check.name}`", f"`{check.asset}`", check.counted, check.means] for check in route.checks),
    )
    if route.map_names:
        yield from _table(
            ["in a field map, `from`", "what it is"], ([f"`{name}`", says] for name, says in route.map_names.items())
        )


def _counted(value: Mapping[str, Any]) -> str:
    return ", ".join(f"`{key}`" for key in value)


def _words(where: str, words: Mapping[str, str]) -> Iterator[str]:
    yield from _table([where, "what it means, and what to do"], ([f"`{word}`", says] for word, says in words.items()))


if __name__ == "__main__":
    sys.exit(main())
