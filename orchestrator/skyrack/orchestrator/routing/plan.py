"""The plan: weather, shadows, contacts, handovers and route changes that are decided before anything runs.

One record per fact, as JSON-able dictionaries in order of time; one scenario gives the same bytes every time.

    plan      what the plan is for: name, start, duration_s, seed, nodes, notes
    weather   from t_s on the weather over a station leaves other shares of the rate, `up` and `down`, to a link at 40
              degrees of elevation, 0 where none closes; `attenuation_db` likewise, null under a cloud
    acquisition  two satellites begin to point lasers at each other at t_s and have light at ready_s, if they are
              still in sight then; until then there is no contact
    contact   a link in force from t0_s to t1_s (kind "laser", "ground" or "fibre"), cut off at the plan's ends
    handover  from t_s on a station sends what is for `destinations` to satellite `to` instead of `from`; where it had
              neither for links.handover_gap_s, from the end of the gap on
    eclipse   an inhabited satellite is in the Earth's shadow from t0_s to t1_s, cut off at the plan's ends
    anomaly   likewise over the South Atlantic Anomaly
    route     from t_s on packets between a station and an inhabited node take `path` (null: none), `delay_ms` one way
    fault     something breaks or befalls at t_s, which is `run_s` of a run at the scenario's speed: as a request for faults
              has it, with what was drawn for it
    launch    from t_s on `satellites` of a launch are in a phase; `lost` of them are lost as it begins

A contact is counted while the link is in force, in whole epochs, which is what a run uses: a satellite that rises
within an epoch is in contact from the next. It lasts while there is light: that of a station's old link to the end of the
overlap, that of a new one from the end of its gap.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.environment.eclipses import eclipses
from skyrack.orchestrator.environment.passes import Passes
from skyrack.orchestrator.environment.spells import Spells, spell_of
from skyrack.orchestrator.environment.stays import Stay
from skyrack.orchestrator.faults.atlas import Atlas
from skyrack.orchestrator.faults.fault import Draft, Planned
from skyrack.orchestrator.faults.gone import Gone, matters
from skyrack.orchestrator.faults.ledger import Ledger
from skyrack.orchestrator.faults.occurrence import Occurrence, occurrences_of
from skyrack.orchestrator.faults.plan import drafted, planned
from skyrack.orchestrator.faults.request import entry_of
from skyrack.orchestrator.orbit.times import iso_utc
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.topology.atlas import atlas_of
from skyrack.orchestrator.topology.epoch import GROUND, KIND_NAMES, Epoch
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.orchestrator.topology.sources import sources_of

Record = dict[str, Any]

_ORDER = {
    name: place
    for place, name in enumerate(
        (
            "plan",
            "weather",
            "eclipse",
            "anomaly",
            "acquisition",
            "contact",
            "handover",
            "route",
            "fault",
            "launch",
        )
    )
}


def plan_lines(geometry: Geometry, duration_s: float) -> Iterator[str]:
    """The plan as lines of JSON, without line ends."""
    for record in plan_records(geometry, duration_s):
        yield json.dumps(record, ensure_ascii=False, separators=(", ", ": "))


def plan_records(geometry: Geometry, duration_s: float) -> Iterator[Record]:
    """Every record of the first `duration_s` seconds of orbit time, sorted by time, kind and names.

    Raises FaultProblem where the scenario's faults cannot be had of its orbits.
    """
    yield _header(geometry, duration_s)
    contacts, routes, passes = _Contacts(geometry), _Routes(geometry), Passes(geometry)
    records: list[Record] = []
    t_s = 0.0
    while t_s < duration_s:
        epoch = geometry.epoch(t_s)
        records += contacts.advance(t_s, epoch)
        records += routes.advance(t_s, epoch)
        t_s = epoch.t1_s
    records += contacts.close(duration_s)
    records += _acquisitions(geometry, duration_s)
    records += _weather(geometry, duration_s)
    records += _stays(geometry, passes, duration_s)
    records += fault_records(geometry, duration_s)
    records += launch_records(geometry, duration_s)
    records += occurrence_records(geometry, passes, duration_s)
    yield from sorted(records, key=_sort_key)


def _sort_key(record: Mapping[str, Any]) -> tuple[float, int, str, str, str]:
    first = record.get("a") or record.get("station") or record.get("node") or record.get("from") or ""
    if record["record"] == "fault":
        return record["t_s"], _ORDER["fault"], "", "", ""  # in their own order
    if record["record"] == "launch":
        return record["t_s"], _ORDER["launch"], record["launch"], "", ""
    second = record.get("b") or record.get("to") or ""
    return (
        record.get("t0_s", record.get("t_s")),
        _ORDER[record["record"]],
        first,
        second,
        record.get("from") or "",
    )


def _header(geometry: Geometry, duration_s: float) -> Record:
    names = geometry.names
    return {
        "record": "plan",
        "version": 1,
        "name": geometry.scenario.name,
        "start": iso_utc(geometry.start),
        "duration_s": _seconds(duration_s),
        "seed": geometry.scenario.seed,
        "satellites": geometry.n_sat,
        "ground": list(names[geometry.n_sat :]),
        "inhabited": [names[node] for node in geometry.inhabited.tolist() if node < geometry.n_sat],
        "notes": list(geometry.notes),
    }


def _acquisitions(geometry: Geometry, duration_s: float) -> Iterator[Record]:
    """Those that begin before the plan's end; of earlier beginnings, those still under way at its start."""
    clock, names = geometry.grid_clock, geometry.names
    for number in range(clock.number_at(0.0), clock.number_at(duration_s) + 1):
        t0_s = clock.boundary_s(number)
        begun = geometry.acquisitions(max(t0_s, 0.0))
        for (a, b), start_s, ready_s in zip(
            begun.pairs.tolist(), begun.start_s.tolist(), begun.ready_s.tolist(), strict=True
        ):
            if start_s >= duration_s or ready_s <= 0.0 or (start_s < t0_s and number > clock.number_at(0.0)):
                continue
            yield {
                "record": "acquisition",
                "a": names[a],
                "b": names[b],
                "t_s": _seconds(start_s),
                "ready_s": _seconds(ready_s),
            }


