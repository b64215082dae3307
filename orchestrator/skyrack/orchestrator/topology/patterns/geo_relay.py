"""GEO relay, in addition to any pattern: low satellites also point one laser at a geostationary one in sight.

For that they have a terminal of their own beside `lasers_per_satellite`; a geostationary satellite has
`terminals_per_relay` of them. The nearest pairs come first: those stay in sight longest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.orbit.layout import NO_PAIRS
from skyrack.orchestrator.topology.patterns.pattern import Sky
from skyrack.orchestrator.topology.sight import RELAY_STEP_KM


def relay_pairs(sky: Sky, terminals_per_relay: int) -> NDArray[np.int32]:
    """Pairs (m, 2) of a low satellite and a geostationary one, sorted, lower index first."""
    radius_km = np.linalg.norm(sky.states.r_km, axis=1)
    relays = np.nonzero(sky.still & np.isfinite(radius_km))[0]
    if not len(relays):
        return NO_PAIRS
    low = np.nonzero(radius_km < radius_km[relays].min() - RELAY_STEP_KM)[0]
    user, relay = np.repeat(low, len(relays)), np.tile(relays, len(low))
    a_km, b_km = sky.states.r_km[user], sky.states.r_km[relay]
    seen = sky.limits.lit(a_km, b_km)
    user, relay, length_km = user[seen], relay[seen], np.linalg.norm(a_km - b_km, axis=1)[seen]
    free = dict.fromkeys(relays.tolist(), terminals_per_relay)
    served: set[int] = set()
    chosen = []
    for index in np.argsort(length_km, kind="stable").tolist():
        ends = int(user[index]), int(relay[index])
        if ends[0] not in served and free[ends[1]]:
            served.add(ends[0])
            free[ends[1]] -= 1
            chosen.append((min(ends), max(ends)))
    return np.array(sorted(chosen), dtype=np.int32).reshape(-1, 2)
