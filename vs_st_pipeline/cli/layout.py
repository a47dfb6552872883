"""Lays out lines and tables in the width of a terminal, with colors where it has them; writes nothing itself.

Only a terminal gets this: a pipe gets every line as it is. Lines break at blanks and go on where their text began, so
that columns stay columns. A word that is wider than the terminal, such as a URL, stays whole: whoever copies it needs
all of it, and the terminal goes on with it in the next row by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from unicodedata import category, combining, east_asian_width

import click

GREEN, YELLOW, RED, DIM, BOLD = "green", "yellow", "red", "bright_black", "bold"
STATES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("ok", "fine", "complete", "done", "told", "kept", "made", "fits"), GREEN),
    **dict.fromkeys(("partial", "waiting", "late", "retrying", "open", "missing", "changed", "unproven"), YELLOW),
    **dict.fromkeys(("failed", "failing", "broken settings", "refused"), RED),
    **dict.fromkeys(("new", "off", "paused", "pending", "ended", "disabled", "skipped", "not_reached"), DIM),
}
"""The color of each word that says how something stands."""

GAP: Final = 2  # blanks between columns
_NARROWEST: Final = 16  # a column of sentences is not made narrower: then each row becomes a few lines
_CELL_BREAK: Final = re.compile(r"\S(  +)(?=\S)")
_HEAD: Final = re.compile(rf"^(\S.{{0,120}}?: )({'|'.join(STATES)})(?=[;,:. (]|$)")


@dataclass(frozen=True, slots=True)
class Colored:
    """A part of a line that has a color where the terminal has any: a name that click knows, or `BOLD`."""

    text: str
    color: str | None


Line = str | Sequence[str | Colored]
"""A line, whole or in parts."""


def headline(line: str) -> Line:
    """Return a line such as `hillside-cellars: failed; ...` with the color of its state."""
    found = _HEAD.match(line)
    if found is None:
        return line
    return (found[1], Colored(found[2], STATES[found[2]]), line[found.end() :])


def headed(lines: Sequence[str]) -> list[Line]:
    """Return lines with the state in the first one colored."""
    return [headline(line) if number == 0 else line for number, line in enumerate(lines)]


def colored_state(word: str) -> Colored:
    """Return a word that says how something stands, with its color; of `failing (auth)` the first word counts."""
    return Colored(word, STATES.get(word, STATES.get(word.partition(" (")[0])))


def text_of(line: Line) -> str:
    """Return a line without its colors."""
    return line if isinstance(line, str) else "".join(part if isinstance(part, str) else part.text for part in line)


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(_width(char) for char in text)


def _width(char: str) -> int:
    if combining(char) or category(char) in ("Mn", "Me"):
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


def laid_out(line: Line, width: int | None, *, colors: bool = False) -> list[str]:
    """Return a line as rows of at most this width, painted; None: in one row.

    Args:
        line: without any character that acts on a terminal.
    """
    text = text_of(line)
    cuts = [(0, 0, len(text))] if width is None else list(_cuts(text, width))
    return [" " * indent + _painted(line, start, end, colors) for indent, start, end in cuts]


def _cuts(text: str, width: int) -> Iterator[tuple[int, int, int]]:
    """Yield for each row how far it is indented, and which part of the text stands there."""
    if width_of(text) <= width:
        yield 0, 0, len(text)
        return
    hanging, indent, start = _hanging(text, width), 0, 0
    first = len(text) - len(text.lstrip(" "))  # where the next word begins, at the earliest
    while start < len(text):
        end = _end_of_row(text, start, max(first, start), width - indent)
        yield indent, start, end
        start = end + len(text[end:]) - len(text[end:].lstrip(" "))
        word = text[start:].partition(" ")[0]
        indent = max(0, min(hanging, width - width_of(word)))  # a long word begins further left


def _end_of_row(text: str, start: int, first: int, room: int) -> int:
    """Return where a row ends that begins here: behind the last word that has room, but one word stands in any case."""
    end, at, used = 0, start, 0
    for at in range(start, len(text)):
        if text[at] == " ":
            if at > first and text[at - 1] != " ":
                end = at
        elif used + _width(text[at]) > room:
            break
        used += _width(text[at])
    else:
        return len(text)
    if end:
        return end
    behind = text.find(" ", max(at, first))
    return len(text) if behind < 0 else behind


def _hanging(text: str, width: int) -> int:
    """Return how far the further rows of a line are indented: to its last column, if that leaves most of the width."""
    indent = len(text) - len(text.lstrip(" "))
    found = min(indent + 4, width // 4)
    for match in _CELL_BREAK.finditer(text):
        if (column := width_of(text[: match.end(1)])) <= width // 2:
            found = column
    return found


def _painted(line: Line, start: int, end: int, colors: bool) -> str:
    if isinstance(line, str):
        return line[start:end]
    rows, at = [], 0
    for part in line:
        text, color = (part, None) if isinstance(part, str) else (part.text, part.color)
        piece = text[max(0, start - at) : max(0, end - at)]
        rows.append(painted(piece, color if colors else None))
        at += len(text)
    return "".join(rows)


def painted(text: str, color: str | None) -> str:
    """Return a text in a color; it must not hold what acts on a terminal."""
    if color is None or not text:
        return text
    return click.style(text, bold=True) if color == BOLD else click.style(text, fg=color)


# --- tables -----------------------------------------------------------------------------------------------------------

Cell = str | Colored


def table(
    names: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    width: int | None = None,
    *,
    colors: bool = False,
    below: Sequence[str] = (),
) -> list[str]:
    """Return a table under a line of names, in rows of at most this width; None: each of its rows in one.

    Columns of sentences become narrower, in several rows each. Where that does not help, each row of the table becomes
    a line with its first cells, and under it a line for each other cell that is not empty.

    Args:
        rows: cells without any character that acts on a terminal.
        below: for each row what is said under it, over the whole width; `""`: nothing.
    """
    head = [Colored(name, BOLD) for name in names]
    cells = [head, *rows]
    wide = [max(width_of(_text(row[place])) for row in cells) for place in range(len(names))]
    if width is not None:
        narrow = _narrowed(wide, [_longest_word(cells, place) for place in range(len(names))], width)
        if narrow is None:
            parts = [_stacked(names, row, width, colors) for row in rows]
            return [one for part, said in zip(parts, _below(rows, below, width), strict=True) for one in part + said]
        wide = narrow
    parts = [_row(row, wide, colors) for row in rows]
    told = [one for part, said in zip(parts, _below(rows, below, width), strict=True) for one in part + said]
    return [*_row(head, wide, colors), *told]


def _below(rows: Sequence[Sequence[Cell]], below: Sequence[str], width: int | None) -> list[list[str]]:
    return [laid_out(f"    {said}", width) if said else [] for said in below or [""] * len(rows)]


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell.text


def _longest_word(cells: Sequence[Sequence[Cell]], place: int) -> int:
    return max((width_of(word) for row in cells for word in _text(row[place]).split(" ")), default=0)


def _narrowed(wide: Sequence[int], least: Sequence[int], width: int) -> list[int] | None:
    """Return widths of columns that fit together, the widest made narrower first; None: they cannot."""
    room, found = width - GAP * (len(wide) - 1), list(wide)
    floors = [max(word, min(one, _NARROWEST)) for one, word in zip(wide, least, strict=True)]
    while (over := sum(found) - room) > 0:
        free = [place for place in range(len(found)) if found[place] > floors[place]]
        if not free:
            return None
        widest = max(free, key=lambda place: found[place])
        others = [found[place] for place in free if found[place] < found[widest]]
        found[widest] = max(floors[widest], found[widest] - over, max(others, default=0) - 1)
    return found


def _row(row: Sequence[Cell], wide: Sequence[int], colors: bool) -> list[str]:
    columns = []
    for cell, width in zip(row, wide, strict=True):
        text, color = _text(cell), None if isinstance(cell, str) else cell.color
        columns.append(([text[start:end] for _, start, end in _plain_cuts(text, width)], color if colors else None))
    lines = []
    for number in range(max(len(pieces) for pieces, _ in columns)):
        parts, missing = [], 0
        for (pieces, color), width in zip(columns, wide, strict=True):
            piece = pieces[number] if number < len(pieces) else ""
            parts.append(" " * missing + painted(piece, color))
            missing = width - width_of(piece) + GAP
        lines.append("".join(parts).rstrip())
    return lines


def _plain_cuts(text: str, width: int) -> Iterator[tuple[int, int, int]]:
    """Yield the parts of a cell; each begins where the cell does."""
    start = 0
    while True:
        end = _end_of_row(text, start, start, width)
        yield 0, start, end
        start = end + len(text[end:]) - len(text[end:].lstrip(" "))
        if start >= len(text):
            return


def _stacked(names: Sequence[str], row: Sequence[Cell], width: int, colors: bool) -> list[str]:
    head = [row[0], *((" " * GAP, row[1]) if len(row) > 1 else ())]
    lines = laid_out(head, width, colors=colors)
    for name, cell in zip(names[2:], row[2:], strict=True):
        if text := _text(cell):
            lines += laid_out([" " * GAP, name, " " * GAP, cell] if text else "", width, colors=colors)
    return lines
