"""Which satellite is built how."""

from __future__ import annotations

from collections.abc import Iterable

from skyrack.orchestrator.faults.atlas import Atlas
from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.problem import FaultProblem
from skyrack.orchestrator.faults.selectors import nodes_of
from skyrack.orchestrator.scenario.model.hardening import Design, Hardening


def designs_of(hardening: Hardening | None, atlas: Atlas, seed: int) -> dict[int, Design]:
    """Of every satellite; the last design that names it holds. Raises FaultProblem, Unknown."""
    usual: Design = hardening or Design()
    found = dict.fromkeys(range(atlas.n_sat), usual)
    for index, design in enumerate(hardening.designs if hardening else ()):
        for word in design.nodes:
            found |= dict.fromkeys(satellites(word, atlas, Lot(seed, "hardening", index, word)), design)
    return found


def satellites(word: str, atlas: Atlas, lot: Lot) -> Iterable[int]:
    """What a word names or draws. Raises FaultProblem, Unknown."""
    found = [node for node in nodes_of(word, atlas, lot) if node < atlas.n_sat]
    if not found:
        raise FaultProblem(f"{word[:80]}: no satellite is meant")
    return found
