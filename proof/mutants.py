"""Finds the rows of tables of rules in source text, and changes one thing of one row at a time.

A table is a constant that is a literal (rows: its elements), any other constant (one row), or a function (rows: its
branches). Pure: no file, no clock, nothing of the project is imported.

It is long because what is a row, and what can be another thing about it, is one reading of the same source.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from types import CodeType

GONE, ORDER, OUTCOME, BOUND, CONDITION = "gone", "order", "outcome", "bound", "condition"
KINDS = (GONE, ORDER, OUTCOME, BOUND, CONDITION)
_BOUNDS: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_LITERALS = (ast.Tuple, ast.List, ast.Set, ast.Dict)
_CONSTANT = re.compile(r"_?(_|[A-Z][A-Z0-9_]*)")
_LONGEST = 70
_Functions = (ast.FunctionDef, ast.AsyncFunctionDef)
Edit = tuple[tuple[ast.AST, str, object], ...]
"""Fields of nodes, and what is put there."""


@dataclass(frozen=True)
class Mutant:
    """One row with one change.

    Attributes:
        name: says which row and what; it stays the same as long as the row and its place do.
        kind: one of KINDS.
    """

    name: str
    kind: str
    _tree: ast.Module = field(repr=False)
    _edit: Edit = field(repr=False)

    def code(self, path: str) -> CodeType:
        """Return the module's code with the change; `path` is said in tracebacks."""
        before = [(node, name, getattr(node, name)) for node, name, _ in self._edit]
        try:
            for node, name, new in self._edit:
                setattr(node, name, new)
            return compile(ast.fix_missing_locations(self._tree), path, "exec", dont_inherit=True)
        finally:
            for node, name, old in before:
                setattr(node, name, old)


@dataclass(frozen=True)
class _Row:
    """A row: where it stands in its literal, and how it is taken away."""

    place: str
    node: ast.AST
    parent: ast.AST
    key: tuple[str, int | None]
    gone: Edit = ()
    swapped: Edit = ()
    is_word: bool = False


def mutants(source: str, names: Iterable[str], *, ordered: Iterable[str] = ()) -> list[Mutant]:
    """Return all changes of some tables, each name once.

    Args:
        names: of constants and functions of the module.
        ordered: those of them whose rows are looked at in their order, so that two of them change places as well.

    Raises:
        ValueError: the module has no such name.
    """
    tree = ast.parse(source)
    there = dict(_top(tree))
    found: dict[str, Mutant] = {}
    for name in names:
        if name not in there:
            raise ValueError(f"{name} is not in the module; proof/mutated_tables.py names it")
        for place, kind, what, edit in _changes(tree, name, there[name], is_ordered=name in ordered):
            text = f"{place}: {what}"
            number = sum(one == text or one.startswith(f"{text} #") for one in found)
            text = f"{text} #{number + 1}" if number else text
            found[text] = Mutant(text, kind, tree, edit)
    return list(found.values())


