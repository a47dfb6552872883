"""Reads SOQL, as much of it as a client needs that looks records up: fields, one object, conditions, order, limit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from vs_st_pipeline.sandbox.core.asgi import Record

LONGEST_STRING = 4000
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^'\\]|\\.)*')
      | (?P<time>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d) | \d{4}-\d\d-\d\d)
      | (?P<number>-?\d+(?:\.\d+)?)
      | (?P<word>[A-Za-z_][\w.]*)
      | (?P<sign><=|>=|!=|<>|[=<>(),])
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}

Test = Callable[[Record], bool]
Known = list[tuple[str, Any]] | None


class BadQuery(Exception):
    """A query that cannot be read; `code` and the text are Salesforce's."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Condition(NamedTuple):
    """What rows must be, and what is known of those that are."""

    test: Test
    known: Known


class Query(NamedTuple):
    """A query that was read.

    Attributes:
        known: pairs of a field in lower case and a value, one of which any row that passes has; None: not known.
        used: every field that it names.
        order: field, and whether downwards.
    """

    object: str
    fields: list[str]
    test: Test
    known: Known
    used: list[str]
    order: list[tuple[str, bool]]
    limit: int | None


class _Reader:
    def __init__(self, text: str, value: Callable[[Record, str], Any]) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.value = value
        self.used: list[str] = []
        self.at = 0
        end = 0
        text = text.strip()
        while end < len(text):
            found = _TOKEN.match(text, end)
            if found is None or found.lastgroup is None:
                raise BadQuery("MALFORMED_QUERY", f"unexpected token: '{text[end : end + 10]}'")
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            end = found.end()

    def next(self, *wanted: str) -> str:
        kind, token = self.tokens[self.at] if self.at < len(self.tokens) else ("end", "<EOF>")
        if wanted and token.upper() not in wanted and kind not in wanted:
            raise BadQuery("MALFORMED_QUERY", f"unexpected token: '{token}'")
        self.at += 1
        return token

    def sees(self, *words: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at][1].upper() in words

    def took(self, word: str) -> bool:
        if self.sees(word):
            self.at += 1
            return True
        return False

    def field(self) -> str:
        name = self.next("word")
        self.used.append(name)
        return name

    def query(self) -> Query:
        self.next("SELECT")
        fields = [self.field()]
        while self.took(","):
            fields.append(self.field())
        self.next("FROM")
        object = self.next("word")
        where = self.either() if self.took("WHERE") else Condition(lambda record: True, None)
        order = []
        if self.took("ORDER"):
            self.next("BY")
            order.append(self._order())
            while self.took(","):
                order.append(self._order())
        limit = int(self.next("number")) if self.took("LIMIT") else None
        if self.at < len(self.tokens):
            self.next("<EOF>")
        return Query(object, fields, where.test, where.known, self.used, order, limit)

    def _order(self) -> tuple[str, bool]:
        name = self.field()
        down = self.took("DESC")
        if not down:
            self.took("ASC")
        if self.took("NULLS"):
            self.next("FIRST", "LAST")
        return name, down

    def either(self) -> Condition:
        parts = [self.both()]
        while self.took("OR"):
            parts.append(self.both())
        if len(parts) == 1:
            return parts[0]
        known = None if any(part.known is None for part in parts) else [k for part in parts for k in part.known or ()]
        return Condition(lambda record: any(part.test(record) for part in parts), known)

    def both(self) -> Condition:
        parts = [self.one()]
        while self.took("AND"):
            parts.append(self.one())
        if len(parts) == 1:
            return parts[0]
        # Of several that must hold, the one that leaves the most values is of a list of people, not of one campaign.
        known = max((part.known for part in parts if part.known is not None), key=len, default=None)
        return Condition(lambda record: all(part.test(record) for part in parts), known)

    def one(self) -> Condition:
        if self.took("NOT"):
            refused = self.one()
            return Condition(lambda record: not refused.test(record), None)
        if self.took("("):
            inner = self.either()
            self.next(")")
            return inner
        name, value = self.field(), self.value
        if self.sees("NOT", "IN"):
            negated = self.took("NOT")
            self.next("IN")
            self.next("(")
            wanted = {folded(self.literal())}
            while self.took(","):
                wanted.add(folded(self.literal()))
            self.next(")")
            known = None if negated else [(name.lower(), one) for one in wanted]
            return Condition(lambda record: (folded(value(record, name)) in wanted) is not negated, known)
        sign = self.next("=", "!=", "<>", "<", ">", "<=", ">=", "LIKE").upper()
        literal = self.literal()
        known = [(name.lower(), folded(literal))] if sign == "=" else None
        return Condition(lambda record: compared(value(record, name), sign, literal), known)

    def literal(self) -> Any:
        token = self.next("text", "number", "time", "TRUE", "FALSE", "NULL")
        if token.startswith("'"):
            text = re.sub(r"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), token[1:-1], flags=re.DOTALL)
            if len(text) > LONGEST_STRING:
                raise BadQuery("MALFORMED_QUERY", f"a string is longer than {LONGEST_STRING} characters")
            return text
        words = {"TRUE": True, "FALSE": False, "NULL": None}
        if token.upper() in words:
            return words[token.upper()]
        return token if "-" in token[1:] else float(token)


def read(text: str, value: Callable[[Record, str], Any]) -> Query:
    """Read a query; `value` gives a record's field, through relations too."""
    return _Reader(text, value).query()


def folded(value: Any) -> Any:
    """Return a value as comparison takes it: without case, ids by their first fifteen characters, blank as null."""
    if isinstance(value, str):
        if re.fullmatch(r"\d[0-9a-zA-Z]{14}([A-Z0-5]{3})?", value):
            return value[:15]
        return value.lower() or None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def compared(left: Any, sign: str, right: Any) -> bool:
    """Compare a field with a literal."""
    one, other = folded(left), folded(right)
    if sign == "LIKE":
        pattern = re.escape(str(other)).replace("%", ".*").replace("_", ".")
        return one is not None and re.fullmatch(pattern, str(one), re.DOTALL) is not None
    if sign == "=":
        return bool(one == other)
    if sign in ("!=", "<>"):
        return bool(one != other)
    if one is None or other is None or type(one) is not type(other):
        return False
    return bool({"<": one < other, ">": one > other, "<=": one <= other, ">=": one >= other}[sign])
