"""Draws small pictures for an asset's page, as markdown: hours as a stepped area (SVG), a distribution as text bars.

The UI shows markdown in place only where it is shorter than 1,000 characters, and hides it behind a link otherwise;
so a picture has to be shorter than that, whatever is in it. No plotting library writes that short. The background is
white whatever the UI's theme, because an image does not know the page around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, groupby
from urllib.parse import quote

SHORTEST = 1000  # number of characters from which on the UI hides markdown
# Pixels; text is above the area and below it. A page that is 1,280 wide has this much room for a value, no more.
_WIDTH, _HIGH = 372, 70
_LEGEND, _CHARACTER = 40, 7  # where the names of the series begin, and how wide a character is at most
_COLOURS = ("43d", "c32", "e80", "285", "88a", "199", "b48")
_AS_IT_IS = "=:/,;<>'"  # what an address in markdown may hold unescaped, which makes it three times shorter
_BAR = 24  # number of characters of the longest bar


def by_hour(says: str, series: Mapping[str, Sequence[int]], *, stacked: bool = True) -> str:
    """Draw numbers by hour, the present hour last, stacked; `says` is the text below, also for screen readers.

    Where all the hours would be too long, several are taken together.

    Args:
        series: name -> one number per hour, for all the same hours. The name of a single series is not shown.
        stacked: False: each series stands by itself, before the next one, which is never below it (percentiles); of
            hours that are taken together the highest is drawn, and not their sum.
    """
    hours = len(next(iter(series.values())))
    for together in (1, 2, 3, 4, 6, 8, 12, 24, 48):
        grouped = {name: _taken(numbers, together, sum if stacked else max) for name, numbers in series.items()}
        shown = f"![](data:image/svg+xml,{quote(_area(grouped, hours, stacked), safe=_AS_IT_IS)})\n\n{says}"
        if len(shown) < SHORTEST:
            return shown
    return says


def distribution(says: str, counts: Mapping[str, int]) -> str:
    """Draw numbers as bars of text, one line each, as wide as the largest number allows."""
    widest, largest = max(map(len, counts)), max([*counts.values(), 1])
    lines = [
        f"{name:{widest}} {'█' * max(1, round(_BAR * count / largest)) if count else ''} {count}"
        for name, count in counts.items()
    ]
    return "```\n" + "\n".join(lines) + f"\n```\n{says}"


def _taken(numbers: Sequence[int], together: int, how: Callable[[Sequence[int]], int]) -> list[int]:
    """Take hours together in groups, from the end, so that the last groups are whole."""
    cut = len(numbers) % together
    parts = [numbers[:cut]] * bool(cut) + [numbers[i : i + together] for i in range(cut, len(numbers), together)]
    return [how(part) for part in parts]


def _area(series: Mapping[str, Sequence[int]], hours: int, stacked: bool) -> str:
    columns = list(zip(*series.values(), strict=True))
    if stacked:
        columns = [tuple(accumulate(column)) for column in columns]
    highest, step = max([1, *(column[-1] for column in columns)]), _WIDTH / len(columns)
    drawn, names, top = [], *_legend(list(series) if len(series) > 1 else [])
    for place in reversed(range(len(series))):  # the whole stack first, the lower layers drawn over it
        path, at = f"M0,{top + _HIGH}", 0
        for height, run in groupby(round(_HIGH * column[place] / highest) for column in columns):
            at += len(list(run))
            path += f"V{top + _HIGH - height}H{at * step:.0f}"
        drawn.append(f"<path fill='#{_COLOURS[place % len(_COLOURS)]}' d='{path}V{top + _HIGH}z'/>")
    texts = [(0, top + _HIGH + 12, f"-{hours} h", ""), (_WIDTH - 22, top + _HIGH + 12, "now", "")]
    texts += [(_WIDTH // 2 - 12, top + _HIGH + 12, f"-{hours // 2} h", ""), (0, 11, str(highest), ""), *names]
    words = "".join(f"<text x='{x}' y='{y}'{colour}>{word}</text>" for x, y, word, colour in texts)
    height = top + _HIGH + 16
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{height}' font-size='11'>"
        f"<path fill='#fff' d='M0,0H{_WIDTH}V{height}H0z'/>{''.join(drawn)}{words}</svg>"
    )


def _legend(names: Sequence[str]) -> tuple[list[tuple[int, int, str, str]], int]:
    """Return the names of series as texts of their colors, in as many lines as they need, and the height of all."""
    texts, x, y = [], _LEGEND, 11
    for i, name in enumerate(names):
        if x > _LEGEND and x + _CHARACTER * len(name) > _WIDTH:
            x, y = _LEGEND, y + 13
        texts.append((x, y, name, f" fill='#{_COLOURS[i % len(_COLOURS)]}'"))
        x += _CHARACTER * len(name) + 10
    return texts, y + 5
