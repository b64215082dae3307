"""Small SVG drawings: axes, bars, dots, lines. Text in, text out; colours are classes of the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH = 920


@dataclass
class Chart:
    """One drawing with a linear x and y axis. Ranges must not be empty; marks outside are clipped by the plot area."""

    title: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    x_label: str
    y_label: str
    height: int = 260
    x_format: Callable[[float], str] = "{:g}".format
    y_format: Callable[[float], str] = "{:g}".format
    marks: list[str] = field(default_factory=list)
    left: int = 64
    right: int = 16
    top: int = 14
    bottom: int = 42

    def x(self, value: float) -> float:
        """Pixels of an x value."""
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (WIDTH - self.left - self.right)

    def y(self, value: float) -> float:
        """Pixels of a y value."""
        low, high = self.y_range
        return (
            self.height - self.bottom - (value - low) / (high - low) * (self.height - self.top - self.bottom)
        )

    def dots(self, points: Sequence[tuple[float, float]], css: str, radius: float = 1.6) -> None:
        """Many small dots as one path, which keeps a report of thousands of operations small."""
        path = "".join(f"M{self.x(x):.1f} {self.y(y):.1f}h0" for x, y in points)
        if path:
            self.marks.append(f'<path class="dots {css}" stroke-width="{2 * radius:g}" d="{path}"/>')

    def bar(self, x0: float, x1: float, y0: float, y1: float, css: str, tip: str) -> None:
        """A filled box with a tooltip."""
        left, right = self.x(x0), self.x(x1)
        width = max(0.6, right - left - 0.6)
        top, bottom = self.y(y1), self.y(y0)
        self.marks.append(
            f'<rect class="{css}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{max(0.0, bottom - top):.1f}">'
            f"<title>{escape(tip)}</title></rect>"
        )

    def line(self, points: Sequence[tuple[float, float]], css: str) -> None:
        """A polyline."""
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self.marks.append(f'<polyline class="line {css}" points="{path}"/>')

    def vertical(self, x: float, css: str, label: str, tip: str, row: int = 0) -> None:
        """A full-height marker with a label at its top."""
        at = self.x(x)
        near_end = at > WIDTH - self.right - 60
        anchor, shift = ("end", -4) if near_end else ("start", 4)
        self.marks.append(
            f'<g class="{css}"><title>{escape(tip)}</title>'
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{self.top}" y2="{self.height - self.bottom}"/>'
            f'<text x="{at + shift:.1f}" y="{self.top + 10 + 13 * row}" text-anchor="{anchor}">{escape(label)}</text></g>'
        )

    def render(self) -> str:
        """The drawing as an <svg> element."""
        floor, ceiling = self.height - self.bottom, self.top
        parts = [
            f'<svg viewBox="0 0 {WIDTH} {self.height}" role="img" aria-label="{escape(self.title)}">',
            f'<clipPath id="{self._id}"><rect x="{self.left}" y="{ceiling}" '
            f'width="{WIDTH - self.left - self.right}" height="{floor - ceiling}"/></clipPath>',
        ]
        for value in ticks(*self.y_range, 5):
            y = self.y(value)
            parts.append(
                f'<line class="grid" x1="{self.left}" x2="{WIDTH - self.right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            )
            parts.append(
                f'<text class="tick" x="{self.left - 8}" y="{y + 4:.1f}" text-anchor="end">{self.y_format(value)}</text>'
            )
        for value in ticks(*self.x_range, 9):
            x = self.x(value)
            parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{floor}" y2="{floor + 4}"/>')
            parts.append(
                f'<text class="tick" x="{x:.1f}" y="{floor + 17}" text-anchor="middle">{self.x_format(value)}</text>'
            )
        parts.append(f'<g clip-path="url(#{self._id})">{"".join(self.marks)}</g>')
        parts.append(
            f'<line class="axis" x1="{self.left}" x2="{WIDTH - self.right}" y1="{floor}" y2="{floor}"/>'
        )
        middle = (self.left + WIDTH - self.right) / 2
        parts.append(
            f'<text class="label" x="{middle:.0f}" y="{self.height - 6}" text-anchor="middle">{escape(self.x_label)}</text>'
        )
        height = (floor + ceiling) / 2
        parts.append(
            f'<text class="label" x="14" y="{height:.0f}" text-anchor="middle" '
            f'transform="rotate(-90 14 {height:.0f})">{escape(self.y_label)}</text>'
        )
        parts.append("</svg>")
        return "".join(parts)

    @property
    def _id(self) -> str:
        return "clip-" + "".join(c if c.isalnum() else "-" for c in self.title.lower())


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` + 1 round values between `low` and `high`: steps of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]
