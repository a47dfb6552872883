"""Holds what the words of a reply mean, and that a bad file is refused with its line (notices.md 8.2)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.forms import OwnFile
from vs_st_pipeline.routes.notices import reply_rules
from vs_st_pipeline.routes.notices.reply_rules import default, folded, is_stop, parse

DAY = date(2026, 3, 10)


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("reattempt", ("reattempt", "ACTF001", None)),
        ("  ReAttempt !!", ("reattempt", "ACTF001", None)),
        ("\uff32\uff45\uff41\uff54\uff54\uff45\uff4d\uff50\uff54", ("reattempt", "ACTF001", None)),  # wide letters
        ("\u200ereattempt\u200f", ("reattempt", "ACTF001", None)),  # marks of direction, which nobody sees
        ("\x07reattempt\x00", ("reattempt", "ACTF001", None)),
        ("deliver\u00a0again.", ("reattempt", "ACTF001", None)),
        ("please reattempt", None),
        ("reattempt delivery", None),  # a button's title that is typed without the message (rulings 20)
        ("cancel order", None),
        ("don't cancel", None),
        ("cancel", None),
        ("11-03-2026", ("new_date", "ACTF002", date(2026, 3, 11))),
        ("17/03/2026", ("new_date", "ACTF002", date(2026, 3, 17))),
        ("2026-03-17.", ("new_date", "ACTF002", date(2026, 3, 17))),
        ("10-03-2026", None),  # today
        ("18-03-2026", None),  # 8 days ahead
        ("31-02-2026", None),
        ("11.03.2026", None),
        ("11-03-26", None),
    ],
)
def test_a_typed_text_is_compared_whole(said: str, means: tuple[str, str, date | None] | None) -> None:
    asked = default().by_text(said, DAY)
    assert (asked and (asked.action.key, asked.action.code, asked.deferred)) == means


@pytest.mark.parametrize(
    ("title", "key"),
    [("Reattempt delivery", "reattempt"), ("DELIVER AGAIN", "reattempt"), ("Cancel order", "cancel"), ("Cancel", None)],
)
def test_a_button_is_known_by_its_title(title: str, key: str | None) -> None:
    asked = default().by_button(title, DAY)
    assert (asked and asked.action.key) == key


def test_days_of_a_new_date_count_from_the_replys_day() -> None:
    asked = default().by_key("new_date", DAY)
    assert asked is not None
    assert asked.deferred == date(2026, 3, 11)
    assert default().by_key("disagree", DAY) is not None
    assert default().by_key("elsewhere", DAY) is None


@pytest.mark.parametrize("said", ["STOP", "stop.", " Stop ", "unsubscribe", "Opt out", "optout", "Cancel messages!"])
def test_stop_words_count_in_any_writing(said: str) -> None:
    assert is_stop(said)


@pytest.mark.parametrize("said", ["don't stop", "stop it", "", "!!", "cancel"])
def test_what_only_holds_a_stop_word_is_none(said: str) -> None:
    assert not is_stop(said)


def test_a_merchants_words_count_beside_the_houses() -> None:
    own = parse(_file(more="stop_words: [basta, unstop]\nstart_words: [si]"), "own.yaml")
    assert is_stop("Basta!", own)
    assert is_stop("stop", own)
    assert not is_stop("basta")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("actions: {}\nrules: []", "version"),
        ("version: 2\nactions: {}\nrules: []", "line 1: version: expected 1"),
        ("version: 1\nactions:\n  a: {code: X1}\nrules: []", "line 3: code"),
        ("version: 1\nactions:\n  a: {days: 1}\nrules: []", "line 3: a: `code` is missing"),
        ("version: 1\nactions:\n  a: {code: ACTF002}\nrules: []", "line 3: a: ACTF002 needs `days`"),
        ("version: 1\nactions:\n  a: {code: ACTF002, days: 8}\nrules: []", "line 3: days: expected 1 to 7"),
        ("version: 1\nactions:\n  a: {code: ACTF002, days: 0}\nrules: []", "line 3: days: expected 1 to 7"),
        ("version: 1\nactions:\n  a: {code: ACTF001, days: 1}\nrules: []", "line 3: days"),
        ("{base}  - {text: [x]}", "line 8: rules: `action` is missing"),
        ("{base}  - {date: false, action: day}", "line 8: date: expected true"),
        (
            "{base}  - {button: [x], action: cancle}",
            "line 8: action: expected one of: again, day, cancel; did you mean",
        ),
        ("{base}  - {text: [cancel], action: cancel}", "line 8: text: an order is cancelled by a button only"),
        ("{base}  - {date: true, action: cancel}", "line 8: date: an order is cancelled by a button only"),
        ("{base}  - {date: true, action: again}", "line 8: date: a date needs an action with ACTF002"),
        ("{base}  - {text: [x], button: [y], action: again}", "exactly one of button, text and date"),
        ("{base}  - {action: again}", "exactly one of button, text and date"),
        ("{base}  - {text: ['!'], action: again}", "line 8: text: nothing is left"),
        ("{base}  - {text: [], action: again}", "line 8: text: expected at least one word"),
        ("{base}  - {test: [x], action: again}", "line 8: `test` is not a key that is known here; did you mean"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(text: str, says: str) -> None:
    with pytest.raises(BadSettings) as refused:
        parse(text.replace("{base}", _file()), "own.yaml")
    assert says in refused.value.message
    assert "own.yaml" in refused.value.message


def test_a_new_date_is_a_week_ahead_at_most() -> None:
    asked = parse("version: 1\nactions:\n  a: {code: ACTF002, days: 7}\nrules: []", "own.yaml").by_key("a", DAY)
    assert asked is not None
    assert asked.deferred == date(2026, 3, 17)


def test_a_file_that_is_not_there_is_told_with_the_place_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="settings.yaml, line 3: replies: the file .* cannot be read"):
        reply_rules.read(OwnFile(tmp_path / "none.yaml", "settings.yaml, line 3: replies"))


def test_words_are_folded_from_the_end_only() -> None:
    assert folded(" \u201cYes, please!\u201d ") == "\u201cyes, please"


def _file(more: str = "") -> str:
    return (
        "version: 1\nactions:\n  again: {code: ACTF001}\n  day: {code: ACTF002, days: 2}\n  cancel: {code: ACTF003}\n"
        f"{more}\nrules:\n" + ("  - {text: [again], action: again}\n" if more else "")
    )
