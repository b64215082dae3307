"""Background traffic has cities to go between."""

from collections.abc import Iterator

from .finding import Draft, Finding


def check_background(draft: Draft) -> Iterator[Finding]:
    """Yield what the gravity model lacks: two ground stations, and how many people each has around it."""
    if draft.bad & {"background", "ground"} or not draft.scenario.background.rate_bps:
        return
    ground = draft.scenario.ground
    if len(ground) < 2:
        message = (
            f"background traffic goes between ground stations: there {_are(len(ground))}, two are needed"
        )
        yield Finding(("background", "rate_bps"), message, "ground: [london, tokyo]")
    for index, station in enumerate(ground):
        if station.population is None:
            message = f"background traffic needs the population of '{station.name}'"
            yield Finding(("ground", index), message, "population: 1000000")


def _are(count: int) -> str:
    return "is one" if count == 1 else "are none"