def _top(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        if isinstance(node, _Functions):
            yield node.name, node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{one.name}", one) for one in node.body if isinstance(one, _Functions))


def _changes(tree: ast.Module, name: str, node: ast.AST, *, is_ordered: bool) -> Iterator[tuple[str, str, str, Edit]]:
    if isinstance(node, _Functions):
        yield from ((f"{name}()", kind, what, edit) for kind, what, edit in _conditions(tree, node))
        return
    table = _literal(node)
    if table is None:
        rows = [_Row(name, node, ast.Tuple([], ast.Load()), ("elts", None), is_word=True)]
    else:
        rows = _numbered(_rows(name, table, is_ordered=is_ordered))
    pools = _pools(rows)
    for row in rows:
        if row.gone:
            yield row.place, GONE, "gone", row.gone
        if row.swapped:
            yield row.place, ORDER, "after the next one", row.swapped
        for path, parent, key, leaf in _leaves_of(row):
            other = _other(tree, leaf, pools.get(path, []))
            if other is not None:
                yield row.place, OUTCOME, f"{_text(leaf)} -> {_text(other)}", (_put(parent, key, other),)
        for inner in ast.walk(row.node):
            if isinstance(inner, ast.Lambda):
                yield from ((row.place, kind, what, edit) for kind, what, edit in _conditions(tree, inner))
        if table is None:
            yield from ((row.place, kind, what, edit) for kind, what, edit in _numbers(row.node))


def _numbered(rows: Iterable[_Row]) -> list[_Row]:
    """Give rows of the same label a number; without one, a row is called by what it says, wherever it stands."""
    seen: Counter[str] = Counter()
    found = []
    for row in rows:
        seen[row.place] += 1
        number = seen[row.place]
        found.append(row if number == 1 else replace(row, place=f"{row.place} ({number})"))
    return found


# --- rows of a literal ------------------------------------------------------------------------------------------------


def _literal(node: ast.AST) -> ast.AST | None:
    """Return the literal of a constant, out of `frozenset(...)` and the like."""
    while isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords and _is_plain(node.func):
        node = node.args[0]
    return node if isinstance(node, _LITERALS) else None


def _is_plain(func: ast.AST) -> bool:
    return isinstance(func, ast.Name) and func.id in ("frozenset", "set", "tuple", "dict", "MappingProxyType")


def _rows(name: str, table: ast.AST, *, is_ordered: bool) -> Iterator[_Row]:
    if isinstance(table, ast.Dict):
        for number, (key, value) in enumerate(zip(table.keys, table.values, strict=True)):
            if key is None:  # **dict.fromkeys((...), value): each of the keys is a row
                keys = value.args[0] if isinstance(value, ast.Call) and value.args else None
                if isinstance(keys, ast.Tuple):
                    yield from _rows(name, keys, is_ordered=False)
                continue
            gone: Edit = (
                (table, "keys", table.keys[:number] + table.keys[number + 1 :]),
                (table, "values", table.values[:number] + table.values[number + 1 :]),
            )
            yield _Row(f"{name} {_label(key)}", value, table, ("values", number), gone)
        return
    assert isinstance(table, (ast.Tuple, ast.List, ast.Set))
    for number, element in enumerate(table.elts):
        if isinstance(element, ast.Starred):
            if isinstance(element.value, (ast.Tuple, ast.List, ast.Set)):
                yield from _rows(name, element.value, is_ordered=is_ordered)
            continue
        rest = table.elts[number + 1 :]
        lone = isinstance(table, ast.Set) and len(table.elts) == 1  # `{}` is no set
        gone = () if lone else ((table, "elts", [*table.elts[:number], *rest]),)
        swapped: Edit = ()
        if is_ordered and rest and not isinstance(rest[0], ast.Starred) and _says(element) != _says(rest[0]):
            swapped = ((table, "elts", [*table.elts[:number], rest[0], element, *rest[1:]]),)
        yield _Row(
            f"{name} {_label(element)}", element, table, ("elts", number), gone, swapped, is_word=_is_leaf(element)
        )


def _says(row: ast.AST) -> list[str]:
    """Return what a row says; of two that say the same, either may come first."""
    return [ast.dump(leaf) for *_, leaf in _leaves(row)] or [ast.dump(row)]


def _label(node: ast.AST) -> str:
    """Return the word that tells a row from others: of an enum or a text, else a constant's name."""
    inner = list(ast.walk(node))
    words = [one.attr for one in inner if isinstance(one, ast.Attribute) and _is_leaf(one)]
    words = words or [one.value for one in inner if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    words = words or [one.id for one in inner if isinstance(one, ast.Name) and _is_leaf(one)]
    return words[0][:40] if words else _text(node)


def _text(node: ast.AST) -> str:
    said = " ".join(ast.unparse(node).split())
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 3]}..."


# --- outcomes ---------------------------------------------------------------------------------------------------------

_Leaf = tuple[str, ast.AST, tuple[str, int | None], ast.expr]


