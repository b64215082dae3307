"""Verdict: a delay that is a straight line over each second is within 50 ns of the orbit from 450 km up, 65 ns at 350 km.

The fabric adds `delay_s + slope * dt` to a packet's time and asks for new numbers once a second. What the line misses
is h^2/8 of the delay's second derivative. The worst link is the same everywhere: a ground station and the satellite
that passes overhead at height H, where the second derivative is v^2 / (H c). The error grows with the square of the
segment: two seconds cost four times as much, and so does a run at twice the speed with segments of one real second.

Run: python docs/design/geometry_linear_segments.py
"""

from __future__ import annotations

import numpy as np

from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry

# Preset and its claim in ns.
CLAIMS_NS = {
    "starlink-v3": 65.0,
    "three-body": 50.0,
    "starlink-shell1": 50.0,
    "kuiper630": 50.0,
    "iridium": 50.0,
    "telesat-polar": 50.0,
    "viasat3": 50.0,
}
LENGTHS_S = (1.0, 2.0, 10.0)


def worst_ns(geometry: Geometry, length_s: float, sampled: int = 40) -> float:
    """Largest distance of a chord from the delay itself, over links in force at instants of one orbit."""
    worst_s = 0.0
    for t_s in np.linspace(0.0, 6000.0, sampled):
        epoch = geometry.epoch(float(t_s))
        if not len(epoch.a):
            continue
        start_s = geometry.delay_s(epoch.a, epoch.b, float(t_s))
        end_s = geometry.delay_s(epoch.a, epoch.b, float(t_s + length_s))
        for part in (0.25, 0.5, 0.75):
            exact_s = geometry.delay_s(epoch.a, epoch.b, float(t_s + part * length_s))
            line_s = start_s + (end_s - start_s) * part
            worst_s = max(worst_s, float(np.abs(exact_s - line_s).max()))
    return worst_s * 1e9


def main() -> None:
    print(f"{'worst error, ns':18}" + "".join(f"{length_s:>9.0f} s" for length_s in LENGTHS_S))
    for preset, claim_ns in CLAIMS_NS.items():
        geometry = Geometry(load_scenario(preset))
        errors_ns = [worst_ns(geometry, length_s) for length_s in LENGTHS_S]
        print(f"{preset:18}" + "".join(f"{error_ns:>11.2f}" for error_ns in errors_ns))
        assert errors_ns[0] <= claim_ns, f"{preset}: one-second segments are {errors_ns[0]:.1f} ns off"
    overhead_ns = 7.7**2 / 350.0 / 299_792.458 / 8.0 * 1e9
    print(f"verdict holds; an overhead pass at 350 km should be {overhead_ns:.0f} ns off")


if __name__ == "__main__":
    main()
