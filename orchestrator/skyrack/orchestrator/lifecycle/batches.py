"""Launches as a scenario has them, made into batches: which satellites, in which planes, with which passages."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Final

from skyrack.orchestrator.faults.atlas import Atlas
from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.problem import FaultProblem, Unknown
from skyrack.orchestrator.faults.selectors import nodes_of
from skyrack.orchestrator.lifecycle.batch import Batch, Losses, Plane
from skyrack.orchestrator.lifecycle.passage import Climb, Passage, Phase, commissioned, drifted
from skyrack.orchestrator.lifecycle.precession import relative_rate_deg_day
from skyrack.orchestrator.orbit.constants import EARTH_RADIUS_KM, SECONDS_PER_DAY, WGS72_MU_KM3_S2
from skyrack.orchestrator.scenario.model.lifecycle import Launch, Lifecycle
from skyrack.orchestrator.scenario.model.shells import Shell, WalkerShell

_LEAST_DRIFT_DEG_DAY: Final = 1e-3  # slower and a plane is a year away at least


def batch_of(
    launch: Launch,
    shells: Sequence[Shell],
    atlas: Atlas,
    shell_of: Sequence[int],
    plane_of: Sequence[int],
    seed: int,
) -> Batch:
    """`shell_of`, `plane_of`: of each satellite, -1 for none. Raises FaultProblem, Unknown."""
    lot = Lot(seed, "launch", launch.name)
    nodes = satellites_of(launch, atlas, lot)
    planes = [
        (int(shell_of[node]), int(plane_of[node]) if plane_of[node] >= 0 else int(node)) for node in nodes
    ]
    if launch.drift == "none":
        passages = commissioned(planes, launch.commissioning_s, launch.apart_s)
    else:
        passages = _drifted(launch, shells, planes)
    losses = None
    if launch.loss is not None:
        if launch.loss.count > len(nodes):
            raise FaultProblem(f"loss of {launch.loss.count} of {len(nodes)} satellites")
        losses = Losses(Phase(launch.loss.phase), tuple(lot.some(launch.loss.count, nodes)))
    return Batch(
        launch.name, tuple(nodes), tuple(planes), tuple(passages), launch.apart_s, launch.at_s, losses
    )


def launched_together(lifecycle: Lifecycle | None, atlas: Atlas, seed: int) -> dict[str, list[int]]:
    """The satellites of each launch, by its name; of those that can be had."""
    found: dict[str, list[int]] = {}
    for launch in lifecycle.launches if lifecycle is not None else ():
        with contextlib.suppress(FaultProblem, Unknown):
            found[launch.name] = satellites_of(launch, atlas, Lot(seed, "launch", launch.name))
    return found


def satellites_of(launch: Launch, atlas: Atlas, lot: Lot) -> list[int]:
    """In the order of its words, each once. Raises FaultProblem, Unknown."""
    words = launch.satellites
    return list(dict.fromkeys(node for word in words for node in select_satellites(word, atlas, lot)))


def select_satellites(word: str, atlas: Atlas, lot: Lot) -> list[int]:
    """What a word selects, nothing but satellites. Raises FaultProblem, Unknown."""
    nodes = nodes_of(word, atlas, lot)
    for node in nodes:
        if node >= atlas.n_sat:
            raise FaultProblem(f"{atlas.names[node]} is on the ground")
    return nodes


def _drifted(launch: Launch, shells: Sequence[Shell], planes: Sequence[Plane]) -> list[Passage]:
    numbers = {number for number, _ in planes}
    shell = shells[min(numbers)] if len(numbers) == 1 and 0 <= min(numbers) < len(shells) else None
    if not isinstance(shell, WalkerShell):
        raise FaultProblem("drift: nodal: expected satellites of one walker shell, whose planes are known")
    climb = Climb(
        launch.parking_altitude_km, altitude_km(shell), shell.inclination_deg, launch.raising_km_per_day
    )
    if climb.parking_km >= climb.altitude_km:
        raise FaultProblem(
            f"parking_altitude_km: {climb.parking_km:g} is not below the shell, at {climb.altitude_km:g} km"
        )
    rate_deg_day = relative_rate_deg_day(climb.parking_km, climb.altitude_km, climb.inclination_deg)
    if abs(rate_deg_day) < _LEAST_DRIFT_DEG_DAY:
        raise FaultProblem(
            f"drift: nodal: at {shell.inclination_deg:g} degrees a node drifts by less than {_LEAST_DRIFT_DEG_DAY:g} degrees a "
            "day against the shell's"
        )
    spread_deg = (360.0 if shell.walker == "delta" else 180.0) / shell.planes
    raan_deg = [shell.raan_offset_deg + plane * spread_deg for _, plane in planes]
    return drifted(raan_deg, climb, launch.commissioning_s, launch.apart_s)


def altitude_km(shell: WalkerShell) -> float:
    """Of a shell, by its mean motion where that is given."""
    if shell.altitude_km is not None:
        return shell.altitude_km
    assert shell.mean_motion_rev_per_day is not None
    turns_s = SECONDS_PER_DAY / shell.mean_motion_rev_per_day
    a_km: float = (WGS72_MU_KM3_S2 * (turns_s / (2.0 * math.pi)) ** 2) ** (1.0 / 3.0)
    return a_km - EARTH_RADIUS_KM
