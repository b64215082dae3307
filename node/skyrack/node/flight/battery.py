"""A battery: dE/dt = eta_c max(0, P_sun - P_load) - max(0, P_load - P_sun) / eta_d, 0 <= E <= E_max. Pure.

Constant power over a step is integrated exactly, a bound that is reached within the step included, so a step of a minute
gives what sixty of a second give.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """`charge_ratio`: what arrives of each joule put in; `discharge_ratio`: what comes out of each joule taken."""

    charge_ratio: float
    discharge_ratio: float


@dataclass(frozen=True)
class Step:
    """What became of the energy of a step: sun + drawn from the cell = load - unserved + put into the cell + spilled.

    `lost_j`: turned into heat by charging and discharging.
    """

    energy_j: float
    """In the battery afterwards."""
    spilled_j: float
    """Of the arrays', when it was full."""
    unserved_j: float
    """Of the load's, when it was empty."""
    lost_j: float


def step(cell: Cell, energy_j: float, most_j: float, sun_w: float, load_w: float, dt_s: float) -> Step:
    """After `dt_s` with these powers, from `energy_j` of at most `most_j`."""
    surplus_j = (sun_w - load_w) * dt_s
    if surplus_j >= 0.0:
        stored_j = max(0.0, min(cell.charge_ratio * surplus_j, most_j - energy_j))
        taken_j = stored_j / cell.charge_ratio
        return Step(energy_j + stored_j, surplus_j - taken_j, 0.0, taken_j - stored_j)
    drawn_j = min(-surplus_j / cell.discharge_ratio, energy_j)
    given_j = drawn_j * cell.discharge_ratio
    return Step(energy_j - drawn_j, 0.0, -surplus_j - given_j, drawn_j - given_j)
