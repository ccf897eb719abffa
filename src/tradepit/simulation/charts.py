"""Charts as SVG text: lines over time, small lines side by side, a table of shares in color.

Plain strings, so that a page of them is one file and nothing has to be installed to draw or see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10
from typing import Final, NamedTuple

COLORS: Final = ("#4269d0", "#ef8e3b", "#3ca951", "#c44e9d", "#9c6b4e", "#6cc5b0", "#97bbf5")
"""Told apart by people who see few colors, on light and on dark ground."""

WIDTH: Final = 900
HEIGHT: Final = 260
LEFT: Final = 64
RIGHT: Final = 24
TOP: Final = 14
BOTTOM: Final = 26
TICKS: Final = 5
MINUTE_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 240)
HOUR_TICKS: Final = 9
SMALL_WIDTH: Final = 210
SMALL_HEIGHT: Final = 84

Values = Sequence[float | None]


class Line(NamedTuple):
    """One line of a chart."""

    name: str
    values: Values
    color: str
    is_dashed: bool = False


class Span(NamedTuple):
    """A stretch of time that is marked."""

    start: float
    end: float
    text: str


class Scale(NamedTuple):
    """From values to places on the drawing."""

    low: float
    high: float
    start: float
    length: float

    def place(self, value: float) -> float:
        """Where a value is drawn."""
        return self.start + (value - self.low) / (self.high - self.low) * self.length


def round_ticks(low: float, high: float, count: int = TICKS) -> list[float]:
    """Round numbers across a range."""
    step = (high - low) / count
    power = 10.0 ** floor(log10(step))
    step = next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= step * 0.999)
    first = ceil(low / step - 1e-9)
    return [index * step for index in range(first, floor(high / step + 1e-9) + 1)]


def round_hours(low: float, high: float) -> list[float]:
    """Round times of day across a range of hours."""
    step = next((m for m in MINUTE_STEPS if (high - low) * 60 / m <= HOUR_TICKS), MINUTE_STEPS[-1])
    first = ceil(low * 60 / step - 1e-9)
    return [index * step / 60 for index in range(first, floor(high * 60 / step + 1e-9) + 1)]


def bounds(lines: Sequence[Line], *, with_zero: bool) -> tuple[float, float]:
    """Lowest and highest value, never the same."""
    values = [value for line in lines for value in line.values if value is not None]
    if with_zero or not values:
        values.append(0.0)
    low, high = min(values), max(values)
    room = (high - low) * 0.05 or abs(high) * 0.01 or 1.0
    return (low - room, high + room)


def line_chart(
    times: Sequence[float],
    lines: Sequence[Line],
    *,
    unit: str,
    label: str,
    spans: Sequence[Span] = (),
    with_zero: bool = True,
) -> str:
    """Lines over time, with axes and a legend.

    Args:
        times: hours of the day, ascending; each line has a value for each.
        label: what it shows, for people who cannot see it.
    """
    low, high = bounds(lines, with_zero=with_zero)
    across = Scale(times[0], max(times[-1], times[0] + 1e-6), LEFT, WIDTH - LEFT - RIGHT)
    up = Scale(low, high, HEIGHT - BOTTOM, -(HEIGHT - TOP - BOTTOM))
    parts = [_open(WIDTH, HEIGHT, label)]
    parts += [_span(span, across) for span in spans]
    for tick in round_ticks(low, high):
        y = up.place(tick)
        kind = "zero" if abs(tick) < (high - low) * 1e-9 else "grid"
        parts.append(
            f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>'
        )
    for hour in round_hours(across.low, across.high):
        x = across.place(hour)
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{clock(hour)}</text>'
        )
    parts += [_path(times, line, across, up) for line in lines]
    parts.append(f'<text x="{LEFT}" y="{TOP - 3}">{escape(unit)}</text></svg>')
    return legend(lines) + "".join(parts)


def small_chart(times: Sequence[float], lines: Sequence[Line], *, title: str) -> str:
    """Lines without axes, with the range written beside; to be put side by side."""
    low, high = bounds(lines, with_zero=False)
    across = Scale(times[0], max(times[-1], times[0] + 1e-6), 4, SMALL_WIDTH - 8)
    up = Scale(low, high, SMALL_HEIGHT - 6, -(SMALL_HEIGHT - 28))
    text = f'<text class="name" x="4" y="13">{escape(title)}</text>'
    extent = f"{number(low)} to {number(high)}"
    text += f'<text x="{SMALL_WIDTH - 4}" y="13" text-anchor="end">{extent}</text>'
    paths = "".join(_path(times, line, across, up) for line in lines)
    return f"{_open(SMALL_WIDTH, SMALL_HEIGHT, title)}{text}{paths}</svg>"


def heat_table(rows: Sequence[str], columns: Sequence[str], shares: Sequence[Values]) -> str:
    """A table of shares, darker for more; an empty field for none."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = []
    for name, values in zip(rows, shares, strict=True):
        cells = "".join(_heat_cell(value) for value in values)
        body.append(f"<tr><th>{escape(name)}</th>{cells}</tr>")
    return f'<table class="heat"><tr><th></th>{head}</tr>{"".join(body)}</table>'


def _heat_cell(share: float | None) -> str:
    if share is None:
        return "<td></td>"
    text = "white" if share > 0.55 else "inherit"
    return (
        f'<td style="background:rgba(66,105,208,{0.08 + 0.92 * share:.2f});color:{text}">'
        f"{share * 100:.0f}</td>"
    )


def legend(lines: Sequence[Line]) -> str:
    """Names of lines beside their colors."""
    items = []
    for line in lines:
        style = "dashed" if line.is_dashed else "solid"
        mark = f'<i style="border-top:3px {style} {line.color}"></i>'
        items.append(f"<span>{mark}{escape(line.name)}</span>")
    return f'<div class="legend">{"".join(items)}</div>'


def number(value: float) -> str:
    """A number as people read it."""
    if value == int(value) and abs(value) < 1e12:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:,.4g}"


def clock(hour: float) -> str:
    """Hours as a time of day."""
    minutes = round(hour * 60)
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _open(width: int, height: int, label: str) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'


def _span(span: Span, across: Scale) -> str:
    start = max(across.place(span.start), across.start)
    width = max(1.5, across.place(span.end) - start)
    return (
        f'<rect class="span" x="{start:.1f}" y="{TOP}" width="{width:.1f}" '
        f'height="{HEIGHT - TOP - BOTTOM}"><title>{escape(span.text)}</title></rect>'
    )


def _path(times: Sequence[float], line: Line, across: Scale, up: Scale) -> str:
    """A line, interrupted where it has no value."""
    commands, is_drawing = [], False
    for time, value in zip(times, line.values, strict=True):
        if value is None:
            is_drawing = False
            continue
        commands.append(
            f"{'L' if is_drawing else 'M'}{across.place(time):.1f} {up.place(value):.1f}"
        )
        is_drawing = True
    dash = ' stroke-dasharray="5 4"' if line.is_dashed else ""
    return f'<path d="{"".join(commands)}" stroke="{line.color}"{dash}/>'