def _weather(geometry: Geometry, duration_s: float) -> Iterator[Record]:
    """Shares at the plan's start, then those that a period of the grid begins with when they are others."""
    weather, clock = geometry.weather, geometry.grid_clock
    if weather.clear:
        return
    before: dict[str, list[float]] = {}
    for number in range(clock.number_at(0.0), clock.number_at(duration_s) + 1):
        t_s = max(clock.boundary_s(number), 0.0)
        if t_s >= duration_s:
            return
        sky = geometry.station_sky(t_s)
        shares, losses_db = np.round(sky.share, 4).tolist(), np.round(sky.attenuation_db, 3).tolist()
        for station, share, loss_db in zip(weather.stations, shares, losses_db, strict=True):
            if before.get(station) != share:
                before[station] = share
                yield {
                    "record": "weather",
                    "t_s": _seconds(t_s),
                    "station": station,
                    "share": dict(zip(("up", "down"), share, strict=True)),
                    "attenuation_db": {
                        way: db if math.isfinite(db) else None
                        for way, db in zip(("up", "down"), loss_db, strict=True)
                    },
                }


def _stays(geometry: Geometry, passes: Passes, duration_s: float) -> Iterator[Record]:
    """In the shadow and over the anomaly, of every inhabited satellite."""
    for node in geometry.inhabited[geometry.inhabited < geometry.n_sat].tolist():
        found = {
            "eclipse": eclipses(geometry, node, 0.0, duration_s),
            "anomaly": passes.of(node, 0.0, duration_s),
        }
        for record, stays in found.items():
            for t0_s, t1_s in stays:
                yield {
                    "record": record,
                    "node": geometry.names[node],
                    "t0_s": _seconds(max(t0_s, 0.0)),
                    "t1_s": _seconds(min(t1_s, duration_s)),
                }


def fault_records(geometry: Geometry, duration_s: float) -> list[Record]:
    """The faults that the scenario plans before `duration_s` of orbit time. Raises FaultProblem."""
    return [
        _fault(geometry, fault.at_s * geometry.scenario.speed, fault.draft)
        for fault in _planned(geometry, duration_s)
    ]


