"""Reads a YAML file as a tree of nodes that know their file, line and key, so that every message can name them.

Data flow: text -> libyaml events -> `Node` tree -> the values that a caller asks for, checked one by one.

Why not `yaml.safe_load`: it forgets the lines, keeps the last of two equal keys, and would turn a bad date into an
exception for the whole file. Events instead of `yaml.compose` because they are faster (3,000 merchants are 177,000
events), need no recursion, and leave the guess at a scalar's type to the few scalars whose type matters.

Anchors, aliases and `<<` work as everywhere. An alias shares the anchored value and never copies it, and callers only
follow keys that they know, so nested aliases cannot blow up.

No message repeats a value, because a value may be a secret in the wrong place. A fault inside one mapping (a key twice,
a tag) is raised when that node is asked for, so that one bad entry of a list does not spoil the others.

It is long because it does the work of PyYAML's composer and constructor: `_Tree` builds the nodes from events, with
anchors and merges, and `Node` checks each kind of value; the two share the nodes' private fields, so they stay
together.
"""

from __future__ import annotations

import difflib
import functools
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from vs_st_pipeline.domain.errors import BadSettings

_MERGE = "<<"
_MOST_MERGED_KEYS = 1_000_000  # far above any honest file; stops a file made of merges of merges
_DEEPEST = 100  # libyaml takes time with the square of the depth
# Octal, binary, hexadecimal or in sixties.
_OTHER_NUMBER = re.compile(r"[-+]?0[0-9_xXbBoO]|[^:]*:")
_WORD = re.compile(r"[A-Za-z_ -]{1,40}")
_RESOLVER = yaml.resolver.Resolver()


FORM, LACK, ROUTE, TIME = range(4)


class SettingsFault(BadSettings):
    """A fault at one line of a file.

    Attributes:
        line: from 1.
        rank: of several faults the least is told first. `FORM`: what is written cannot be meant; `LACK`: something is
            not there; `ROUTE`: it is a whole section; `TIME`: right, but not today.
        parts: the faults that this one tells together; empty where it is one.
    """

    def __init__(self, message: str, line: int, rank: int, parts: Sequence[SettingsFault] = ()) -> None:
        super().__init__(message)
        self.line = line
        self.rank = rank
        self.parts = tuple(parts)

    @property
    def order(self) -> tuple[int, int]:
        """Return a key by which the fault that a person should mend first is the smallest."""
        return self.rank, self.line


def first_of(faults: Iterable[SettingsFault]) -> SettingsFault:
    """Return the fault that a person should mend first; what is only not there, such as keys, is told all at once."""
    each = {part.message: part for fault in faults for part in (fault.parts or (fault,))}
    first, *others = sorted(each.values(), key=lambda fault: fault.order)
    lacking = [fault for fault in (first, *others) if fault.rank == first.rank == LACK]
    if len(lacking) < 2:
        return first
    return SettingsFault("; ".join(fault.message for fault in lacking), first.line, LACK, lacking)