def _leaves(node: ast.AST, path: str = "") -> Iterator[_Leaf]:
    """Yield what a row says: its constants, but those within conditions; the path tells what stands in one place."""
    for name, value in ast.iter_fields(node):
        if name in ("func", "ctx", "op", "ops", "slice"):
            continue
        inner: list[tuple[int | None, object]] = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, one in inner:
            if not isinstance(one, (ast.expr, ast.keyword)) or isinstance(one, (ast.Lambda, ast.JoinedStr)):
                continue
            here = f"{path}.{one.arg if isinstance(one, ast.keyword) else f'{name}{index}'}"
            if _is_leaf(one):
                assert isinstance(one, ast.expr)
                yield here, node, (name, index), one
            elif not isinstance(one, ast.Name):
                yield from _leaves(one, here)


def _is_leaf(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return not (isinstance(node.value, str) and " " in node.value)  # a text for people is held by nobody
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and _CONSTANT.fullmatch(node.attr) is not None
    return isinstance(node, ast.Name) and _CONSTANT.fullmatch(node.id) is not None


def _pools(rows: Iterable[_Row]) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for row in rows:
        for path, _, _, leaf in _leaves_of(row):
            found.setdefault(path, []).append(leaf)
    return found


def _leaves_of(row: _Row) -> Iterator[_Leaf]:
    if _is_leaf(row.node) and not row.is_word:  # the value of a dict's row; a row that is one word has no outcome
        assert isinstance(row.node, ast.expr)
        yield "", row.parent, row.key, row.node
    yield from _leaves(row.node)


def _other(tree: ast.Module, leaf: ast.expr, pool: list[ast.expr]) -> ast.expr | None:
    """Return another value for the same place: the next one that a row has there, else one of the same family."""
    if isinstance(leaf, ast.Constant) and isinstance(leaf.value, bool):
        return ast.Constant(not leaf.value)
    if isinstance(leaf, ast.Constant) and leaf.value is None:
        return None
    family = list(_family(tree, leaf))
    for candidates in (_behind(pool, leaf), _behind(family, leaf)):
        for one in candidates:
            if ast.dump(one) != ast.dump(leaf) and type(one) is type(leaf):
                return one
    if isinstance(leaf, ast.Constant) and isinstance(leaf.value, (int, float)):
        return ast.Constant(leaf.value + 1)
    return None


def _behind(pool: list[ast.expr], leaf: ast.expr) -> list[ast.expr]:
    place = next((number for number, one in enumerate(pool) if one is leaf), 0)
    return [*pool[place:], *pool[:place]]


def _family(tree: ast.Module, leaf: ast.expr) -> Iterator[ast.expr]:
    """Members of the same enum that the module names."""
    if not (isinstance(leaf, ast.Attribute) and isinstance(leaf.value, ast.Name)):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_leaf(node) and ast.dump(node.value) == ast.dump(leaf.value):
            yield node


def _put(parent: ast.AST, key: tuple[str, int | None], new: object) -> tuple[ast.AST, str, object]:
    name, index = key
    if index is None:
        return parent, name, new
    old: list[object] = getattr(parent, name)
    return parent, name, [*old[:index], new, *old[index + 1 :]]


# --- conditions -------------------------------------------------------------------------------------------------------

_Change = tuple[str, str, Edit]


def _conditions(tree: ast.Module, top: ast.AST) -> Iterator[_Change]:
    """Yield what can be changed of a rule's condition, or of a function that is rules one below the other."""
    for node in ast.walk(top):
        yield from _OF_NODE.get(type(node), _nothing)(node)
        if isinstance(node, ast.Return) and node.value is not None:
            yield from _of_return(tree, top, node)
    yield from _numbers(top)


def _nothing(_: ast.AST) -> Iterator[_Change]:
    return iter(())


def _of_compare(node: ast.AST) -> Iterator[_Change]:
    assert isinstance(node, ast.Compare)
    for number, op in enumerate(node.ops):
        other = _BOUNDS.get(type(op)) or _OPPOSITES[type(op)]
        kind = BOUND if type(op) in _BOUNDS else CONDITION
        changed = [*node.ops[:number], other(), *node.ops[number + 1 :]]
        yield kind, f"{_text(node)} by {other.__name__}", ((node, "ops", changed),)
        words = node.comparators[number]
        if isinstance(op, (ast.In, ast.NotIn)) and isinstance(words, (ast.Tuple, ast.Set)) and len(words.elts) > 1:
            for i, word in enumerate(words.elts):
                rest = [*words.elts[:i], *words.elts[i + 1 :]]
                yield CONDITION, f"{_text(node)} without {_text(word)}", ((words, "elts", rest),)


def _of_bool_op(node: ast.AST) -> Iterator[_Change]:
    assert isinstance(node, ast.BoolOp)
    for number, part in enumerate(node.values):
        rest = [*node.values[:number], *node.values[number + 1 :]]
        if len(rest) == 1:  # what is left decides alone, as its own value
            rest = [ast.Constant(isinstance(node.op, ast.And)), *rest]
        yield CONDITION, f"without {_text(part)}", ((node, "values", rest),)


def _of_not(node: ast.AST) -> Iterator[_Change]:
    assert isinstance(node, ast.UnaryOp)
    if isinstance(node.op, ast.Not):  # twice no is yes, and what it was about stays what it was
        yield CONDITION, f"{_text(node)} the other way", ((node, "operand", ast.UnaryOp(ast.Not(), node.operand)),)


def _of_branch(node: ast.AST) -> Iterator[_Change]:
    assert isinstance(node, (ast.If, ast.IfExp))
    yield GONE, f"never {_text(node.test)}", ((node, "test", ast.Constant(False)),)
    if isinstance(node, ast.IfExp):
        yield GONE, f"always {_text(node.test)}", ((node, "test", ast.Constant(True)),)


def _of_comprehension(node: ast.AST) -> Iterator[_Change]:
    assert isinstance(node, ast.comprehension)
    for number, test in enumerate(node.ifs):
        rest = [*node.ifs[:number], *node.ifs[number + 1 :]]
        yield CONDITION, f"without if {_text(test)}", ((node, "ifs", rest),)


def _of_match(node: ast.AST) -> Iterator[_Change]:
    assert isinstance(node, ast.Match)
    for number, case in enumerate(node.cases):
        rest = [*node.cases[:number], *node.cases[number + 1 :]]
        if rest:
            yield GONE, f"no case {_text(case.pattern)}", ((node, "cases", rest),)


_OF_NODE: dict[type[ast.AST], Callable[[ast.AST], Iterator[_Change]]] = {
    ast.Compare: _of_compare,
    ast.BoolOp: _of_bool_op,
    ast.UnaryOp: _of_not,
    ast.If: _of_branch,
    ast.IfExp: _of_branch,
    ast.comprehension: _of_comprehension,
    ast.Match: _of_match,
}


def _of_return(tree: ast.Module, top: ast.AST, node: ast.Return) -> Iterator[_Change]:
    value = node.value
    assert value is not None
    if isinstance(value, ast.Constant) and isinstance(value.value, bool):
        yield OUTCOME, f"return {not value.value}", ((node, "value", ast.Constant(not value.value)),)
        return
    holder = ast.Tuple([value], ast.Load())  # so that a value that is one leaf is found like any other
    returned = [one.value for one in ast.walk(top) if isinstance(one, ast.Return) and one.value is not None]
    pool = [one for one in returned if _is_leaf(one)]
    for _, parent, key, leaf in _leaves(holder):
        if isinstance(leaf, ast.Constant) and not isinstance(leaf.value, (bool, str)):
            continue  # numbers have their own change
        other = _other(tree, leaf, pool)
        if other is not None:
            edit = (node, "value", other) if parent is holder else _put(parent, key, other)
            yield OUTCOME, f"return {_text(leaf)} -> {_text(other)}", (edit,)


def _numbers(top: ast.AST) -> Iterator[_Change]:
    """Yield each bound that is a number, moved by one."""
    for node in ast.walk(top):
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            moved = node.value + 1  # type: ignore[operator]
            yield BOUND, f"{node.value!r} -> {moved!r}", ((node, "value", moved),)
