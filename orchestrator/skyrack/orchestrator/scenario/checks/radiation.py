"""Designs of computers are of satellites that there are."""

from collections.abc import Iterator

from skyrack.orchestrator.environment import designs  # which imports scenarios
from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.problem import FaultProblem, Unknown

from .faults import atlas_of_draft
from .finding import Draft, Finding

_NEEDED = {"hardening", "shells", "tle", "omm", "ground", "users", "pops"}


def check_radiation(draft: Draft) -> Iterator[Finding]:
    """Yield words that name no satellite."""
    if draft.bad & _NEEDED or draft.satellites is None or draft.scenario.hardening is None:
        return
    atlas = atlas_of_draft(draft.scenario, list(draft.satellites))
    for index, design in enumerate(draft.scenario.hardening.designs):
        for number, word in enumerate(design.nodes):
            try:
                designs.satellites(word, atlas, Lot(0))
            except (FaultProblem, Unknown) as problem:
                message, meant, near = str(problem).partition("did you mean ")
                path = ("hardening", "designs", index, "nodes", number)
                yield Finding(path, message.removesuffix(": "), meant + near or None)
