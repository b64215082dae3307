"""The geometry of a scenario: positions, links and routes of every node at any instant of orbit time.

Everything is a pure function of the scenario and `t_s`, seconds of orbit time from the start: no history, so that a
restarted process computes the same. Caches only save time; one Geometry may be shared between threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyrack.orchestrator.environment.endurance import endurance_notes
from skyrack.orchestrator.environment.weather import Sky as StationSky
from skyrack.orchestrator.environment.weather import StationWeather
from skyrack.orchestrator.lifecycle.batches import batch_of
from skyrack.orchestrator.lifecycle.fleet import NO_FLEET, Fleet
from skyrack.orchestrator.orbit.constants import SECONDS_PER_DAY
from skyrack.orchestrator.orbit.constellation import Constellation, build_constellation
from skyrack.orchestrator.orbit.frames import gmst_rad, itrf_to_geodetic, rotate_z, teme_to_itrf
from skyrack.orchestrator.orbit.hermite import KnotRing
from skyrack.orchestrator.orbit.layout import unique_pairs
from skyrack.orchestrator.orbit.times import julian_date
from skyrack.orchestrator.routing.draining import drained
from skyrack.orchestrator.routing.strategies import STRATEGIES
from skyrack.orchestrator.routing.strategies.protocol import View
from skyrack.orchestrator.scenario.model.ground import GroundStation
from skyrack.orchestrator.scenario.model.scenario import Scenario
from skyrack.orchestrator.scenario.model.users import UserTerminal
from skyrack.orchestrator.topology.acquisition import Acquisitions, AcquisitionTimes, Sighted, acquire
from skyrack.orchestrator.topology.atlas import atlas_of
from skyrack.orchestrator.topology.delays import LinkDelays
from skyrack.orchestrator.topology.disturbance import Disturbance
from skyrack.orchestrator.topology.epoch import FIBRE, GROUND, LASER, Epoch
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures
from skyrack.orchestrator.topology.fibre import Fibres
from skyrack.orchestrator.topology.grid_clock import GridClock
from skyrack.orchestrator.topology.handover import HandoverRules, Piece, piece_at, pieces
from skyrack.orchestrator.topology.inhabited import inhabited_satellites
from skyrack.orchestrator.topology.latest import Latest
from skyrack.orchestrator.topology.nominal import NominalRates
from skyrack.orchestrator.topology.patterns import PATTERNS, Sky
from skyrack.orchestrator.topology.patterns.geo_relay import relay_pairs
from skyrack.orchestrator.topology.selection import Candidates, choose
from skyrack.orchestrator.topology.sight import GroundLimits, LaserLimits, States
from skyrack.orchestrator.topology.stations import Stations
from skyrack.orchestrator.topology.transit import forwarding
from skyrack.orchestrator.topology.windows import Window, cut, launched

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int32]
Kinds = NDArray[np.uint8]


# A satellite that has set stays away longer than this: the next pass is most of an orbit later, an hour and more.
_SHORTEST_ABSENCE_S = 600.0
# How far ahead a pass is followed to see how long it lasts: two quarters of an hour tell the lowest orbits' passes apart.
_LOOK_AHEAD_S = 1800.0


class Geometry:
    """Nodes are satellites 0..n_sat-1, then ground stations, user terminals and points of presence in scenario order.

    Those on the ground are numbered among themselves, too: `station` s is node n_sat + s.

    `fleet`: which satellites are launched when. Those that are not in service are where their orbits say and have neither
    lasers nor radios.

    Raises the errors of orbit/errors.py when the scenario's orbits cannot be computed, FaultProblem where its launches cannot.
    """

    def __init__(self, scenario: Scenario) -> None:
        links = scenario.links
        self.scenario = scenario
        self.constellation: Constellation = build_constellation(scenario)
        self.stations = Stations.of(scenario)
        self.start: datetime = self.constellation.start
        self.n_sat: int = len(self.constellation)
        self.names: tuple[str, ...] = self.constellation.names + self.stations.names
        self.n_nodes: int = len(self.names)
        self.kind: tuple[str, ...] = ("satellite",) * self.n_sat + self.stations.kind
        self.fibres = Fibres.of(scenario, self.stations)
        self.delays = LinkDelays(scenario, self.n_sat, self.fibres)
        self.rates = NominalRates(scenario, self.n_sat, self.fibres)
        self.through = forwarding(scenario.routing.ground_transit, self.kind, self.fibres, self.n_sat)
        self.grid_clock = GridClock.aligned(self.start, links.epoch_s, links.epoch_offset_s)
        self._index = {name: index for index, name in enumerate(self.names)}
        rate_deg_s = links.pointing_rate_max_deg_s
        self.laser_limits = LaserLimits(
            links.graze_altitude_km,
            links.laser_range_km,
            None if rate_deg_s is None else math.radians(rate_deg_s),
        )
        self._acquisition_times = AcquisitionTimes(
            links.acquisition_min_s, links.acquisition_max_s, scenario.seed, self.constellation.names
        )
        self._look_back = math.ceil(links.acquisition_max_s / links.epoch_s)
        self.ground_limits = GroundLimits(links.elevation_mask_deg, links.ground_range_km)
        self._station_limits = replace(self.ground_limits, elevation_mask_deg=self.stations.mask_deg)
        self._jd, self._fraction = julian_date(self.start)
        self._antennas: list[int | None] = [station.antennas or links.antennas for station in scenario.ground]
        self._antennas += [1] * len(scenario.users)
        self._selection = [links.selection] * len(scenario.ground)
        self._selection += [user.selection or links.selection for user in scenario.users]
        places: list[GroundStation | UserTerminal] = [*scenario.ground, *scenario.users]
        self.weather = StationWeather(scenario, places, self.stations.itrf_km[: self.stations.n_radio])
        self._knots = KnotRing(lambda t_s: self.constellation.teme_km(t_s)[0])
        still = [index for index, shell in enumerate(scenario.shells) if shell.kind == "geostationary"]
        self._still = np.isin(self.constellation.shell, still)
        self._chosen = Latest(self._choose)
        self._relayed = Latest(self._relay)
        self._sighted = Latest(self._build_sighted, size=self._look_back + 8)
        self._window = Latest(self._build_window)
        self._handover = HandoverRules.of(links, self._antennas)
        self._pieces = Latest(self._build_pieces)
        self.disturbance = Disturbance.of(links, self.grid_clock)
        self._visible_on_grid = Latest(self._visible_at_boundary)
        self._strategy = STRATEGIES[scenario.routing.strategy](scenario.routing)
        self._epoch = Latest(self._build_epoch)
        self.inhabited: Indices = self._resolve_inhabited()
        self.notes: tuple[str, ...] = (*self.constellation.notes, *self._endurance_notes())
        self.fleet, self._since_s = NO_FLEET, np.full(self.n_sat, -np.inf)
        if scenario.lifecycle is not None and scenario.lifecycle.launches:
            self.take(self._fleet_of(scenario))

    def _endurance_notes(self) -> Iterator[str]:
        """What its users should know of batteries."""
        satellites = self.inhabited[self.inhabited < self.n_sat]
        radii_km = np.linalg.norm(self.constellation.teme_km(0.0)[0][satellites], axis=1)
        return endurance_notes(self.scenario.power, radii_km.tolist())

    def take(self, fleet: Fleet) -> None:
        """From now on satellites are in service as this fleet says, from whole seconds of the grid on.

        What is different must begin after what anybody has been told of: not before the second boundary from then.
        """
        since_s = fleet.service_s(self.n_sat)
        known = np.isfinite(since_s)
        since_s[known] = [self._whole_second_s(at_s) for at_s in since_s[known].tolist()]
        self.fleet, self._since_s = fleet, since_s
        # From the ground up: what is made while this goes on is of what is new already, or forgotten after it.
        for cache in (
            self._chosen, self._relayed, self._sighted, self._visible_on_grid, self._window, self._pieces, self._epoch,
        ):  # fmt: skip
            cache.forget()

    def _whole_second_s(self, t_s: float) -> float:
        """The first instant from `t_s` on that is whole seconds after a boundary: where parts of a period begin."""
        boundary_s = self.grid_clock.boundary_s(self.grid_clock.number_at(t_s))
        return boundary_s + math.ceil(t_s - boundary_s - 1e-6)

    def _fleet_of(self, scenario: Scenario) -> Fleet:
        assert scenario.lifecycle is not None
        atlas, constellation = atlas_of(self), self.constellation
        shell_of, plane_of = constellation.shell.tolist(), constellation.plane.tolist()
        return Fleet.of(
            [
                batch_of(launch, scenario.shells, atlas, shell_of, plane_of, scenario.seed)
                for launch in scenario.lifecycle.launches
            ]
        )

    def in_service(self, t_s: float) -> Flags:
        """Which satellites (n_sat,) have their lasers and radios on at `t_s`."""
        return np.asarray(self._since_s <= t_s)

    def index_of(self, name: str) -> int:
        """The node called `name`; raises KeyError."""
        return self._index[name]

    # Positions

    def positions_km(self, t_s: float) -> Floats:
        """TEME positions (n_nodes, 3) at `t_s`: Hermite between SGP4 knots, within 1 mm of SGP4 in low orbits."""
        station_km = rotate_z(self.stations.itrf_km, self._gmst_rad(t_s))
        return np.concatenate([self._knots.positions_km(t_s), station_km])

    def positions_of_km(self, nodes: ArrayLike, t_s: ArrayLike) -> Floats:
        """TEME positions (m, k, 3) of nodes (k,) at instants (m,), by SGP4 itself: nothing is interpolated."""
        instants = np.atleast_1d(np.asarray(t_s, dtype=np.float64))
        wanted = np.atleast_1d(np.asarray(nodes, dtype=np.int64))
        positions = np.empty((len(instants), len(wanted), 3))
        for column, node in enumerate(wanted.tolist()):
            if node < self.n_sat:
                positions[:, column] = self.constellation.teme_of_km(node, instants)[0]
            else:
                positions[:, column] = rotate_z(
                    self.stations.itrf_km[node - self.n_sat], self._gmst_rad(instants)
                )
        return positions

    def itrf(self, node: int, t_s: ArrayLike) -> tuple[Floats, Floats]:
        """Earth-fixed position km and velocity km/s of a node, (3,) at one instant or (m, 3) at several; exact SGP4."""
        instants = np.atleast_1d(np.asarray(t_s, dtype=np.float64))
        if node < self.n_sat:
            position, velocity = self.constellation.teme_of_km(node, instants)
            fraction = self._fraction + instants / SECONDS_PER_DAY
            position, velocity = teme_to_itrf(position, velocity, self._jd, fraction)
        else:
            position = np.repeat(self.stations.itrf_km[np.newaxis, node - self.n_sat], len(instants), axis=0)
            velocity = np.zeros_like(position)
        return (position, velocity) if np.ndim(t_s) else (position[0], velocity[0])

    def velocities_km_s(self, t_s: float) -> Floats:
        """TEME velocities (n_sat, 3) of the satellites at `t_s`: the derivative of `positions_km`."""
        return self._knots.velocities_km_s(t_s)

    def itrf_of(self, vectors_teme: Floats, t_s: float) -> Floats:
        """Vectors (..., 3) in TEME at one instant, in the axes that turn with the Earth."""
        return rotate_z(vectors_teme, -self._gmst_rad(t_s))

    def satellites_itrf_km(self, t_s: float) -> Floats:
        """Earth-fixed positions (n_sat, 3) at one instant."""
        return self.itrf_of(self._knots.positions_km(t_s), t_s)

    def geodetic(self, t_s: float) -> tuple[Floats, Floats, Floats]:
        """Latitude and longitude in degrees and altitude in km (n_nodes,) over the WGS84 ellipsoid."""
        satellite_km = self.satellites_itrf_km(t_s)
        lat_deg, lon_deg, altitude_km = itrf_to_geodetic(satellite_km)
        return (
            np.concatenate([lat_deg, self.stations.lat_deg]),
            np.concatenate([lon_deg, self.stations.lon_deg]),
            np.concatenate([altitude_km, self.stations.altitude_km]),
        )

    def delay_s(self, a: ArrayLike, b: ArrayLike, t_s: float) -> Floats:
        """Delay (m,) of links between pairs of nodes at one instant: propagation, and what delays.py adds to it.

        The scenario's `zero_delay` and `extra_delay` are properties of the emulated link.
        """
        return self.delays.link_s(
            self.positions_km(t_s), np.asarray(a, dtype=np.intp), np.asarray(b, dtype=np.intp)
        )

    # Links and routes

    def links_at(self, t_s: float) -> tuple[Indices, Indices, Kinds]:
        """Links (a, b, kind) that could carry light at the very instant `t_s`, epochs aside; none that is acquiring."""
        window = self.window(t_s)
        pairs = window.pairs
        lit = self.laser_limits.able(self.states_at(t_s), pairs[:, 0], pairs[:, 1])
        begun = window.acquisitions
        acquiring = begun.pairs[(begun.start_s <= t_s) & (t_s < begun.ready_s)]
        if len(acquiring):
            lit &= ~np.isin(self._keys(*pairs.T), self._keys(*acquiring.T))
        station, satellite = self._visible_at(t_s)
        keys, own = self._keys(station, satellite), self._keys(window.station, window.satellite)
        kept = ~np.isin(keys, own[self.piece(t_s).waiting])
        if window.share is not None:  # stations have chosen, or weather has
            kept &= np.isin(keys, own)
        return self._links(pairs[lit], station[kept], satellite[kept])

    def epoch(self, t_s: float, failures: Failures = NO_FAILURES) -> Epoch:
        """Links and routes in force at `t_s`, without those that have failed.

        Epochs end at the UTC grid of `links.epoch_s`, at seconds where the set of lit lasers changes, and where links
        change hands. A ground link is in force over a whole period of the grid if it is in sight from the period's start
        to its end; handovers (handover.py) take from its beginning, or add to its end.
        """
        number = self.grid_clock.number_at(t_s)
        return self._epoch((number, self._pieces(number).index(self.piece(t_s)), failures))

    def piece(self, t_s: float) -> Piece:
        """What is lit, and what of it is not routed or not yet carrying, at `t_s`."""
        return piece_at(self._pieces(self.grid_clock.number_at(t_s)), t_s)

    def _build_pieces(self, number: int) -> tuple[Piece, ...]:
        return pieces(
            self._handover,
            self._window(number),
            lambda: self._window(number - 1),
            lambda: self._window(number + 1),
        )

    def acquisitions(self, t_s: float) -> Acquisitions:
        """The acquisitions that begin in, or are under way at the start of, the grid's period that holds `t_s`."""
        return self.window(t_s).acquisitions

    def _build_epoch(self, key: tuple[int, int, Failures]) -> Epoch:
        number, place, failures = key
        window, piece = self._window(number), self._pieces(number)[place]
        a, b, kind, share, routed = self._links_of(window, piece)
        if failures != NO_FAILURES:
            alive = failures.spare(a, b)
            a, b, kind = a[alive], b[alive], kind[alive]
            share = share[alive] if share is not None else None
            routed = routed[alive] if routed is not None else None
        no_hops = np.empty((0, self.n_nodes), dtype=np.int32)
        in_gap = bool(piece.waiting.any())
        links = Epoch(piece.t0_s, piece.t1_s, a, b, kind, self.inhabited, no_hops, share, routed, in_gap)
        drained = Failures(drained=failures.drained)  # what has failed is not among the links any more
        return self.drained(replace(links, next_hop=self._strategy(self.view(links, drained))), drained)

    def drained(self, epoch: Epoch, failures: Failures = NO_FAILURES) -> Epoch:
        """The epoch, whose next hops are over routed links, with hops for what is under way on others that are lit."""
        if epoch.routed is None:
            return epoch
        return drained(
            epoch,
            failures.spare(epoch.a, epoch.b),
            self.through,
            lambda: self._strategy(self.view(replace(epoch, routed=None), failures)),
        )

    def view(
        self,
        epoch: Epoch,
        failures: Failures = NO_FAILURES,
        load: Mapping[tuple[int, int], float] | None = None,
    ) -> View:
        """What routing knows over an epoch: its routed links without those that have failed, and the `load` of their ways.

        Delays are those of the instant at which the set of lit lasers last changed: where links only change hands nobody
        has a reason to choose anew. Links of drained nodes count as much longer.
        """
        spared = failures.spare(epoch.a, epoch.b) & (True if epoch.routed is None else epoch.routed)
        a, b, kind = epoch.a[spared], epoch.b[spared], epoch.kind[spared]
        t_s = self.window(epoch.t0_s).bounds_s[self.piece(epoch.t0_s).part]
        delay_s = self.delay_s(a, b, t_s) + failures.detour_s(a, b)
        used = np.zeros((len(a), 2))
        if load:
            ways = zip(a.tolist(), b.tolist(), strict=True)
            used = np.array([(load.get((i, j), 0.0), load.get((j, i), 0.0)) for i, j in ways]).reshape(-1, 2)
        grids = self.constellation.layouts
        n_sat, n_nodes, through, ends = self.n_sat, self.n_nodes, self.through, epoch.destinations
        return View(t_s, n_sat, n_nodes, through, a, b, kind, delay_s, used, grids, ends)

    def _links_of(
        self, window: Window, piece: Piece
    ) -> tuple[Indices, Indices, Kinds, Floats | None, Flags | None]:
        ground = piece.ground(window)
        lit = window.lit[piece.part]
        a, b, kind = self._links(window.pairs[lit], ground.station, ground.satellite)
        share = routed = None
        if ground.share is not None or (kind == FIBRE).any():
            share = np.ones((len(a), 2))
            share[kind == FIBRE] = self.rates.fibre_share[:, np.newaxis]
        if ground.share is not None and share is not None:  # of ground links, up and down; a is the satellite
            share[kind == GROUND] = ground.share[:, ::-1]
        if piece.leaving.any() or not ground.routed.all():
            routed = np.ones(len(a), dtype=np.bool_)
            routed[kind == LASER] = ~piece.leaving[lit]
            routed[kind == GROUND] = ground.routed
        return a, b, kind, share, routed

    def _links(self, lasers: Indices, station: Indices, satellite: Indices) -> tuple[Indices, Indices, Kinds]:
        n_sat, fibres = np.int32(self.n_sat), self.fibres
        a = np.concatenate([lasers[:, 0], satellite, fibres.a + n_sat])
        b = np.concatenate([lasers[:, 1], station + n_sat, fibres.b + n_sat])
        kind = np.repeat(
            np.array([LASER, GROUND, FIBRE], dtype=np.uint8), [len(lasers), len(station), len(fibres.a)]
        )
        return a, b, kind

    def window(self, t_s: float) -> Window:
        """The period of the grid that holds `t_s`: who points at whom, who is lit in which part of it."""
        return self._window(self.grid_clock.number_at(t_s))

    def in_force(self, a: int, b: int, t_s: float) -> tuple[bool, float, float]:
        """Whether the link of a pair (a < b) is in force at `t_s`, and the bounds of the part of the period that says so."""
        window = self.window(t_s)
        part = window.part_at(t_s)
        if a >= self.n_sat:
            joined = self.fibres.between(a - self.n_sat, b - self.n_sat) is not None
            return joined, window.bounds_s[0], window.bounds_s[-1]
        if b >= self.n_sat:
            piece = self.piece(t_s)
            return piece.holds(window, b - self.n_sat, a), piece.t0_s, piece.t1_s
        pairs = window.pairs[window.lit[part]]
        up = bool(((pairs[:, 0] == a) & (pairs[:, 1] == b)).any())
        return up, window.bounds_s[part], window.bounds_s[part + 1]

    def _build_window(self, number: int) -> Window:
        periods = [self._sighted(earlier) for earlier in range(number - self._look_back, number + 1)]
        carrying, begun = acquire(periods, self._acquisition_times)
        station, satellite, share = self._ground_links(number)
        return Window(carrying.pairs, carrying.bounds_s, carrying.able, station, satellite, begun, share)

    def _ground_links(self, number: int) -> tuple[Indices, Indices, Floats | None]:
        """(station, satellite) that stations have links to over a period, and which share of the rate (m, 2) up and down."""
        station, satellite = self.visible_throughout(number)
        limited = any(antennas is not None for antennas in self._antennas)
        if not len(station) or not (limited or self.rates.differ or not self.weather.clear):
            return station, satellite, None
        t0_s = self.grid_clock.boundary_s(number)
        elevation_deg = self.elevation_deg(station, satellite, t0_s)
        share = self.rates.up_down[station]
        if not self.weather.clear:
            share = share * self.weather.links(t0_s, station, elevation_deg).share
            through = share.min(axis=1) > 0.0
            station, satellite, share = station[through], satellite[through], share[through]
            elevation_deg = elevation_deg[through]
        if limited:
            antennas = np.array(
                [self.n_sat if one is None else one for one in self._antennas], dtype=np.int64
            )
            chosen = choose(
                Candidates(
                    station,
                    satellite,
                    elevation_deg,
                    antennas,
                    lambda: self._remaining_s(number, station, satellite),
                ),
                self._selection,
            )
            station, satellite, share = station[chosen], satellite[chosen], share[chosen]
        return station, satellite, share

    def station_sky(self, t_s: float) -> StationSky:
        """The weather of the grid's period that holds `t_s`: what came over each ground station at its start."""
        return self.weather.overhead(self.grid_clock.boundary_s(self.grid_clock.number_at(t_s)))

    def _keys(self, first: Indices, satellite: Indices) -> NDArray[np.int64]:
        """A number (m,) for each pair of a station or satellite with a satellite."""
        return first.astype(np.int64) * self.n_sat + satellite

    def _remaining_s(self, number: int, station: Indices, satellite: Indices) -> Floats:
        """How long each pair (m,) stays in sight from boundary `number` on, in whole periods, as far as is looked ahead."""
        keys = self._keys(station, satellite)
        remaining_s = np.zeros(len(keys))
        staying = np.ones(len(keys), dtype=np.bool_)
        for ahead in range(1, math.ceil(_LOOK_AHEAD_S / self.grid_clock.period_s) + 1):
            staying &= np.isin(keys, self._keys(*self._visible_on_grid(number + ahead)))
            if not staying.any():
                break
            remaining_s[staying] = ahead * self.grid_clock.period_s
        return remaining_s

    def elevation_deg(self, station: Indices, satellite: Indices, t_s: float) -> Floats:
        """Elevation (m,) of satellites over the ellipsoid's horizon at an instant."""
        angle = self._gmst_rad(t_s)
        up = rotate_z(self.stations.up_itrf, angle)[station]
        line = self._knots.positions_km(t_s)[satellite] - rotate_z(self.stations.itrf_km, angle)[station]
        height = np.einsum("ij,ij->i", up, line) / np.linalg.norm(line, axis=1)
        return np.asarray(np.degrees(np.arcsin(np.clip(height, -1.0, 1.0))), dtype=np.float64)

    def _build_sighted(self, number: int) -> Sighted:
        links = self.scenario.links
        pairs = self._chosen(_held(number, links.rechoose_s, links.epoch_s))
        if links.geo_relay is not None:
            relayed = self._relayed(_held(number, links.geo_relay.rechoose_s, links.epoch_s))
            pairs = unique_pairs(np.concatenate([pairs, relayed]))
        t0_s, t1_s = self.grid_clock.boundary_s(number), self.grid_clock.boundary_s(number + 1)
        return launched(cut(pairs, t0_s, t1_s, self.states_at, self.laser_limits), self._since_s)

    def _choose(self, number: int) -> Indices:
        return PATTERNS[self.scenario.links.pattern](self._sky(number))

    def _relay(self, number: int) -> Indices:
        relay = self.scenario.links.geo_relay
        assert relay is not None
        return relay_pairs(self._sky(number), relay.terminals_per_relay)

    def _sky(self, number: int) -> Sky:
        constellation = self.constellation
        t0_s = self.grid_clock.boundary_s(number)
        r_km = self._knots.positions_km(t0_s)
        if not (there := self.in_service(t0_s)).all():
            r_km = np.where(there[:, np.newaxis], r_km, np.nan)  # sees nobody
        return Sky(
            number,
            States(r_km, self._knots.velocities_km_s(t0_s)),
            constellation.grid_pairs,
            constellation.shell,
            constellation.plane,
            constellation.slot,
            self._still,
            self.laser_limits,
            self.scenario.links.lasers_per_satellite,
        )

    def states_at(self, t_s: float) -> States:
        r_km = self._knots.positions_km(t_s)
        turning = self.laser_limits.pointing_rad_s is not None
        return States(r_km, self._knots.velocities_km_s(t_s) if turning else np.zeros_like(r_km))

    def visible_throughout(self, number: int) -> tuple[Indices, Indices]:
        """(station, satellite) in sight from boundary `number` to the next.

        A pass rises and sets once, so both ends decide; over periods long enough for a satellite to set and rise again,
        instants in between are asked too.
        """
        t0_s, t1_s = self.grid_clock.boundary_s(number), self.grid_clock.boundary_s(number + 1)
        between_s = np.linspace(t0_s, t1_s, math.ceil((t1_s - t0_s) / _SHORTEST_ABSENCE_S) + 1)[1:-1]
        sights = [self._visible_on_grid(number), self._visible_on_grid(number + 1)]
        sights += [self._visible_at(float(t_s)) for t_s in between_s]
        keys = [self._keys(station, satellite) for station, satellite in sights]
        both = reduce(lambda a, b: np.intersect1d(a, b, assume_unique=True), keys)
        return (both // self.n_sat).astype(np.int32), (both % self.n_sat).astype(np.int32)

    def _visible_at_boundary(self, number: int) -> tuple[Indices, Indices]:
        return self._visible_at(self.grid_clock.boundary_s(number))

    def _visible_at(self, t_s: float) -> tuple[Indices, Indices]:
        angle, radio = self._gmst_rad(t_s), slice(self.stations.n_radio)
        station_km = rotate_z(self.stations.itrf_km[radio], angle)
        up = rotate_z(self.stations.up_itrf[radio], angle)
        station, satellite = self._station_limits.visible(station_km, up, self._knots.positions_km(t_s))
        there = self.in_service(t_s)[satellite]
        return (station, satellite) if there.all() else (station[there], satellite[there])

    def gateway_margins_km(self, satellite_itrf_km: Floats) -> Floats:
        """How far (g, m) inside the limits of each ground station Earth-fixed points (m, 3) are; negative out of sight."""
        gateways = slice(len(self.scenario.ground))
        limits = replace(self.ground_limits, elevation_mask_deg=self.stations.mask_deg[gateways])
        return limits.margins_km(
            self.stations.itrf_km[gateways], self.stations.up_itrf[gateways], satellite_itrf_km
        )

    def limits_of(self, station: int) -> GroundLimits:
        """When one station, which has an antenna, sees a satellite."""
        return replace(self.ground_limits, elevation_mask_deg=float(self.stations.mask_deg[station]))

    def _gmst_rad(self, t_s: ArrayLike) -> Floats:
        return gmst_rad(self._jd, self._fraction + np.asarray(t_s, dtype=np.float64) / SECONDS_PER_DAY)

    def _resolve_inhabited(self) -> Indices:
        lat_deg, lon_deg, _ = self.geodetic(0.0)
        satellites = inhabited_satellites(
            self.scenario.inhabited,
            self.constellation.names,
            self._knots.positions_km(0.0),
            lat_deg[: self.n_sat],
            lon_deg[: self.n_sat],
        )
        named = {name for service in self.scenario.services for name in service.named_nodes}
        wanted = [index for index, name in enumerate(self.constellation.names) if name in named]
        satellites = np.union1d(satellites, np.array(wanted, dtype=np.int32)).astype(np.int32)
        return np.concatenate([satellites, np.arange(self.n_sat, self.n_nodes, dtype=np.int32)])


def _held(number: int, hold_s: float | None, epoch_s: float) -> int:
    """The period in which the choice in force in period `number` was made, when choices stay for about `hold_s`."""
    every = 1 if hold_s is None else max(1, round(hold_s / epoch_s))
    return number - number % every
