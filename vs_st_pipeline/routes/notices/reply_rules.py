"""Reads what answers mean: the house's `replies.yaml`, or the merchant's own file of the same form (notices.md 8.2).

Data flow: YAML text -> `ReplyRules`, checked with file and line -> the action that a reply's words ask for.

Words are compared whole and folded (`folded`), so `don't cancel` is not `cancel`. An order is cancelled by a button
only: a file that cancels by typed words is refused when it is read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache
from importlib import resources
from typing import Final

from vs_st_pipeline.platform.settings.forms import OwnFile
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.own_files import text_of
from vs_st_pipeline.platform.settings.yaml_source import Node, load_with_lines
from vs_st_pipeline.routes.notices.settings import NoticesSettings

NEW_DATE: Final = "ACTF002"
CANCEL: Final = "ACTF003"
MOST_DAYS: Final = 7  # how far ahead a date may be that a customer names

_CODE: Final = re.compile(r"ACTF[0-9]{3}")
_DATES: Final = (
    re.compile(r"(?P<d>[0-9]{1,2})-(?P<m>[0-9]{1,2})-(?P<y>[0-9]{4})"),
    re.compile(r"(?P<d>[0-9]{1,2})/(?P<m>[0-9]{1,2})/(?P<y>[0-9]{4})"),
    re.compile(r"(?P<y>[0-9]{4})-(?P<m>[0-9]{1,2})-(?P<d>[0-9]{1,2})"),
)


@dataclass(frozen=True, slots=True)
class Action:
    """What a reply can ask for.

    Attributes:
        key: its name in settings. code: Eshopbox's. days: of a new date, how many after the reply's day; else None.
    """

    key: str
    code: str
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of `rules`: words of buttons, or of texts, or any date; all words are folded."""

    action: str
    button: frozenset[str] = frozenset()
    text: frozenset[str] = frozenset()
    date: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What one reply asks for. `deferred`: the new date, of `NEW_DATE` alone."""

    action: Action
    deferred: date | None = None


@dataclass(frozen=True, slots=True)
class ReplyRules:
    """A checked file."""

    actions: Mapping[str, Action]
    rules: tuple[Rule, ...]
    stop_words: frozenset[str]
    start_words: frozenset[str]

    def by_key(self, key: str | None, day: date) -> Asked | None:
        """Return what an action key asks for on the reply's day; None: it is no key of this file."""
        action = self.actions.get(key) if key is not None else None
        if action is None:
            return None
        return Asked(action, day + timedelta(days=action.days) if action.days is not None else None)

    def by_button(self, title: str, day: date) -> Asked | None:
        """Return what a button's title asks for on the reply's day (its merchant's zone)."""
        said = folded(title)
        return next((self.by_key(rule.action, day) for rule in self.rules if said in rule.button), None)

    def by_text(self, text: str, day: date) -> Asked | None:
        """Return what a typed text asks for on the reply's day (its merchant's zone)."""
        said = folded(text)
        named = read_day(said)
        for rule in self.rules:
            if said in rule.text:
                return self.by_key(rule.action, day)
            if rule.date and named is not None and 1 <= (named - day).days <= MOST_DAYS:
                return Asked(self.actions[rule.action], named)
        return None


def folded(text: str) -> str:
    """Return a text as it is compared: NFKC, case-folded, outer blanks and end punctuation off, blanks inside one."""
    said = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    end = len(said)
    while end and (_is_blank(said[end - 1]) or unicodedata.category(said[end - 1]).startswith("P")):
        end -= 1
    start = 0
    while start < end and _is_blank(said[start]):
        start += 1
    return " ".join(said[start:end].split())


def _is_blank(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) in ("Cc", "Cf")


def read_day(said: str) -> date | None:
    """Return the day that a folded text names, in one of the three forms; None: it names none, or there is no such."""
    for form in _DATES:
        if found := form.fullmatch(said):
            with suppress(ValueError):
                return date(int(found["y"]), int(found["m"]), int(found["d"]))
    return None


