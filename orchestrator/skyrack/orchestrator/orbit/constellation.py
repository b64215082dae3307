"""All satellites of a scenario: names, places in the grid, and exact positions at any instant.

scenario.shells ----> shells.py ---------------------------+--> Constellation --> teme_km(t_s)
scenario.tle, omm --> element_sets.py --> inference.py ----+
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sgp4.api import Satrec, SatrecArray

from skyrack.orchestrator.orbit.constants import EARTH_RADIUS_KM, SECONDS_PER_DAY
from skyrack.orchestrator.orbit.element_sets import read_element_sets
from skyrack.orchestrator.orbit.elements import Element
from skyrack.orchestrator.orbit.errors import ElementsError
from skyrack.orchestrator.orbit.inference import infer_grid
from skyrack.orchestrator.orbit.layout import NO_PAIRS, Layout, unique_pairs
from skyrack.orchestrator.orbit.shells import shell_elements
from skyrack.orchestrator.orbit.times import as_utc, from_julian_date, iso_utc, julian_date
from skyrack.orchestrator.scenario.model.scenario import SHELL_START, Scenario
from skyrack.orchestrator.scenario.satellites import catalogue_names

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]

# Below this a satellite has minutes left, whatever SGP4 says.
_LOWEST_ALTITUDE_KM = 100.0
_STALE_DAYS = 3.0


@dataclass(frozen=True)
class Constellation:
    """Satellites in node order.

    `plane`, `slot` and `shell` (n,) are -1 where unknown; `grid_pairs` (m, 2) are the +Grid neighbours of all shells.
    `layouts` are the grids of the designed shells.
    `epoch_jd` (n,): the instants the elements refer to. `notes`: what a user should know, one line each.
    """

    start: datetime
    names: tuple[str, ...]
    shell: Indices
    plane: Indices
    slot: Indices
    grid_pairs: Indices
    layouts: tuple[Layout, ...]
    epoch_jd: Floats
    from_files: bool
    notes: tuple[str, ...]
    elements: tuple[Element, ...]
    array: SatrecArray

    def __len__(self) -> int:
        return len(self.names)

    def teme_km(self, t_s: float) -> tuple[Floats, Floats]:
        """Positions (n, 3) km and velocities (n, 3) km/s in TEME at `t_s` seconds from the start, by SGP4 (WGS72).

        A satellite whose orbit decays during the run is NaN from then on.
        """
        jd, fraction = julian_date(self.start)
        error, position, velocity = self.array.sgp4(
            np.array([jd]), np.array([fraction + t_s / SECONDS_PER_DAY])
        )
        position, velocity = position[:, 0], velocity[:, 0]
        if error.any():
            failed = error[:, 0] != 0
            position[failed] = velocity[failed] = np.nan
        return position, velocity

    def teme_of_km(self, satellite: int, t_s: Floats) -> tuple[Floats, Floats]:
        """Positions and velocities (m, 3) of one satellite at instants (m,), to the bit those of `teme_km`."""
        jd, fraction = julian_date(self.start)
        fractions = fraction + t_s / SECONDS_PER_DAY
        error, position, velocity = self.elements[satellite].satrec.sgp4_array(
            np.full(t_s.shape, jd), fractions
        )
        position[error != 0] = velocity[error != 0] = np.nan
        return position, velocity


def build_constellation(scenario: Scenario) -> Constellation:
    """Every satellite of the scenario that can be propagated at the start.

    Reads the scenario's TLE and OMM files. Raises ElementFileError and ElementsError.
    """
    read = [entry for path in (*scenario.tle, *scenario.omm) for entry in read_element_sets(path)]
    notes: list[str] = []
    start = _start(scenario, [satrec for _, satrec in read], notes)
    elements: list[Element] = []
    layouts: list[Layout] = []
    several = len(scenario.shells) > 1
    for number, shell in enumerate(scenario.shells):
        made = shell_elements(shell, shell.names(shell.prefix if several else ""), number, start)
        layouts.append(
            made.layout.kept(np.arange(len(made.elements), dtype=np.int32) + np.int32(len(elements)))
        )
        elements += made.elements
    designed = len(elements)
    names = catalogue_names(tuple(record for record, _ in read))
    elements += [Element(name, satrec) for name, (_, satrec) in zip(names, read, strict=True)]
    if not elements:
        raise ElementsError("the scenario has no satellites: give shells, tle or omm")
    r_km, v_km_s, flying = _states(elements, start)
    if not flying.any():
        raise ElementsError(
            f"all {len(elements)} satellites have decayed or cannot be computed at {iso_utc(start)}"
        )
    if not flying.all():
        lost = [element.name for element, ok in zip(elements, flying, strict=True) if not ok]
        notes.append(f"{len(lost)} left out, decayed or not computable at the start: {_some(lost)}")
        new_index = np.where(flying, np.cumsum(flying) - 1, -1).astype(np.int32)
        layouts = [layout.kept(new_index) for layout in layouts]
        elements = [element for element, ok in zip(elements, flying, strict=True) if ok]
        designed = int(flying[:designed].sum())
        r_km, v_km_s = r_km[flying], v_km_s[flying]
    pairs = [NO_PAIRS, *(layout.neighbours() for layout in layouts)]
    if len(elements) > designed:
        inferred = infer_grid(
            elements[designed:], r_km[designed:], v_km_s[designed:], first_shell=len(scenario.shells)
        )
        elements[designed:] = inferred.elements
        pairs.append(inferred.pairs + np.int32(designed))
        notes.append(inferred.note)
    return Constellation(
        start=start,
        names=tuple(element.name for element in elements),
        shell=np.array([element.shell for element in elements], dtype=np.int32),
        plane=np.array([element.plane for element in elements], dtype=np.int32),
        slot=np.array([element.slot for element in elements], dtype=np.int32),
        grid_pairs=unique_pairs(np.concatenate(pairs)),
        layouts=tuple(layouts),
        epoch_jd=np.array([e.satrec.jdsatepoch + e.satrec.jdsatepochF for e in elements]),
        from_files=bool(read),
        notes=tuple(notes),
        elements=tuple(elements),
        array=SatrecArray([element.satrec for element in elements]),
    )


def epoch_age_note(constellation: Constellation, now: datetime) -> str | None:
    """A line that says how old the elements from files are at `now`; None for designed shells and fresh elements."""
    if not constellation.from_files:
        return None
    jd, fraction = julian_date(now)
    age_days = jd + fraction - float(np.median(constellation.epoch_jd))
    if age_days < _STALE_DAYS:
        return None
    start = iso_utc(constellation.start)
    return f"elements are {age_days:,.0f} days old (median): the run shows the sky of {start}, not of today"


def _start(scenario: Scenario, read: Sequence[Satrec], notes: list[str]) -> datetime:
    epochs = np.array([satrec.jdsatepoch + satrec.jdsatepochF for satrec in read])
    if scenario.start is not None:
        start = as_utc(scenario.start)
    elif read:
        start = from_julian_date(float(np.median(epochs)), 0.0).replace(microsecond=0)
    else:
        start = SHELL_START
    if read:
        jd, fraction = julian_date(start)
        origin = "start" if scenario.start is not None else "start is the median epoch"
        notes.append(
            f"{origin} {iso_utc(start)}; the epochs of {len(read):,} element sets lie "
            f"{epochs.min() - jd - fraction:+.1f} to {epochs.max() - jd - fraction:+.1f} days from it"
        )
    return start


def _states(elements: Sequence[Element], start: datetime) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Positions and velocities (n, 3) at the start, and who is still flying (n,)."""
    jd, fraction = julian_date(start)
    array = SatrecArray([element.satrec for element in elements])
    error, position, velocity = array.sgp4(np.array([jd]), np.array([fraction]))
    altitude_km = np.linalg.norm(position[:, 0], axis=1) - EARTH_RADIUS_KM
    return position[:, 0], velocity[:, 0], (error[:, 0] == 0) & (altitude_km > _LOWEST_ALTITUDE_KM)


def _some(names: Sequence[str], most: int = 5) -> str:
    listed = ", ".join(names[:most])
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"
