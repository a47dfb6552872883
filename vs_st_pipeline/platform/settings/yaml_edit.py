"""Sets single values in the text of a YAML file, and leaves every other line as it is, byte for byte.

Where that cannot be done for certain (values in flow style that are not there yet, anchors, a value over several
lines), it is refused. Whatever was done is read again by a plain reader and compared with what was meant, so that a
form nobody thought of is refused too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import yaml

Scalar = str | int | float | bool | None | date | datetime
Place = Sequence[str | int]  # keys of mappings and numbers of list items, from the top


class CannotEdit(Exception):
    """Why a value cannot be set, in words that repeat nothing of the file."""


def set_value(text: str, place: Place, value: Scalar) -> str:
    """Return the text with a value at a place; keys that are not there yet are added below the last of their mapping.

    Raises:
        CannotEdit: it cannot be done without touching other lines.
    """
    before = _plain(text)
    written = write_scalar(value)
    edited = _edited(text, place, written)
    if _plain(edited) != _with(before, place, yaml.load(written, Loader=yaml.CBaseLoader)):
        raise CannotEdit("it is written in a form that cannot be changed line by line")
    return edited


def write_scalar(value: Scalar) -> str:
    """Return how a value is written in YAML, on one line."""
    if isinstance(value, date):
        return value.isoformat()
    plain = _dumped(value)
    return plain if len(plain.splitlines()) == 1 else _dumped(value, '"')


def _dumped(value: Scalar, style: str | None = None) -> str:
    text: str = yaml.safe_dump(value, allow_unicode=True, width=float("inf"), default_style=style)
    return text.removesuffix("\n").removesuffix("\n...")


def nested(keys: Sequence[str], written: str, indent: int = 0) -> list[str]:
    """Return the lines, without their ends, that say a value under keys that stand in one another."""
    lines = [f"{' ' * (indent + 2 * depth)}{write_scalar(key)}:" for depth, key in enumerate(keys)]
    lines[-1] += f" {written}"
    return lines


def number_of(text: str, named: str, key: str, value: str) -> int:
    """Return which item, from 0, of the list `named` at the top has this value under this key.

    Raises:
        CannotEdit: none has.
    """
    whole = _plain(text)
    rows = whole.get(named) if isinstance(whole, dict) else None
    for number, row in enumerate(rows if isinstance(rows, list) else []):
        if isinstance(row, dict) and row.get(key) == value:
            return number
    raise CannotEdit(f"{value} is not found in it any more")


def _plain(text: str) -> Any:
    try:
        return yaml.load(text, Loader=yaml.CBaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise CannotEdit("it is not YAML that can be read") from None


def _with(whole: Any, place: Place, value: Any) -> Any:
    """Return a copy of what was read, with a value at a place."""
    try:
        whole = at = json.loads(json.dumps(whole))  # what aliases share is each one's own in the copy
    except (TypeError, ValueError):
        raise CannotEdit("it has keys that are no plain words") from None
    for key, following in zip(place, [*place[1:], None], strict=True):
        if following is None:
            at[key] = value
        elif isinstance(at, dict) and not at.get(key):
            at[key] = {}
        at = at[key]
    return whole


def _edited(text: str, place: Place, written: str) -> str:
    node = yaml.compose(text, Loader=yaml.CSafeLoader)
    lines = text.splitlines(keepends=True)
    key_node: yaml.Node | None = None
    for depth, key in enumerate(place):
        rest = [str(one) for one in place[depth:]]
        if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
        elif isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == key), None)
            if found is None:
                if node.flow_style or not node.value:
                    raise CannotEdit("it is written in braces; write it in lines of `key: value`")
                return _inserted(lines, _last_line(node), node.value[0][0].start_mark.column, rest, written)
            key_node, node = found
        elif _is_empty(node) and key_node is not None:
            return _inserted(lines, key_node.start_mark.line, key_node.start_mark.column + 2, rest, written)
        else:
            raise CannotEdit("what stands above it is no mapping")
    return _replaced(lines, node, written)


def _is_empty(node: Any) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == "" and node.start_mark.index == node.end_mark.index


def _replaced(lines: list[str], node: Any, written: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.start_mark.line != node.end_mark.line:
        raise CannotEdit("its value is not on one line")
    number, start, end = node.start_mark.line, node.start_mark.column, node.end_mark.column
    line = lines[number]
    gap = " " if start == end and line[:start].endswith(":") else ""
    lines[number] = f"{line[:start]}{gap}{written}{line[end:]}"
    return "".join(lines)


def _inserted(lines: list[str], after: int, indent: int, keys: Sequence[str], written: str) -> str:
    new = nested(keys, written, indent)
    line = lines[after]
    end = line[len(line.rstrip("\r\n")) :]
    if end:
        return "".join([*lines[: after + 1], *(one + end for one in new), *lines[after + 1 :]])
    first = lines[0]  # the last line of the file has no end
    usual = first[len(first.rstrip("\r\n")) :] or "\n"
    return "".join([*lines, usual, usual.join(new)])


def _last_line(node: Any) -> int:
    """Return the number, from 0, of the last line that something of this node stands on."""
    if isinstance(node, yaml.ScalarNode):
        if node.style in ("|", ">") and node.end_mark.column == 0:
            return int(node.end_mark.line) - 1
        return int(node.end_mark.line)
    if node.flow_style:
        return int(node.end_mark.line)
    if isinstance(node, yaml.MappingNode):
        return max((_last_line(one) for pair in node.value for one in pair), default=node.start_mark.line)
    return max((_last_line(one) for one in node.value), default=node.start_mark.line)


def dump(entries: Mapping[str, Any]) -> str:
    """Return a mapping as YAML in lines of `key: value`, its keys in their order."""
    return yaml.safe_dump(dict(entries), sort_keys=False, allow_unicode=True, width=1000, default_flow_style=False)
