"""Templates of an account, and texts, as settings write them: what fills their placeholders, what their buttons mean.

Every name of a variable is one of section 6 (notices.md 2.1); whether an action exists is for the route to say.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated

from pydantic import ConfigDict, Field

from vs_st_pipeline.connectors.gupshup import variables
from vs_st_pipeline.platform.settings.forms import Form, ListOf, OrNull, Reading, Text
from vs_st_pipeline.platform.settings.model import SettingsModel, validate
from vs_st_pipeline.platform.settings.yaml_source import Node

_IN_BRACES = re.compile(r"\{([^{}]*)\}")


def read_variable(node: Node, reading: Reading) -> str:
    """Read the key of a variable of section 6. Raises SettingsFault: there is none of this name."""
    return node.choice(variables.NAMES)


def read_words(node: Node, reading: Reading) -> str:
    """Read a text that may hold `{variable}`. Raises SettingsFault: what stands in braces is none."""
    text = node.text()
    for name in _IN_BRACES.findall(text):
        if name not in variables.NAMES:
            raise node.problem(f"what stands in braces is no variable; there are: {', '.join(variables.NAMES)}")
    return text


VariableName = Annotated[str, Form(read_variable, "the key of a variable, such as customer_name")]
Words = Annotated[str, Form(read_words, "a text, which may hold variables in braces such as {customer_name}")]


class TemplateParam(SettingsModel):
    """What fills one placeholder: a variable (with what stands in for a missing value), or a fixed text.

    Attributes:
        variable: its key; the page of notices lists them. else: what stands in for a missing value.
        text: a fixed text in place of a variable.
    """

    model_config = ConfigDict(populate_by_name=True)

    variable: OrNull[VariableName] = None
    fallback: OrNull[Text] = Field(default=None, validation_alias="else")
    text: OrNull[Text] = None


def _param(node: Node, reading: Reading) -> TemplateParam:
    """Read a placeholder's filling: the key of a variable alone, or a mapping."""
    if not node.is_mapping():
        return TemplateParam(variable=read_variable(node, reading))
    found = validate(TemplateParam, node, node, reading)
    if (found.variable is None) == (found.text is None):
        raise node.problem("write `variable` (and `else` for when it has no value), or `text` alone")
    if found.text is not None and found.fallback is not None:
        raise node.problem("a fixed `text` needs no `else`; delete it")
    return found


Param = Annotated[
    TemplateParam, Form(_param, "the key of a variable, or {variable: NAME, else: TEXT}, or {text: TEXT}")
]


class TemplateSettings(SettingsModel):
    """A template of an account, and what its placeholders and quick replies mean.

    Attributes:
        params: one per placeholder, in order.
        buttons: action keys by index of the quick reply; None: that button does nothing of ours.
        id: as Gupshup lists it.
    """

    id: Text
    params: ListOf[Param] = ()
    buttons: ListOf[OrNull[Text]] = ()


class Said(SettingsModel):
    """An answer: a text, or a template.

    Attributes:
        text: within the 24 hours in which a customer may be answered freely. template: whenever.
    """

    text: OrNull[Words] = None
    template: OrNull[TemplateSettings] = None

    def check_one(self, at: Node) -> None:
        """Refuse an answer that says nothing, or two things.

        Raises:
            SettingsFault: with the line of the answer.
        """
        if (self.text is None) == (self.template is None):
            raise at.problem("write one of `text` and `template`")
        if self.template is not None and self.template.buttons:
            raise (at.child("template") or at).problem("an answer's template has no buttons of ours; delete `buttons`")


def read_said(node: Node, reading: Reading) -> Said:
    found = validate(Said, node, node, reading)
    found.check_one(node)
    return found


Answer = Annotated[Said, Form(read_said, "{text: TEXT} or {template: {id: ID, params: [...]}}")]


def read_exceptions(node: Node, reading: Reading) -> object:
    """Read the house's answers by kind of reply; None: the standard ones."""
    if not node.is_mapping() and node.written("default, or a mapping of kinds of replies") == "default":
        return None
    return {key: None if one.is_null() else read_said(one, reading) for key, one in node.children().items()}


def unknown_names(
    templates: Mapping[str, TemplateSettings | None], keys: Collection[str], actions: Collection[str]
) -> Iterable[tuple[str, str, Collection[str]]]:
    """Yield what templates name that does not exist: the template's key, a word for people, and the names that exist.

    Args:
        templates: by status. keys: the statuses there are. actions: the keys that buttons may have.
    """
    for key, template in templates.items():
        if key not in keys:
            yield key, "status", keys
        for action in template.buttons if template is not None else ():
            if action is not None and action not in actions:
                yield key, "action of a button", actions