def occurrence_records(geometry: Geometry, passes: Passes, duration_s: float) -> list[Record]:
    """What befalls nodes before `duration_s` of orbit time, as long as the scenario's speed is kept. Raises FaultProblem."""
    speed = geometry.scenario.speed
    storms = [
        spell_of(fault.draft.effect, fault.at_s * speed, (fault.at_s + fault.draft.for_s) * speed)
        for fault in _planned(geometry, math.inf)
    ]
    spells = Spells(spell for spell in storms if spell is not None)
    atlas = atlas_of(geometry)
    decided = _decided(geometry, atlas, duration_s)
    gone: Mapping[int, Sequence[Stay]] = {}
    sources = sources_of(geometry, passes, lambda: spells, lambda: gone)
    while True:
        found = _befalling(geometry, atlas, occurrences_of(sources, 0.0, duration_s))
        known, gone = gone, _gone(speed, [*decided, *found], duration_s)
        if gone == known:  # who is lost is hit by nothing any more, so others may be lost than seemed
            return [_fault(geometry, t_s, draft) for t_s, draft in found]


def _befalling(
    geometry: Geometry, atlas: Atlas, occurrences: Iterable[Occurrence]
) -> list[tuple[float, Draft]]:
    """Occurrences as faults, each with the orbit time at which it begins."""
    scenario = geometry.scenario
    found = []
    for one in occurrences:
        draft, t_s = drafted(one, atlas, scenario.seed), max(one.t_s, 0.0)
        if one.for_t_s is not None:
            until_t_s = one.t_s + one.for_t_s
            draft = replace(draft, for_s=_seconds(until_t_s / scenario.speed - t_s / scenario.speed))
        found.append((t_s, draft))
    return found


def _decided(geometry: Geometry, atlas: Atlas, duration_s: float) -> list[tuple[float, Draft]]:
    """The timetable's faults and the satellites that launches lose, each with the orbit time at which it begins."""
    speed = geometry.scenario.speed
    found = [(fault.at_s * speed, fault.draft) for fault in _planned(geometry, duration_s)]
    for step in geometry.fleet.steps(-math.inf, duration_s):
        if step.lost:
            entry = {"kind": "lost", "nodes": [geometry.names[node] for node in step.lost]}
            found.append((max(step.t_s, 0.0), drafted(Occurrence(step.t_s, entry), atlas, 0)))
    return found


def _gone(
    speed: float, faults: Iterable[tuple[float, Draft]], duration_s: float
) -> Mapping[int, Sequence[Stay]]:
    """Who is lost or retired when, before `duration_s`, if all of these happen."""
    gone, ledger = Gone(), Ledger(lambda _: speed)
    for t_s, draft in faults:
        if matters(draft):
            ledger.add(draft, t_s / speed)
    while (t_s := ledger.next_s() * speed) < duration_s:
        ledger.step()
        gone.follow(ledger.begun, t_s)
    return gone.spans


def _planned(geometry: Geometry, duration_s: float) -> list[Planned]:
    scenario = geometry.scenario
    timetable = scenario.faults.timetable()
    if not timetable.schedule and not timetable.campaigns:
        return []
    faults = planned(timetable, atlas_of(geometry), scenario.seed)
    return [fault for fault in faults if fault.at_s * scenario.speed < duration_s]


def _fault(geometry: Geometry, t_s: float, draft: Draft) -> Record:
    return {
        "record": "fault",
        "t_s": _seconds(t_s),
        "run_s": _seconds(t_s / geometry.scenario.speed),
        **entry_of(draft),
    }


def launch_records(geometry: Geometry, duration_s: float) -> list[Record]:
    """What the scenario's launches do before `duration_s` of orbit time, from its start on."""
    names = geometry.names
    return [
        {
            "record": "launch",
            "t_s": _seconds(step.t_s),
            "launch": step.batch,
            "phase": step.phase.value,
            "satellites": [names[node] for node in step.nodes],
            **({"lost": [names[node] for node in step.lost]} if step.lost else {}),
        }
        for step in geometry.fleet.steps(math.nextafter(0.0, -1.0), duration_s)
        if step.t_s < duration_s
    ]


