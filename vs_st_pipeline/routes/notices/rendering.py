"""Renders a message: what fills which placeholder, and how the whole reads (notices.md 6, 9 "preview").

Data flow: values of an order, the settings' params, the template -> params and text, or what is missing. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vs_st_pipeline.connectors.gupshup.settings import TemplateSettings
from vs_st_pipeline.connectors.gupshup.variables import VARIABLES, cleaned
from vs_st_pipeline.routes.notices.messages import Button
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.template_fit import PLACEHOLDER, Template
from vs_st_pipeline.routes.notices.values import Values, values_of

__all__ = ["Missing", "Param", "Rendered", "Values", "fill", "fill_text", "params_of", "preview", "render", "values_of"]

LONGEST: Final = 1024  # characters of a body
_IN_TEXT = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Param:
    """What fills placeholder `n`. Variable: None for a fixed text."""

    n: int
    variable: str | None
    value: str

    def as_json(self) -> dict[str, Any]:
        """Return it as `preview` shows it."""
        return {"n": self.n, "variable": self.variable, "value": self.value}


@dataclass(frozen=True, slots=True)
class Missing:
    """A variable has no value, and the settings name nothing in its place."""

    variable: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as it reads."""

    params: Sequence[Param]
    text: str
    buttons: Sequence[Button] = ()


def samples_of(settings: NoticesSettings) -> Callable[[str], str | None]:
    """Return the samples: the merchant's, else the house's."""
    return lambda key: settings.samples.get(key) or VARIABLES[key].sample


def params_of(wanted: TemplateSettings, value: Callable[[str], str | None]) -> list[Param] | Missing:
    """Return what fills each placeholder, in order; or the first variable that is missing. None is ever empty."""
    found = []
    for n, one in enumerate(wanted.params, 1):
        text = cleaned(one.text) if one.text is not None else None
        if one.variable is not None:
            text = value(one.variable) or cleaned(one.fallback)
        if text is None:
            return Missing(one.variable or f"params[{n}]")
        found.append(Param(n, one.variable, text))
    return found


def render(template: Template, wanted: TemplateSettings, value: Callable[[str], str | None]) -> Rendered | Missing:
    """Return a message as it would read."""
    params = params_of(wanted, value)
    if isinstance(params, Missing):
        return params
    actions = dict(enumerate(wanted.buttons))
    buttons = [Button(actions.get(index), title) for index, title in enumerate(template.quick_replies)]
    return Rendered(params, fill(template.data or "", params), buttons)


def fill(text: str, params: Sequence[Param]) -> str:
    """Return a template's text with its placeholders filled; what a value holds is not looked at again."""
    values = {str(one.n): one.value for one in params}
    return PLACEHOLDER.sub(lambda found: values.get(found.group(1), found.group(0)), text)


def fill_text(text: str, value: Callable[[str], str | None]) -> str | Missing:
    """Return an answer's text with its `{variable}`s filled (8.5); or the first that is missing.

    Braces around what is no variable stay as they are.
    """
    known = [name for name in dict.fromkeys(_IN_TEXT.findall(text)) if name in VARIABLES]
    values = {name: value(name) for name in known}
    missing = next((name for name, found in values.items() if found is None), None)
    if missing is not None:
        return Missing(missing)
    return _IN_TEXT.sub(lambda found: values.get(found.group(1)) or found.group(0), text)


def preview(template: Template, wanted: TemplateSettings, value: Callable[[str], str | None]) -> dict[str, Any]:
    """Return header, body, footer, buttons and params for people to look at; a missing value shows as `{{n}}`."""
    params = []
    for n, one in enumerate(wanted.params, 1):
        filled = params_of(TemplateSettings(id=wanted.id, params=(one,)), value)
        params.append(Param(n, one.variable, "" if isinstance(filled, Missing) else filled[0].value))
    known = [one for one in params if one.value]
    return {
        "header": fill(template.header, known) if template.header else None,
        "body": fill(template.data or "", known),
        "footer": template.footer,
        "buttons": [str(one.get("text") or "") for one in template.buttons],
        "params": [one.as_json() | {"value": one.value or None} for one in params],
    }