def is_stop(text: str, own: ReplyRules | None = None) -> bool:
    """Say whether a text, or a button's title, asks to be left alone: by the house's words, or a merchant's own."""
    said = folded(text)
    return said in default().stop_words or (own is not None and said in own.stop_words)


# --- reading ----------------------------------------------------------------------------------------------------------


@cache
def default() -> ReplyRules:
    """Return the house's rules."""
    return parse((resources.files(__package__) / "replies.yaml").read_text(encoding="utf-8"), "replies.yaml")


def load(merchant: Merchant) -> ReplyRules:
    """Return the merchant's rules, checked.

    Raises:
        BadSettings: the file cannot be read or is refused; the message names file and line.
    """
    return read(merchant.section(NoticesSettings).replies)


def read(own: OwnFile) -> ReplyRules:
    """Return the rules of a file that settings name. Raises BadSettings as `load` does."""
    if own.path is None:
        return default()
    return parse(text_of(own, f"the file {own.path}"), str(own.path))


@lru_cache(maxsize=64)
def parse(text: str, name: str) -> ReplyRules:
    """Read a file's text; messages call it `name`. Raises BadSettings: it is refused, with the line."""
    top = load_with_lines(text, name)
    parts = top.mapping(("version", "actions", "rules", "stop_words", "start_words"))
    for wanted in ("version", "actions", "rules"):
        if wanted not in parts:
            raise top.problem(f"`{wanted}` is missing")
    if parts["version"].integer() != 1:
        raise parts["version"].problem("expected 1")
    actions = {key: _action(key, node) for key, node in parts["actions"].children().items()}
    rules = tuple(_rule(node, actions) for node in parts["rules"].items())
    # A file without stop words would leave people without a way out: then the house's hold.
    stop = _words(parts["stop_words"]) if "stop_words" in parts else default().stop_words
    start = _words(parts["start_words"]) if "start_words" in parts else default().start_words
    return ReplyRules(actions, rules, stop, start)


def _action(key: str, node: Node) -> Action:
    parts = node.mapping(("code", "days"))
    if "code" not in parts:
        raise node.problem("`code` is missing, such as ACTF001")
    code = parts["code"].text()
    if not _CODE.fullmatch(code):
        raise parts["code"].problem("expected one of Eshopbox's codes, such as ACTF001")
    if code != NEW_DATE:
        if "days" in parts:
            raise parts["days"].problem(f"only {NEW_DATE}, a new date, has days")
        return Action(key, code)
    if "days" not in parts:
        raise node.problem(f"{NEW_DATE} needs `days`: how many days after the reply a button's new date is")
    days = parts["days"].integer()
    if not 1 <= days <= MOST_DAYS:
        raise parts["days"].problem(f"expected 1 to {MOST_DAYS}")
    return Action(key, code, days)


def _rule(node: Node, actions: Mapping[str, Action]) -> Rule:
    parts = node.mapping(("button", "text", "date", "action"))
    if "action" not in parts:
        raise node.problem("`action` is missing")
    action = actions[parts["action"].choice(tuple(actions))]
    ways = [way for way in ("button", "text", "date") if way in parts]
    if len(ways) != 1:
        raise node.problem("expected exactly one of button, text and date")
    way = parts[ways[0]]
    if action.code == CANCEL and ways[0] != "button":
        raise way.problem("an order is cancelled by a button only; take the action away here, or use `button`")
    if ways[0] == "button":
        return Rule(action.key, button=_words(way))
    if ways[0] == "text":
        return Rule(action.key, text=_words(way))
    if not way.boolean():
        raise way.problem("expected true")
    if action.code != NEW_DATE:
        raise way.problem(f"a date needs an action with {NEW_DATE}")
    return Rule(action.key, date=True)


def _words(node: Node) -> frozenset[str]:
    words = set()
    for item in node.items():
        if not (word := folded(item.text())):
            raise item.problem("nothing is left of it without blanks and end punctuation")
        words.add(word)
    if not words:
        raise node.problem("expected at least one word")
    return frozenset(words)