class _Contacts:
    """Links that are open, by key `a * n_nodes + b`, and since when."""

    def __init__(self, geometry: Geometry) -> None:
        self._names = geometry.names
        self._since: dict[int, tuple[float, int]] = {}
        self._keys: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def advance(self, t_s: float, epoch: Epoch) -> list[Record]:
        """Take the links of the epoch that begins at `t_s`; the contacts that end there."""
        keys = epoch.a.astype(np.int64) * len(self._names) + epoch.b
        ended = np.setdiff1d(self._keys, keys, assume_unique=True).tolist()
        for link in np.nonzero(~np.isin(keys, self._keys))[0].tolist():
            self._since[int(keys[link])] = (t_s, int(epoch.kind[link]))
        self._keys = keys
        return [self._record(key, t_s) for key in ended]

    def close(self, t_s: float) -> list[Record]:
        """The contacts still open at the plan's end."""
        return [self._record(key, t_s) for key in list(self._since)]

    def _record(self, key: int, t1_s: float) -> Record:
        t0_s, kind = self._since.pop(key)
        a, b = divmod(key, len(self._names))
        first, second = self._names[a], self._names[b]
        ends = (second, first) if kind == GROUND else (first, second)
        return {
            "record": "contact",
            "kind": KIND_NAMES[kind],
            "a": ends[0],
            "b": ends[1],
            "t0_s": _seconds(t0_s),
            "t1_s": _seconds(t1_s),
        }


class _Routes:
    """Paths in force between every station and every other inhabited node, each pair once."""

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        stations = range(geometry.n_sat, geometry.n_nodes)
        others = geometry.inhabited.tolist()
        self._pairs = [(a, b) for a in stations for b in others if b < geometry.n_sat or b > a]
        self._paths: dict[tuple[int, int], list[int] | None] | None = None
        self._settled: dict[tuple[int, int], list[int] | None] | None = (
            None  # when no station was between two links
        )

    def advance(self, t_s: float, epoch: Epoch) -> list[Record]:
        """Take the routes of the epoch that begins at `t_s`; the changes against the one before."""
        paths = {pair: path_of(epoch, *pair) for pair in self._pairs}
        before, self._paths = self._paths, paths
        changed = [pair for pair in self._pairs if before is None or before[pair] != paths[pair]]
        records = [self._route(t_s, pair, paths[pair]) for pair in changed]
        if epoch.in_gap:
            return records
        settled, self._settled = self._settled, paths
        return records if settled is None else records + self._handovers(t_s, settled, paths)

    def _route(self, t_s: float, pair: tuple[int, int], path: list[int] | None) -> Record:
        names = self._geometry.names
        delay_ms = None
        if path is not None:
            delay_ms = round(float(self._geometry.delay_s(path[:-1], path[1:], t_s).sum()) * 1e3, 6)
        return {
            "record": "route",
            "t_s": _seconds(t_s),
            "from": names[pair[0]],
            "to": names[pair[1]],
            "path": [names[node] for node in path] if path is not None else None,
            "delay_ms": delay_ms,
        }

    def _handovers(
        self,
        t_s: float,
        before: Mapping[tuple[int, int], list[int] | None],
        after: Mapping[tuple[int, int], list[int] | None],
    ) -> list[Record]:
        names = self._geometry.names
        moved: dict[tuple[str, str | None, str | None], set[str]] = defaultdict(set)
        for pair in self._pairs:
            for station, end, far in ((pair[0], 1, pair[1]), (pair[1], -2, pair[0])):
                if self._geometry.kind[station] not in ("ground", "user"):
                    continue
                old, new = before[pair], after[pair]
                here = names[old[end]] if old is not None else None
                there = names[new[end]] if new is not None else None
                if here != there:
                    moved[names[station], here, there].add(names[far])
        return [
            {
                "record": "handover",
                "t_s": _seconds(t_s),
                "station": station,
                "from": old,
                "to": new,
                "destinations": sorted(far),
            }
            for (station, old, new), far in moved.items()
        ]


def _seconds(t_s: float) -> float:
    """Microseconds are the resolution of `start`, so nothing finer means anything; no negative zero."""
    return round(t_s, 6) + 0.0
