"""What faults may know of a scenario's nodes: where those on the ground are, and which satellites were launched together."""

from collections.abc import Iterable, Sequence

from skyrack.orchestrator.faults.atlas import Ground

from .model.scenario import Scenario
from .model.shells import Shell


def on_ground(scenario: Scenario) -> list[Ground]:
    """Everything on the ground, in node order."""
    return [
        *(Ground("ground", s.lat_deg, s.lon_deg, s.country, s.region) for s in scenario.ground),
        *(Ground("user", user.lat_deg, user.lon_deg) for user in scenario.users),
        *(Ground("pop", pop.lat_deg, pop.lon_deg) for pop in scenario.pops),
    ]


def launches(shells: Iterable[tuple[Shell, Sequence[int]]]) -> list[Sequence[int]]:
    """The satellites of each launch, from each shell's satellites in order; the last of a shell may be smaller."""
    return [
        satellites[first : first + shell.launch_batch]
        for shell, satellites in shells
        for first in range(0, len(satellites), shell.launch_batch)
    ]


def shells_by_name(shells: Iterable[tuple[Shell, Sequence[int]]]) -> dict[str, Sequence[int]]:
    """The satellites of each shell that has a name."""
    return {shell.name: satellites for shell, satellites in shells if shell.name is not None}
