"""Lines and tables in the width of a terminal: nothing wider, nothing lost, nothing that a pipe would see."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import pytest

from vs_st_pipeline.cli.layout import Colored, colored_state, headline, laid_out, table, text_of, width_of
from vs_st_pipeline.cli.output import say, say_exactly, say_table
from vs_st_pipeline_tests.support.terminals import PAINT, Seen, screen

SENTENCE = "  left     of 12 contacts nothing is written, because their opt-in is older than a year, or is not known"
NAMES = ("merchant", "state", "what it is, and what to do")
ROWS = [
    ("a-winery-with-a-very-long-name-on-a-hill", colored_state("failing (auth)"), "The key is not accepted. Renew it."),
    ("李小龍酒莊", colored_state("fine"), ""),
    ("short", Colored("partial", "yellow"), "12 contacts were refused; `vs-st why` says of a contact what to do"),
]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_line_becomes_rows_of_the_width_and_loses_no_word(width: int) -> None:
    for line in (SENTENCE, SENTENCE.strip(), "  ".join(["李小龍"] * 30), "a " * 100):
        rows = laid_out(line, width)
        assert max(map(width_of, rows)) <= width
        assert " ".join(rows).split() == line.split()


def test_further_rows_begin_where_the_column_did() -> None:
    first, *others = laid_out(SENTENCE, 60)
    column = first.index("of 12")
    assert others
    assert all(row[:column].isspace() and not row[column].isspace() for row in others)


def test_a_word_that_is_wider_than_the_terminal_stays_whole() -> None:
    url = "https://hooks.example.com/" + "a" * 80
    rows = laid_out(f"  shop orders  ok  {url}", 40)
    assert rows[-1] == url
    assert laid_out(url, 20) == [url]


def test_colors_take_no_width_and_stay_with_their_word() -> None:
    line = headline("hillside-cellars: failed, auth at simpletexting: The system does not accept the key")
    assert text_of(line).startswith("hillside-cellars: failed, auth")
    plain, colored = laid_out(line, 30), laid_out(line, 30, colors=True)
    assert [PAINT.sub("", row) for row in colored] == plain
    assert "\x1b[31mfailed\x1b[0m" in colored[0]
    assert headline("hillside-cellars: nothing to do") == "hillside-cellars: nothing to do"


@pytest.mark.parametrize("width", [30, 60, 80, 120])
def test_a_table_fits_and_holds_every_word(width: int) -> None:
    seen = Seen("\n".join(table(NAMES, ROWS, width, colors=True)))
    assert not seen.too_wide(width)
    said = " ".join(seen.rows).split()
    for row in ROWS:
        for cell in row:
            assert set((cell if isinstance(cell, str) else cell.text).split()) <= set(said)


def test_a_table_in_a_pipe_has_a_row_in_one_line() -> None:
    assert table(NAMES, ROWS)[3].endswith("12 contacts were refused; `vs-st why` says of a contact what to do")
    assert len(table(NAMES, ROWS)) == 1 + len(ROWS)


def test_a_pipe_gets_the_line_as_it_is_and_a_terminal_rows_and_colors() -> None:
    line = headline(f"hillside-cellars: failed; {SENTENCE * 3}")
    pipe = io.StringIO()
    with redirect_stdout(pipe), pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "40")
        say(line)
        say_table(NAMES, ROWS)
    assert pipe.getvalue().splitlines()[0] == text_of(line)
    assert "\x1b" not in pipe.getvalue()
    with screen(40) as wide:
        say(line)
    assert not Seen(wide.getvalue()).too_wide(40)
    assert "\x1b[31mfailed\x1b[0m" in wide.getvalue()


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colors_gets_none(environ: dict[str, str]) -> None:
    with screen(60, **environ) as found:
        say(headline("hillside-cellars: failed"))
    assert found.getvalue() == "hillside-cellars: failed\n"


def test_what_is_to_be_copied_is_not_broken_and_what_acts_is_shown() -> None:
    with screen(30) as found:
        say_exactly("month,merchant,account and more than thirty columns")
        say(("state: ", Colored("\x1b[2Jfailed", "red")))
    copied, acting = found.getvalue().splitlines()
    assert copied == "month,merchant,account and more than thirty columns"
    assert acting == "state: \x1b[31m\\x1b[2Jfailed\x1b[0m"
