"""The pattern has the lasers and the grid it needs, and a relay somebody to serve."""

from collections.abc import Iterator

from ..model.shells import ClusterShell, GeostationaryShell, WalkerShell
from .finding import Draft, Finding

_GRIDS = {"plus-grid": 4, "ring-diagonal": 4, "tri-grid": 3}


def check_lasers(draft: Draft) -> Iterator[Finding]:
    """Yield what keeps the pattern or the relay of `links` from working."""
    if draft.bad & {"links", "shells", "tle", "omm"}:
        return
    scenario, links = draft.scenario, draft.scenario.links
    files = bool(scenario.tle or scenario.omm)
    cluster = any(isinstance(shell, ClusterShell) for shell in scenario.shells)
    walkers = [shell for shell in scenario.shells if isinstance(shell, WalkerShell)]
    if links.pattern in ("ring-diagonal", "tri-grid") and (cluster or not (walkers or files)):
        which = "a cluster has none" if cluster else "there are none"
        yield Finding(
            ("links", "pattern"), f"{links.pattern} needs planes: {which}", "pattern: nearest needs none"
        )
    elif links.pattern in _GRIDS:
        several = files or cluster or any(shell.planes > 1 for shell in walkers)
        needed = (
            _GRIDS[links.pattern] if several else min(2, max((s.size for s in scenario.shells), default=1))
        )
        if links.lasers_per_satellite < needed:
            written = draft.data.get("links")
            said = (
                "lasers_per_satellite"
                if isinstance(written, dict) and "lasers_per_satellite" in written
                else "platform"
            )
            message = f"{links.pattern} points {needed} lasers, a satellite has {links.lasers_per_satellite}"
            fits = "tri-grid" if links.lasers_per_satellite == 3 and not cluster else "nearest"
            yield Finding(("links", said), message, f"pattern: {fits} does with {links.lasers_per_satellite}")
    if links.geo_relay is not None:
        still = [isinstance(shell, GeostationaryShell) for shell in scenario.shells]
        if not any(still):
            hint = "add a shell {kind: geostationary, name: geo, longitudes_deg: [0]}"
            yield Finding(("links", "geo_relay"), "no geostationary satellite to relay", hint)
        elif all(still) and not files:
            yield Finding(
                ("links", "geo_relay"), "no low satellite to relay for", "add a shell of walker satellites"
            )
