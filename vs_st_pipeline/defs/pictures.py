"""Small bar charts for an asset's page: SVG, as an image in markdown, which is the one way the UI shows a picture.

Written by hand, since a plotting library would be the largest thing installed here, for three charts. The background
is white whatever the UI's theme: an image knows nothing of the page around it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_WIDTH, _LEFT, _TOP, _BARS = 460, 34, 24, 96  # pixels; a row of legend stands above the bars, the labels below
COLOURS = ("#4f43dd", "#c23b22", "#e08e0b", "#2a7d4f", "#8a8fa3", "#12939a", "#b0408f")


def bars(says: str, labels: Sequence[str], series: Mapping[str, Sequence[int]]) -> str:
    """Stacked bars as markdown, one per label; `says` stands below it, and for whoever cannot see it.

    Args:
        labels: below the bars; an empty one leaves its place free.
        series: name -> one number per label. Where there is but one, its name is not told.
    """
    highest = max((sum(column) for column in zip(*series.values(), strict=True)), default=0)
    step = (_WIDTH - _LEFT - 6) / max(1, len(labels))
    drawn = [_text(_LEFT - 4, _TOP + 8, str(highest), "end"), _text(_LEFT - 4, _TOP + _BARS, "0", "end")]
    foot = [_TOP + _BARS] * len(labels)
    for place, (name, numbers) in enumerate(series.items()):
        colour, path = COLOURS[place % len(COLOURS)], []
        for i, number in enumerate(numbers):
            if number:
                height = max(1, round(_BARS * number / highest))
                foot[i] -= height
                x = f"{_LEFT + i * step + 1:.0f}"
                path.append(f"M{x} {foot[i]}h{max(1.0, step - 2):.0f}v{height}H{x}z")
        drawn.append(f'<path fill="{colour}" d="{"".join(path)}"/>')
        if len(series) > 1:
            at = _LEFT + place * 82
            drawn.append(f'<path fill="{colour}" d="M{at} 5h8v8h-8z"/>' + _text(at + 12, 13, name))
    for i, label in enumerate(labels):
        if label:
            drawn.append(_text(_LEFT + (i + 0.5) * step, _TOP + _BARS + 14, label, "middle"))
    height = _TOP + _BARS + 20
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="sans-serif" '
        f'font-size="10" fill="#333"><path fill="#fff" d="M0 0h{_WIDTH}v{height}H0z"/>'
        f'<path stroke="#999" d="M{_LEFT} {_TOP + _BARS + 0.5}H{_WIDTH}"/>{"".join(drawn)}</svg>'
    )
    return f"![{says}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})\n\n{says}"


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
