"""Reads a field map's YAML strictly: whatever is unknown, missing, twice or does not suit is named with its line.

Data flow: YAML text -> FieldMap.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn, cast

import yaml
from yaml.events import CollectionEndEvent, CollectionStartEvent, Event
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.field_map import ATTRIBUTE_SOURCES, Builtins, FieldMap, MapField, Sources
from vs_st_pipeline.domain.formats import FORMATS
from vs_st_pipeline.domain.plan import Kind, Policy

VERSION = 1
_POLICIES = ("fill", "mirror")
_KINDS = ("custom", "builtin")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where built in: thousands of merchants may have own maps
_DEEPEST = 20  # a map needs three
_KEYS = ("to", "kind", "from", "value", "as", "policy")


def read_field_map(text: str, name: str, builtins: Builtins, sources: Sources = ATTRIBUTE_SOURCES) -> FieldMap:
    """Return a checked map from its YAML text.

    Args:
        name: a file name, for messages only.
        builtins: the destination's own fields that a map may write.
        sources: the names that it may use in `from`.

    Raises:
        BadSettings: anything is unknown, missing, twice or does not suit; the message starts `name:line:`.
    """
    file = _File(name, builtins, sources)
    top = file.entries(file.compose(text), ("version", "fields"), ("version", "fields"), "the field map")
    version = top["version"]
    if not isinstance(version, ScalarNode) or version.tag != "tag:yaml.org,2002:int" or version.value != str(VERSION):
        file.refuse(version, f"version must be {VERSION}, the only form there is")
    rows = top["fields"]
    if not isinstance(rows, SequenceNode):
        file.refuse(rows, "fields must be a list of rows such as {to: City, from: customer.city, policy: mirror}")
    fields: dict[str, MapField] = {}
    for row in rows.value:
        field = file.field(row)
        folded = field.to.casefold()
        if folded in fields:
            file.refuse(row, f"'{field.to}' is already written by line {fields[folded].line} (in any case)")
        fields[folded] = field
    return FieldMap(VERSION, tuple(fields.values()), name, _fingerprint(fields))


def _fingerprint(fields: Mapping[str, MapField]) -> str:
    rows = [[row.to, row.kind, row.policy, row.source, row.value, row.form] for _, row in sorted(fields.items())]
    return hashlib.sha256(json.dumps([VERSION, rows]).encode()).hexdigest()


def _line(part: Node | Event) -> int:
    return part.start_mark.line + 1 if part.start_mark else 1


class _File:
    """One YAML text and its name, for messages that say where."""

    def __init__(self, name: str, builtins: Builtins, sources: Sources) -> None:
        self.name, self.builtins, self.sources = name, builtins, sources

    def refuse(self, where: Node | int, message: str) -> NoReturn:
        line = where if isinstance(where, int) else _line(where)
        raise BadSettings(f"{self.name}:{line}: {message}")

    def compose(self, text: str) -> Node:
        try:
            # The C composer recurses without a guard, so a text that nests without end is stopped at its events.
            depth = 0
            for event in yaml.parse(text, Loader=_LOADER):
                depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
                if depth > _DEEPEST:
                    self.refuse(_line(event), "not a field map: nested too deeply")
            root = yaml.compose(text, Loader=_LOADER)
        except (yaml.YAMLError, UnicodeError) as error:
            mark = getattr(error, "problem_mark", None)
            # A character that YAML forbids, or that is none, has a position instead.
            position = getattr(error, "position", getattr(error, "start", 0))
            line = mark.line if mark else text.count("\n", 0, position)
            problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
            self.refuse(line + 1, f"not YAML: {problem}")
        if root is None:
            self.refuse(1, "the field map is empty")
        return root

    def entries(self, node: Node, known: Sequence[str], needed: Sequence[str], what: str) -> dict[str, Node]:
        """Return the values of a mapping by key; every key known and given once, the needed ones given."""
        if not isinstance(node, MappingNode):
            self.refuse(node, f"{what} must be a mapping with the keys {', '.join(known)}")
        found: dict[str, Node] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode) or key.value not in known:
                shown = key.value if isinstance(key, ScalarNode) else "(not a text)"
                self.refuse(key, f"unknown key '{shown}' in {what}; there are {', '.join(known)}")
            if key.value in found:
                self.refuse(key, f"key '{key.value}' stands twice in {what}")
            found[key.value] = value
        for name in needed:
            if name not in found:
                self.refuse(node, f"{what} lacks the key '{name}'")
        return found

    def field(self, node: Node) -> MapField:
        row = self.entries(node, _KEYS, ("to", "policy"), "a field")
        kind = cast(Kind, self.choice(row, "kind", _KINDS, "custom"))
        policy = cast(Policy, self.choice(row, "policy", _POLICIES, ""))
        to = self.scalar(row["to"], "to")
        own = self.builtins
        if (why := own.refuses(to)) is not None:
            self.refuse(row["to"], why)
        if own.by_name:
            kind = "custom"
        elif kind == "builtin" and to not in own.names:
            self.refuse(row["to"], f"'{to}' is no builtin field that may be written; there are {', '.join(own.names)}")
        if ("from" in row) == ("value" in row):
            self.refuse(node, f"'{to}' needs either 'from' or 'value'" + (", not both" if "from" in row else ""))
        line, longest = _line(node), own.longest.get(to) if kind == "builtin" else None
        if "value" in row:
            if "as" in row:
                self.refuse(row["as"], "'as' goes with 'from'; a constant is written as it stands")
            return MapField(to, kind, policy, None, self.scalar(row["value"], "value"), "text", line, longest)
        source = self.scalar(row["from"], "from")
        given = self.sources.type_of(source)
        if given is None:
            self.unknown(row, "from", self.sources.shown)
        form = self.choice(row, "as", FORMATS, "text")
        if given not in FORMATS[form].types:
            fitting = ", ".join(name for name, other in FORMATS.items() if given in other.types)
            self.refuse(row["as"], f"{source} is a {given} and cannot be written as '{form}'; it can as {fitting}")
        if kind == "builtin" and to in own.iso_dates and (given != "date" or form == "date"):
            self.refuse(row.get("as", row["from"]), f"{to} at {own.system} is a date, written as iso_date")
        return MapField(to, kind, policy, source, None, form, line, longest)

    def choice(self, row: Mapping[str, Node], key: str, known: Iterable[str], default: str) -> str:
        if key not in row:
            return default
        chosen = self.scalar(row[key], key)
        names = list(known)
        if chosen not in names:
            self.unknown(row, key, names)
        return chosen

    def unknown(self, row: Mapping[str, Node], key: str, names: Iterable[str]) -> NoReturn:
        chosen = self.scalar(row[key], key)
        self.refuse(row[key], f"unknown '{chosen}' in '{key}'; there are {', '.join(names)}")

    def scalar(self, node: Node, what: str) -> str:
        if not isinstance(node, ScalarNode) or node.tag == "tag:yaml.org,2002:null" or not node.value.strip():
            self.refuse(node, f"'{what}' must be a text that is not blank")
        return str(node.value)
