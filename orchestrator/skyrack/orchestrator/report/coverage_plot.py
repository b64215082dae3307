"""The picture of a coverage: share of time seen and satellites in view over latitude, as one SVG file."""

from __future__ import annotations

from html import escape

from skyrack.orchestrator.report.svg import WIDTH, Chart
from skyrack.orchestrator.topology.coverage import Coverage

_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}.title{font-size:14px;font-weight:600}"
    ".grid{stroke:#e4e4e4}.axis{stroke:#888}.line{fill:none;stroke-width:2}"
    ".mean{stroke:#1f6feb}.least{stroke:#b35900}.most{stroke:#6e7781;stroke-dasharray:4 3}"
)
_HEIGHT = 260


def coverage_svg(found: Coverage, title: str) -> str:
    """Three drawings below each other: share seen, satellites in view, longest outage."""
    rows = found.rows
    most = max(1, *(row.in_view_max for row in rows))
    longest_s = max(1.0, *(row.outage_max_s or 0.0 for row in rows))
    seen = Chart("share of time in view", (-90, 90), (0, 105), "latitude, degrees", "time in view, %")
    seen.line([(row.lat_deg, 100.0 * row.seen_ratio) for row in rows], "mean")
    view = Chart(
        "satellites in view", (-90, 90), (0, most * 1.05), "latitude, degrees", "satellites: max, mean, min"
    )
    view.line([(row.lat_deg, row.in_view_max) for row in rows], "most")
    view.line([(row.lat_deg, row.in_view_mean) for row in rows], "mean")
    view.line([(row.lat_deg, row.in_view_min) for row in rows], "least")
    gaps = Chart(
        "longest outage", (-90, 90), (0, longest_s / 60 * 1.05), "latitude, degrees", "longest outage, min"
    )
    gaps.line([(row.lat_deg, (row.outage_max_s or 0.0) / 60) for row in rows], "least")
    top = 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 3 * _HEIGHT}" width="{WIDTH}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{top + 3 * _HEIGHT}" fill="#fff"/>',
        f'<text class="title" x="64" y="20">{escape(title)}</text>',
    ]
    for number, chart in enumerate((seen, view, gaps)):
        inner = chart.render().replace(
            "<svg ", f'<svg y="{top + number * _HEIGHT}" width="{WIDTH}" height="{_HEIGHT}" ', 1
        )
        parts.append(inner)
    return "".join([*parts, "</svg>\n"])
