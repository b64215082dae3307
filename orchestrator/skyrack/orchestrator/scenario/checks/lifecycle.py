"""Launches launch satellites that there are, each once."""

from collections.abc import Iterator, Sequence

from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.lifecycle import batches  # which imports scenarios

from ..model.shells import Shell
from .faults import atlas_of_draft, tried
from .finding import Draft, Finding, Path

_NEEDED = {"lifecycle", "shells", "tle", "omm", "ground", "users", "pops", "services"}


def check_lifecycle(draft: Draft) -> Iterator[Finding]:
    """Yield names taken twice, words that select no satellite, satellites of two launches, and drifts that cannot be."""
    lifecycle = None if draft.bad & _NEEDED else draft.scenario.lifecycle
    if lifecycle is None or draft.satellites is None:
        return
    atlas = atlas_of_draft(draft.scenario, list(draft.satellites))
    shell_of, plane_of = _grid(draft.scenario.shells, len(draft.satellites))
    seed, names = draft.scenario.seed, set[str]()
    owners: dict[int, str] = {}
    for index, launch in enumerate(lifecycle.launches):
        path: Path = ("lifecycle", "launches", index)
        if launch.name in names:
            yield Finding((*path, "name"), f"'{launch.name}' is already the name of another launch")
        elif launch.name.isdecimal():
            yield Finding(
                (*path, "name"), f"batch:{launch.name} has a meaning of its own", "begin with a letter"
            )
        names.add(launch.name)
        findings: list[Finding] = []
        for number, word in enumerate(launch.satellites):
            findings += tried(
                (*path, "satellites", number), lambda w=word: batches.select_satellites(w, atlas, Lot(0))
            )
        if not findings:
            findings += tried(
                path,
                lambda one=launch: batches.batch_of(
                    one, draft.scenario.shells, atlas, shell_of, plane_of, seed
                ),
            )
        yield from findings
        if findings:
            continue
        for number, word in enumerate(launch.satellites):
            nodes = batches.select_satellites(word, atlas, Lot(seed, "launch", launch.name))
            twice = next((node for node in nodes if owners.get(node, launch.name) != launch.name), None)
            if twice is not None:
                yield Finding(
                    (*path, "satellites", number),
                    f"{atlas.names[twice]} is launched by '{owners[twice]}' already",
                )
            owners |= {node: launch.name for node in nodes if node not in owners}


def _grid(shells: Sequence[Shell], n_sat: int) -> tuple[list[int], list[int]]:
    """Shell and plane of each satellite, in order; -1 for those of files."""
    shell_of, plane_of = [], []
    for number, shell in enumerate(shells):
        planes, slots = shell.grid
        shell_of += [number] * (planes * slots)
        plane_of += [plane for plane in range(planes) for _ in range(slots)]
    rest = [-1] * (n_sat - len(shell_of))
    return shell_of + rest, plane_of + rest
