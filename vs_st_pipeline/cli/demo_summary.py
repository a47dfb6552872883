"""Says an act of the demo in four lines: what came in, what was decided, what was written, and the proof."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from vs_st_pipeline.pipeline.demo import Act, Demo

WIDTH: Final = 100
_LEFT_ALONE: Final = {"held": "held back", "dropped": "dropped", "waiting": "waiting"}
_MOST_NAMED: Final = 3

Report = Mapping[str, Any]


def lines(
    show: Demo, act: Act, number: int, said: Sequence[str], runs: Sequence[Sequence[Report]], proof: str
) -> list[str]:
    """Return the act's title and four lines below it.

    Args:
        said: by the stand-ins, of what happened.
        runs: of each sync of the act the reports of all merchants, as their status files keep them.
        proof: by the stand-ins' books.
    """
    reports = [report for run in runs for report in run]
    came = " ".join(said) or _numbers(_sum(report.get("raw", {}) for report in reports), {}) or "nothing new"
    once_more = "A second sync wrote nothing. " if len(runs) > 1 and not _written(runs[-1]) else ""
    rows = {
        "came in": came,
        "decided": act.decided or _decided(show, reports),
        "written": _numbers(_written(reports), show.written) or "nothing",
        "proof": once_more + proof,
    }
    found = _wrapped(f"{number:2}. ", act.title)
    for name, text in rows.items():
        found += _wrapped(f"    {name:8} ", text)
    return found


def _decided(show: Demo, reports: Sequence[Report]) -> str:
    planned = [report.get("planned", {}) for report in reports]
    counts: Counter[str] = Counter()
    of: dict[str, Counter[str]] = {}
    for one in planned:
        for key in show.decided:
            value = one.get(key, 0)
            if isinstance(value, Mapping):
                of.setdefault(key, Counter()).update(value)
                value = sum(value.values())
            counts[key] += value
    said = ", ".join(
        _number(counts[key], words) + (f" ({_named(of[key])})" if of.get(key) else "")
        for key, words in show.decided.items()
        if counts[key]
    )
    alone = [f"{says}: {_named(found)}" for key, says in _LEFT_ALONE.items() if (found := _reasons(planned, key))]
    return "; ".join([said or "nothing to write", *alone])


def _reasons(planned: Sequence[Mapping[str, Any]], word: str) -> Counter[str]:
    return _sum(one.get(word, {}) for one in planned)


def _written(reports: Sequence[Report]) -> Counter[str]:
    return _sum(report.get("synced", {}) for report in reports)


def _sum(counted: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    for counts in counted:
        found.update({name: count for name, count in counts.items() if isinstance(count, int)})
    return +found


def _numbers(counts: Mapping[str, int], words: Mapping[str, str]) -> str:
    """Return `3 sent, 1 failed`; without words every count by its name."""
    named = words or {name: name.replace("_", " ") for name in counts}
    return ", ".join(_number(counts[key], says) for key, says in named.items() if counts.get(key))


def _number(count: int, words: str) -> str:
    """Return `3 messages to send`, `1 message to send`."""
    what, _, rest = words.partition(" ")
    return f"{count:,} {what.removesuffix('s') if count == 1 else what} {rest}".rstrip()


def _named(counts: Counter[str]) -> str:
    most = counts.most_common()
    said = ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in most[:_MOST_NAMED])
    return said + (f" and {sum(count for _, count in most[_MOST_NAMED:])} more" if most[_MOST_NAMED:] else "")


def _wrapped(first: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False)
