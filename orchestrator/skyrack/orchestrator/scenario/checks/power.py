"""What is warmed and cooled has a load."""

from collections.abc import Iterator

from .finding import Draft, Finding


def check_power(draft: Draft) -> Iterator[Finding]:
    """Yield heat without the power that makes it."""
    if not draft.bad & {"power", "thermal"} and draft.scenario.thermal and draft.scenario.power is None:
        message = "thermal needs power: what warms a computer is what it draws"
        yield Finding(("thermal",), message, "power: {} has the defaults")