class Node:
    """One value of a YAML file.

    Attributes:
        file: the name that messages use.
        line: from 1; the line of its key where it has one, else where it begins.
        key: the key it stands under, `""` for the whole file and for items of a list.
        within: of an item of a list that a reader has asked for, the key of the list; messages name it.
    """

    __slots__ = ("_fault", "_plain", "_value", "file", "key", "line", "within")

    def __init__(self, file: str, line: int, key: str, value: _Value, *, plain: bool = False) -> None:
        self.file = file
        self.line = line
        self.key = key
        self.within = ""
        self._value = value
        self._plain = plain  # written without quotes: YAML may take it for a number, a date, ...
        self._fault: SettingsFault | None = None

    def __repr__(self) -> str:
        return f"Node({self.file}, line {self.line}, {self.key!r})"

    def problem(self, message: str, rank: int = FORM) -> SettingsFault:
        """Return the error `message` (what is wrong and what to do) with file, line and key; the caller raises it."""
        named = self.key or self.within
        return _bad(self.file, self.line, f"{named}: {message}" if named else message, rank)

    def is_null(self) -> bool:
        """Say whether nothing is written here (or `null`, or `~`)."""
        return self._plain and isinstance(self._value, str) and _typed(self._value) is None

    def is_list(self) -> bool:
        """Say whether a list is written here, sound or not."""
        return isinstance(self._value, list)

    def is_mapping(self) -> bool:
        """Say whether a mapping is written here, sound or not."""
        return isinstance(self._value, dict)

    def child(self, key: str) -> Node | None:
        """Return the value under `key`, or None; without any check, for a look at an entry that may be broken."""
        return self._value.get(key) if isinstance(self._value, dict) else None

    def over(self, under: Node | None) -> Node:
        """Return this value laid over another one: of two mappings key by key, else this one alone.

        Nothing written over a mapping changes nothing. How deep this goes is bounded by `under`, which a caller checks
        first.
        """
        if under is None or self._fault is not None or not isinstance(under._value, dict):
            return self
        if self.is_null():
            return Node(self.file, self.line, self.key, under._value)
        if not isinstance(self._value, dict):
            return self
        merged = {key: child.over(under._value.get(key)) for key, child in self._value.items()}
        return Node(self.file, self.line, self.key, {**under._value, **merged})

    def children(self) -> dict[str, Node]:
        """Return the children by key, whatever the keys are; nothing written counts as an empty mapping.

        A key that does not look like a word may be a secret in the wrong place: messages do not name it.

        Raises:
            BadSettings: it is no mapping, or has a key twice.
        """
        self._check()
        if self.is_null():
            return {}
        if not isinstance(self._value, dict):
            raise self._expected("a mapping (lines of `key: value`)")
        for key, child in self._value.items():
            if not _WORD.fullmatch(key):
                child.key = ""
        return self._value

    def mapping(self, known: Iterable[str]) -> dict[str, Node]:
        """Return the children by key; nothing written counts as an empty mapping.

        Raises:
            BadSettings: it is no mapping, or has a key twice, or one that is not `known` (the nearest one is named).
        """
        self._check()
        if self.is_null():
            return {}
        if not isinstance(self._value, dict):
            raise self._expected("a mapping (lines of `key: value`)")
        known = tuple(known)
        for key, child in self._value.items():
            if key not in known:
                raise _bad(self.file, child.line, _unknown_key(key, known))
        return self._value

    def items(self, *, whole: bool = False) -> list[Node]:
        """Return the items of a list; nothing written counts as an empty list.

        Args:
            whole: each is a thing of its own, such as a merchant: no message names the list.

        Raises:
            BadSettings: it is no list.
        """
        self._check()
        if self.is_null():
            return []
        if not isinstance(self._value, list):
            raise self._expected("a list (lines that begin with `- `)")
        if not whole:
            for item in self._value:
                item.within = self.key
        return self._value

    def written(self, expected: str) -> str:
        """Return a scalar as it is written, whatever YAML takes it for; for our own forms, such as durations and dates.

        Raises:
            BadSettings: it is a list or a mapping, or nothing is written; the message says what was `expected`.
        """
        self._check()
        if not isinstance(self._value, str) or self.is_null():
            raise self._expected(expected)
        return self._value

    def scalar(self) -> object:
        """Return what YAML takes a scalar for: str, int, float, bool, date, datetime or None.

        Raises:
            BadSettings: it is a list or a mapping.
        """
        self._check()
        if not isinstance(self._value, str):
            raise self._expected("a single value")
        return _typed(self._value) if self._plain else self._value

    def text(self) -> str:
        """Return a text that is not blank, outer blanks stripped.

        Raises:
            BadSettings: it is something else; for unquoted numbers, dates, `yes` and the like it says to quote them.
        """
        text = self.scalar() if isinstance(self._value, str) else None
        if text is None or (isinstance(text, str) and not text.strip()):
            raise self._expected("a text")
        if not isinstance(text, str):
            raise self.problem(f'expected a text, got {self._kind()}; quote it ("...")')
        return text.strip()

    def boolean(self) -> bool:
        """Return true or false, as it is written.

        Raises:
            BadSettings: it is something else.
        """
        self._check()
        if not isinstance(self._value, str) or not isinstance(value := self.scalar(), bool):
            raise self._expected("true or false")
        return value

    def number(self) -> float:
        """Return a finite number, whole or not.

        Raises:
            BadSettings: it is something else.
        """
        self._check()
        value = self.scalar() if isinstance(self._value, str) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._expected("a number")
        self._check_plain()
        if not _finite(value):
            raise self.problem("expected a finite number")
        return float(value)

    def integer(self) -> int:
        """Return a whole number.

        Raises:
            BadSettings: it is something else.
        """
        self._check()
        value = self.scalar() if isinstance(self._value, str) else None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._expected("a whole number")
        self._check_plain()
        return value

    def choice(self, options: Iterable[str]) -> str:
        """Return the text, which is one of `options`.

        Raises:
            BadSettings: it is something else; the message lists the options.
        """
        options = tuple(options)
        expected = "one of: " + ", ".join(options)
        written = self.written(expected)
        if written not in options:
            raise self.problem(f"expected {expected}{_did_you_mean(written, options)}")
        return written

    def _check_plain(self) -> None:
        """Refuse a number in one of YAML's other forms, seldom meant: YAML takes `010` for 8 and `1:30` for 90."""
        if isinstance(self._value, str) and _OTHER_NUMBER.match(self._value):
            raise self.problem(
                "YAML reads this as another number than it looks like; write it in plain digits, such as 10"
            )

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _expected(self, expected: str) -> SettingsFault:
        return self.problem(f"expected {expected}, got {self._kind()}")

    def _kind(self) -> str:
        if isinstance(self._value, dict):
            return "a mapping"
        if isinstance(self._value, list):
            return "a list"
        value = _typed(self._value) if self._plain else self._value
        if value is None:
            return "nothing"
        if isinstance(value, str):
            return "a text" if value.strip() else "an empty text"
        return {bool: "true or false", int: "a number", float: "a number"}.get(type(value), "a date")


