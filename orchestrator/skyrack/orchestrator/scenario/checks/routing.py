"""The strategy of routing has the grid it needs."""

from collections.abc import Iterator

from ..model.shells import WalkerShell
from .finding import Draft, Finding


def check_routing(draft: Draft) -> Iterator[Finding]:
    """Yield what keeps `routing.strategy: static` from working: fibre, other lasers than the grid's, no designed grid."""
    if (
        draft.bad & {"routing", "links", "shells", "tle", "omm", "fibre"}
        or draft.scenario.routing.strategy != "static"
    ):
        return
    at, scenario = ("routing", "strategy"), draft.scenario
    if scenario.fibre:
        yield Finding(at, "static counts steps of the grid and knows no fibre", "ephemeris takes fibre")
    if scenario.links.pattern != "plus-grid":
        yield Finding(
            at, f"static needs pattern plus-grid, not {scenario.links.pattern}", "ephemeris takes any"
        )
    elif scenario.tle or scenario.omm or not all(isinstance(s, WalkerShell) for s in scenario.shells):
        yield Finding(
            at, "static needs planes and slots: walker shells only", "ephemeris takes any satellites"
        )
