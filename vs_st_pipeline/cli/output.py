"""Writes to stdout and stderr, the only way the command does: no foreign text acts on a terminal, no stream stops work.

Results are lines (`say`), a table (`say_table`) or one JSON object (`say_json`) on stdout; where stdout does not take
them, `NotPrinted` says so on stderr. What goes to stderr (`tell`) is not essential: where it cannot be written, the
work goes on without it. A terminal gets rows of its width, and colors where it has them (`layout`); all else gets each
line as it is.

Streams are written to directly and not by `click.echo`, which takes ASCII for a mistake and writes UTF-8 in its place.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO
from unicodedata import category

from vs_st_pipeline.cli import layout
from vs_st_pipeline.cli.layout import Cell, Colored, Line

_USUAL_WIDTH, _LEAST_WIDTH = 80, 20
_ACTING = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, invisible format marks, lone surrogates, line breaks


class NotPrinted(Exception):
    """stdout did not take a result; the text says why."""


def shown(text: str) -> str:
    """Return a text on one line of a terminal; what would act there or hide becomes an escape: `\x1b`, `\n`, `\u202e`.

    These are the Unicode categories Cc, Cf, Zl and Zp and lone surrogates; everything else stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode("ascii") if category(char) in _ACTING else char for char in text
    )


def say(*lines: Line) -> None:
    """Write these lines of a result to stdout; a line break within one is shown as any other character that acts.

    Raises:
        NotPrinted: stdout does not take them.
    """
    _result("".join(f"{row}\n" for row in _rows(lines, sys.stdout)))


def say_exactly(*lines: str) -> None:
    """Write the same whatever the width of a terminal: lines to be copied, such as CSV, or settings to be pasted.

    Raises:
        NotPrinted: stdout does not take them.
    """
    _result("".join(f"{shown(line)}\n" for line in lines))


def say_table(names: Sequence[str], rows: Sequence[Sequence[Cell]], below: Sequence[str] = ()) -> None:
    """Write a table to stdout, its columns under these names.

    Args:
        below: for each row what is said under it; `""`: nothing.

    Raises:
        NotPrinted: stdout does not take it.
    """
    _result("".join(f"{line}\n" for line in _table(names, rows, sys.stdout, below)))


def _table(
    names: Sequence[str], rows: Sequence[Sequence[Cell]], stream: TextIO | None, below: Sequence[str] = ()
) -> list[str]:
    cells = [[_harmless(cell) for cell in row] for row in rows]
    said = [shown(one) for one in below]
    return layout.table(names, cells, columns_of(stream), colors=has_colors(stream), below=said)


def _rows(lines: Sequence[Line], stream: TextIO | None) -> list[str]:
    width, colors = columns_of(stream), has_colors(stream)
    parts = (shown(line) if isinstance(line, str) else [_harmless(part) for part in line] for line in lines)
    return [row for line in parts for row in layout.laid_out(line, width, colors=colors)]


def _harmless(part: Cell) -> Cell:
    return shown(part) if isinstance(part, str) else Colored(shown(part.text), part.color)


def say_json(value: Any) -> None:
    """Write one JSON object to stdout: the same value to every parser, and harmless to a terminal that shows it.

    Raises:
        NotPrinted: stdout does not take it.
    """
    text = json.dumps(value, ensure_ascii=False, indent=2)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8", "surrogatepass")
    except UnicodeEncodeError:  # JSON's own escapes, because others would not be JSON
        text = json.dumps(value, ensure_ascii=True, indent=2)
    _result("\n".join(_json_line(line) for line in text.split("\n")) + "\n")


def say_json_line(value: Any) -> None:
    """Write one JSON object to stdout on one line, for those who read line by line.

    Raises:
        NotPrinted: stdout does not take it.
    """
    _result(_json_line(json.dumps(value, ensure_ascii=True)) + "\n")


def _json_line(line: str) -> str:
    """Escape what acts on a terminal: outside JSON strings only line breaks act, so all the rest is in strings."""
    if line.isprintable():
        return line
    return "".join(json.dumps(char)[1:-1] if category(char) in _ACTING else char for char in line)


def tell(*lines: Line) -> None:
    """Write these lines of progress, of a warning or of an error to stderr, if it can be written to."""
    _tell(_rows(lines, sys.stderr))


def tell_table(names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Write a table to stderr, beside questions, if it can be written to."""
    _tell(_table(names, rows, sys.stderr))


def _tell(rows: Sequence[str]) -> None:
    stream = sys.stderr
    try:
        if stream is not None:
            stream.write("".join(f"{row}\n" for row in rows))
            stream.flush()
    except (OSError, ValueError):
        _give_up_on(stream)


def is_terminal(stream: TextIO | None) -> bool:
    """Say whether a person sees this stream; a stream that is closed or missing is not a terminal."""
    try:
        return stream is not None and stream.isatty()
    except (OSError, ValueError):
        return False


def has_colors(stream: TextIO | None) -> bool:
    """Say whether colors show on this stream: a terminal that has them, of a person who wants them (`NO_COLOR`)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def columns_of(stream: TextIO | None) -> int | None:
    """Return how wide the terminal is that this stream goes to: `COLUMNS`, else what it says; None: it is none."""
    if stream is None or not is_terminal(stream):
        return None
    said = os.environ.get("COLUMNS", "").strip()
    width = int(said) if said.isascii() and said.isdigit() and len(said) < 6 else 0
    if not width:
        with contextlib.suppress(OSError, ValueError):
            width = os.get_terminal_size(stream.fileno()).columns
    return max(width or _USUAL_WIDTH, _LEAST_WIDTH)


def make_ready() -> None:
    """Make all three standard streams usable; the console script calls this before anything else.

    A character that an encoding lacks becomes a backslash escape. A stream that the parent closed is replaced by
    one that takes everything and gives nothing. Otherwise the next file opened, a database for example, would get its
    number, and code that writes to standard error by that number would write into the file.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if number == 0 else "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush(stream: TextIO | None) -> None:
    """Write what a stream still holds; discard what it does not take, otherwise Python tries again when it ends."""
    with contextlib.suppress(AttributeError):
        try:
            stream.flush()  # type: ignore[union-attr]
        except (OSError, ValueError):
            _give_up_on(stream)


def _give_up_on(stream: TextIO | None) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        number = stream.fileno()  # type: ignore[union-attr]
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)


def _result(text: str) -> None:
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        _give_up_on(sys.stdout)
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise NotPrinted(f"the result could not be printed: {reason}") from None