def read_with_lines(path: Path, name: str | None = None) -> Node:
    """Read the YAML file `path`; messages call it `name`, else by its last part.

    Raises:
        BadSettings: it cannot be read, is not UTF-8, or is not YAML.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise BadSettings(f"{path} cannot be read: {reason}") from None
    name = name or path.name
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _bad(name, line, "this is not UTF-8; save the file as UTF-8") from None
    return load_with_lines(text, name)


def load_with_lines(text: str, name: str) -> Node:
    """Parse one YAML document; an empty one is a null node.

    Args:
        text: the document.
        name: what messages call the file.

    Raises:
        BadSettings: it is not YAML, or more than one document.
    """
    tree = _Tree(name)
    try:
        tree.read(yaml.CSafeLoader(text))
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(name, error) from None
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        raise _bad(name, line, "not YAML: a control character; delete it") from None
    return tree.root or Node(name, 1, "", "", plain=True)


_Value = str | list[Node] | dict[str, Node]


class _Open:
    """A list or a mapping that is not closed yet; of a mapping also the key that waits for its value."""

    __slots__ = ("anchor", "children", "items", "key", "key_line", "node")

    def __init__(self, node: Node, anchor: str | None, children: dict[str, Node] | None, items: list[Node]) -> None:
        self.node = node
        self.anchor = anchor
        self.children = children  # None: a list
        self.items = items
        self.key: str | None = None
        self.key_line = 0


class _Tree:
    """Builds nodes from events, with a stack of its own.

    Four of five events are scalars of a mapping: a key, which becomes no node, or a plain value. `read` takes these by
    itself, because a file of thousands of merchants has some hundred thousand of them.
    """

    def __init__(self, file: str) -> None:
        self.root: Node | None = None
        self._file = file
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}  # None: still open
        self._merged_keys = 0

    def read(self, loader: yaml.CSafeLoader) -> None:
        """Take all events of a file."""
        file, stack, next_event, scalar = self._file, self._stack, loader.get_event, yaml.ScalarEvent
        while (event := next_event()) is not None:
            if event.__class__ is scalar and stack and event.tag is None and event.anchor is None:
                top = stack[-1]
                if (children := top.children) is not None:
                    if (key := top.key) is None:
                        top.key, top.key_line = event.value, event.start_mark.line + 1  # type: ignore[union-attr]  # as `_line`
                        continue
                    if key not in children:
                        children[key] = Node(file, top.key_line, key, event.value, plain=event.implicit[0])
                        top.key = None
                        continue
            self._add(event)

    def _add(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            top = self._stack[-1] if self._stack else None
            if top is None or top.children is None or top.key is not None:
                self._place(self._node(event, event.value, event.implicit[0], event.tag), event.anchor)
            else:
                top.key = event.value
                top.key_line = _line(event)
                if event.tag is not None or event.anchor is not None:
                    self._blame(top.node, top.key_line, "a key can have no tag and no anchor; write the plain word")
        elif isinstance(event, yaml.MappingStartEvent):
            children: dict[str, Node] = {}
            self._begin(event, _Open(self._node(event, children, False, event.tag), event.anchor, children, []))
        elif isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            self._begin(event, _Open(self._node(event, items, False, event.tag), event.anchor, None, items))
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = self._stack.pop()
            if closed.children is not None and (merge := closed.children.pop(_MERGE, None)) is not None:
                self._merge(closed.node, closed.children, merge)
            self._place(closed.node, closed.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._place(self._alias(event), None)
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise _bad(self._file, _line(event), "a second document (`---`); the file may hold only one")

    def _begin(self, event: yaml.NodeEvent, opened: _Open) -> None:
        if len(self._stack) >= _DEEPEST:
            raise _bad(self._file, _line(event), f"nested deeper than {_DEEPEST} levels; write it flatter")
        self._stack.append(opened)
        if event.anchor is not None:
            self._anchors[event.anchor] = None

    def _node(self, event: yaml.Event, value: _Value, plain: bool, tag: str | None) -> Node:
        top = self._stack[-1] if self._stack else None
        if top is None or top.key is None:
            node = Node(self._file, _line(event), "", value, plain=plain)
        else:
            node = Node(self._file, top.key_line, top.key, value, plain=plain)
        if tag is not None:
            self._blame(node, node.line, "tags (`!...`) are not supported; write the plain value")
        return node

    def _alias(self, event: yaml.AliasEvent) -> Node:
        anchor = event.anchor or ""
        target = self._anchors.get(anchor)
        if target is not None:
            node = self._node(event, target._value, target._plain, None)
            node._fault = target._fault
            return node
        node = self._node(event, "", True, None)
        why = "stands inside its own anchor" if anchor in self._anchors else "has no anchor above it"
        self._blame(node, _line(event), f"this alias {why}; write the values out")
        return node

    def _place(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        if top.children is None:
            top.items.append(node)
        elif top.key is None:
            top.key, top.key_line = "", node.line
            self._blame(top.node, node.line, "a key must be a word, not a list, a mapping or an alias")
        else:
            if top.key in top.children:
                twice = f"{_printable(top.key)} is here twice (first on line {top.children[top.key].line})"
                self._blame(top.node, top.key_line, f"{twice}; delete one of them")
            else:
                top.children[top.key] = node
            top.key = None

    def _merge(self, node: Node, children: dict[str, Node], merge: Node) -> None:
        """Take in what stands under `<<`: own keys win, then the earlier of several mappings."""
        for source in merge._value if isinstance(merge._value, list) else [merge]:
            node._fault = node._fault or merge._fault or source._fault
            if not isinstance(source._value, dict):
                self._blame(node, merge.line, "`<<` takes an alias of a mapping, or a list of such aliases")
                return
            self._merged_keys += len(source._value)
            if self._merged_keys > _MOST_MERGED_KEYS:
                raise merge.problem("too much is merged in this file; write the values out")
            for key, child in source._value.items():
                children.setdefault(key, child)

    def _blame(self, node: Node, line: int, message: str) -> None:
        """Give `node` a fault, unless it has an earlier one."""
        node._fault = node._fault or _bad(self._file, line, message)


def _line(event: yaml.Event) -> int:
    line: int = event.start_mark.line  # type: ignore[union-attr]  # libyaml always gives a mark
    return line + 1


def _bad(file: str, line: int, message: str, rank: int = FORM) -> SettingsFault:
    return SettingsFault(f"{file}, line {line}: {message}", line, rank)


def _not_yaml(name: str, error: yaml.MarkedYAMLError) -> SettingsFault:
    """Return libyaml's problem in its fixed words, which quote nothing; and where it began, if that was further up."""
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    problem = error.problem or "it cannot be parsed"
    begun = error.context_mark.line + 1 if error.context and error.context_mark else line
    began = f" ({error.context} that begins on line {begun})" if begun != line else ""
    return _bad(name, line, f"not YAML: {problem}{began}; mind indentation, tabs, quotes and colons")


@functools.lru_cache(maxsize=1024)
def _typed(text: str) -> object:
    """Return what YAML takes an unquoted scalar for; a text that only looks like a date (`2024-13-45`) stays one."""
    tag = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    if tag == "tag:yaml.org,2002:str":
        return text
    try:
        # A new one each time, because a constructor keeps all that it ever made.
        return yaml.constructor.SafeConstructor().construct_object(yaml.ScalarNode(tag, text))
    except (ValueError, OverflowError, yaml.YAMLError):
        return text


def _finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an int too great for a float
        return False


def _printable(key: str) -> str:
    """Return a key for a message; one that does not look like a word may be a secret in the wrong place."""
    return f"`{key}`" if _WORD.fullmatch(key) else "this key"


@functools.lru_cache(maxsize=1024)
def _unknown_key(key: str, known: tuple[str, ...]) -> str:
    hint = _did_you_mean(key, known)
    shown = f"`{key}`" if hint else _printable(key)
    return f"{shown} is not a key that is known here{hint or '; known: ' + ', '.join(known)}"


def _did_you_mean(word: str, words: Iterable[str]) -> str:
    near = difflib.get_close_matches(word.lower(), words, n=1)
    return f"; did you mean `{near[0]}`?" if near else ""
