"""Draws iridium.svg, the picture in the README, from the geometry that runs use.

    .venv/bin/python docs/images/draw_iridium.py            writes docs/images/iridium.svg

Satellites, lasers, ground links, the path in force and its delays come from skyrack.orchestrator; nothing is placed
by hand but the eye. Land is Natural Earth's, see land.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from html import escape
from itertools import pairwise
from pathlib import Path

import numpy as np
from globe import EARTH_KM, Floats, View, path

from skyrack.orchestrator.orbit.constants import SPEED_OF_LIGHT_KM_S
from skyrack.orchestrator.orbit.frames import gmst_rad, rotate_z
from skyrack.orchestrator.orbit.sun import sun_direction
from skyrack.orchestrator.orbit.times import julian_date
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.epoch import GROUND
from skyrack.orchestrator.topology.geometry import Geometry

HERE = Path(__file__).parent
PRESET, FROM, TO = "iridium", "london", "tokyo"
T_S = 3000
WIDTH, HEIGHT = 1000, 620
VIEW = View(lat_deg=52, lon_deg=66, centre_px=(672, 310), radius_px=240)
LADDER_X, LADDER_TOP, RUNG = 56, 216, 64

STYLE = """
text{font:14px ui-sans-serif,system-ui,"Segoe UI","DejaVu Sans",sans-serif;fill:#dbe6f3}
.mono{font-family:ui-monospace,"SF Mono",Menlo,"DejaVu Sans Mono",monospace;font-size:13px}
.dim{fill:#8da2bf;font-size:13px}.big{font-size:21px;font-weight:600}.hot{fill:#ffc46b}
.on{font-size:12px;paint-order:stroke;stroke:#0a1120;stroke-width:3px;stroke-linejoin:round}
.laser{stroke:#63b3f5;stroke-width:1.1;fill:none;stroke-opacity:.55}.back{stroke-opacity:.16}
.down{stroke:#7fe3b0;stroke-width:1.2;stroke-dasharray:3 3;fill:none}
.way{stroke:#ff9f1c;stroke-width:3.2;fill:none;stroke-linecap:round;stroke-linejoin:round}
.flow{stroke:#fff3dc;stroke-width:3.2;fill:none;stroke-linecap:round;stroke-dasharray:.1 20.1}
@media (prefers-reduced-motion:no-preference){.flow{animation:f 1.1s linear infinite}}
@keyframes f{to{stroke-dashoffset:-20.2}}
.bare{fill:#9cc9f5}.home{fill:#fff;stroke:#63b3f5;stroke-width:2.2}.far{opacity:.3}
.hop{fill:#ffc46b;stroke:#0a1120;stroke-width:1.5}.station{fill:#7fe3b0;stroke:#0a1120;stroke-width:1.5}
"""


class Picture:
    """One instant of a constellation with one path in force."""

    def __init__(self) -> None:
        self.geometry = Geometry(load_scenario(PRESET))
        self.epoch = self.geometry.epoch(T_S)
        start, end = self.geometry.index_of(FROM), self.geometry.index_of(TO)
        way = path_of(self.epoch, start, end)
        assert way is not None, "the picture needs a path"
        self.way = way
        self.hop_s = self.geometry.delay_s(way[:-1], way[1:], T_S)
        itrf_km = np.array([self.geometry.itrf(node, T_S)[0] for node in range(self.geometry.n_nodes)])
        self.itrf_km = itrf_km
        self.page, self.height = VIEW.project(itrf_km)

    def svg(self) -> str:
        """The whole picture."""
        title = f"{PRESET}: {FROM} to {TO}, computed round trip {2e3 * self.hop_s.sum():.2f} ms"
        body = [*self._earth(), *self._links(), *self._way(), *self._nodes(), *self._panel(), *self._legend()]
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-label="{escape(title)}">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'
            f"{GRADIENTS}\n"
            f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="16" fill="#0a1120" stroke="#22314a"/>\n'
            + "\n".join(body)
            + "\n</svg>\n"
        )

    def _earth(self) -> Iterator[str]:
        """What is behind the Earth comes first, so that the disc covers it."""
        yield _stroke("laser back", "".join(self._half_lines(front=False)))
        for node in np.flatnonzero(self.height[: self.geometry.n_sat] < 0):
            yield _dot(self.page[node], 2, "bare far")
        (x, y), r = VIEW.centre_px, VIEW.radius_px
        yield f'<circle cx="{x}" cy="{y}" r="{r + 14}" fill="url(#air)"/>'
        yield f'<circle cx="{x}" cy="{y}" r="{r}" fill="url(#sea)"/>'
        rings = json.loads((HERE / "land.json").read_text())["lon_lat_deg"]
        yield f'<path d="{VIEW.land(rings)}" fill="#3c5b82"/>'
        yield f'<path d="{VIEW.graticule()}" fill="none" stroke="#fff" stroke-opacity=".1" stroke-width=".7"/>'
        yield f'<path d="{VIEW.night(self._sun())}" fill="#040813" fill-opacity=".42"/>'

    def _sun(self) -> Floats:
        jd, fraction = julian_date(self.geometry.start)
        fraction += T_S / 86400
        return rotate_z(sun_direction(jd, fraction), -gmst_rad(jd, fraction))

    def _half_lines(self, *, front: bool) -> Iterator[str]:
        """Lasers, cut where they pass the plane of the horizon, which is never over the disc."""
        for a, b, kind in zip(self.epoch.a, self.epoch.b, self.epoch.kind, strict=True):
            if kind == GROUND:
                continue
            ends = self.itrf_km[[a, b]]
            up = ends @ VIEW.towards
            if (up > 0).all() == (up <= 0).all():
                cross_km = ends[0] + (ends[1] - ends[0]) * up[0] / (up[0] - up[1])
                ends[1 if (up[0] > 0) == front else 0] = cross_km
            elif (up[0] > 0) != front:
                continue
            yield path(VIEW.project(ends)[0])

    def _links(self) -> Iterator[str]:
        yield _stroke("laser", "".join(self._half_lines(front=True)))
        used = {frozenset(hop) for hop in pairwise(self.way)}
        ground = [
            path(self.page[[a, b]])
            for a, b, kind in zip(self.epoch.a, self.epoch.b, self.epoch.kind, strict=True)
            if kind == GROUND and frozenset((int(a), int(b))) not in used and self.height[b] > 0
        ]
        yield _stroke("down", "".join(ground))

    def _way(self) -> Iterator[str]:
        yield _stroke("way", path(self.page[self.way]))
        yield _stroke("flow", path(self.page[self.way]))

    def _nodes(self) -> Iterator[str]:
        inhabited = set(self.geometry.inhabited.tolist())
        for node in np.argsort(self.height):
            if self.height[node] <= 0:
                continue
            kind = "home" if node in inhabited else "bare"
            if node >= self.geometry.n_sat:
                x, y = self.page[node]
                yield f'<rect class="station" x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10" rx="2"/>'
            elif node in self.way:
                yield _dot(self.page[node], 5.5, "hop")
            else:
                yield _dot(self.page[node], 4 if kind == "home" else 2.6, kind)
        shown = {*self.way, *range(self.geometry.n_sat, self.geometry.n_nodes)}
        for node in sorted(shown):
            yield self._label(node)

    def _label(self, node: int) -> str:
        """Beside its node, on the side away from the middle of the Earth."""
        x, y = self.page[node]
        left = x < VIEW.centre_px[0]
        place = (
            f'x="{x + (-9 if left else 9):.1f}" y="{y - 7:.1f}" text-anchor="{"end" if left else "start"}"'
        )
        return f'<text class="on" {place}>{escape(self.geometry.names[node])}</text>'

    def _panel(self) -> Iterator[str]:
        when = self.geometry.start + timedelta(seconds=T_S)
        lasers = int((self.epoch.kind != GROUND).sum())
        n_ground = self.geometry.n_nodes - self.geometry.n_sat
        yield _text(40, 62, PRESET, "big")
        yield _text(
            40, 88, f"{self.geometry.n_sat} satellites, {lasers} lasers, {n_ground} ground stations", "dim"
        )
        yield _text(40, 110, f"{when:%Y-%m-%d %H:%M:%S} UTC", "dim")
        yield _text(40, 158, f"{FROM.capitalize()} to {TO.capitalize()}, the path in force")
        yield _text(40, 179, "one-way delay and length of each hop", "dim")
        bottom = LADDER_TOP + RUNG * (len(self.way) - 1)
        yield _stroke("way", f"M{LADDER_X} {LADDER_TOP}V{bottom}")
        yield _stroke("flow", f"M{LADDER_X} {LADDER_TOP}V{bottom}")
        for i, node in enumerate(self.way):
            y = LADDER_TOP + RUNG * i
            if node < self.geometry.n_sat:
                yield _dot((LADDER_X, y), 5.5, "hop")
            else:
                yield f'<rect class="station" x="{LADDER_X - 5}" y="{y - 5}" width="10" height="10" rx="2"/>'
            yield _text(LADDER_X + 18, y + 5, self.geometry.names[node], "mono")
            if i < len(self.hop_s):
                length_km = self.hop_s[i] * SPEED_OF_LIGHT_KM_S
                text = f"{self.hop_s[i] * 1e3:.2f} ms   {length_km:,.0f} km"
                yield _text(LADDER_X + 98, y + RUNG / 2 + 5, text, "mono dim")
        rtt_ms = 2e3 * self.hop_s.sum()
        yield _text(40, bottom + 48, f"round trip {rtt_ms:.2f} ms, computed", "hot big")
        yield _text(40, bottom + 74, f"skyrack path {FROM} {TO} --at {T_S}", "mono dim")

    def _legend(self) -> Iterator[str]:
        y = HEIGHT - 26
        yield _dot((430, y), 4, "home") + _text(441, y + 4, "satellite with a process", "dim")
        yield _dot((606, y), 2.6, "bare") + _text(615, y + 4, "bare satellite", "dim")
        yield _stroke("laser", f"M722 {y}H744") + _text(751, y + 4, "laser", "dim")
        yield _stroke("down", f"M802 {y}H824") + _text(831, y + 4, "ground link", "dim")


GRADIENTS = """<defs>
<radialGradient id="sea" cx=".5" cy=".4" r=".62"><stop offset="0" stop-color="#1b3557"/>\
<stop offset="1" stop-color="#0f1f38"/></radialGradient>
<radialGradient id="air"><stop offset=".93" stop-color="#4d9be6" stop-opacity=".38"/>\
<stop offset="1" stop-color="#4d9be6" stop-opacity="0"/></radialGradient>
</defs>"""


def _dot(at: Floats | tuple[float, float], radius: float, kind: str) -> str:
    return f'<circle class="{kind}" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius}"/>'


def _stroke(kind: str, data: str) -> str:
    return f'<path class="{kind}" d="{data}"/>'


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" xml:space="preserve">{escape(text)}</text>'


if __name__ == "__main__":
    picture = HERE / f"{PRESET}.svg"
    picture.write_text(Picture().svg())
    print(f"{picture} ({picture.stat().st_size:,} bytes), Earth {EARTH_KM:g} km = {VIEW.radius_px:g} px")
