"""What planned handovers of stations with few antennas cost, by how links change hands: through lasers, and through bent pipes
whose old satellite has no other way for what it gets than the link that is given up.
"""

from __future__ import annotations

import json

from skyrack.orchestrator.runtime.oracle import GUARD

from .command_run import command_run

SCENARIO = """\
version: 1
name: bench
extends: starlink-shell1
ground: [london, %s]
inhabited: {count: 1}
links: {%s}
"""
PARIS = "{name: paris, lat_deg: 48.86, lon_deg: 2.35}"
LASERS = ("new-york", "antennas: 1, selection: longest-remaining", "new-york", 0.005)
# Six antennas, so that some satellite joins both all the time; no laser reaches a kilometre.
BENT_PIPE = (PARIS, "antennas: 6, selection: longest-remaining, laser_range_km: 1", "paris", 0.001)
HOW = {
    "make-before-break": "handover: make-before-break",
    "no overlap": "handover: make-before-break, handover_overlap_s: 0",
    "break-before-make": "handover: break-before-make",
}
LOOK_S = 45.0


async def main() -> None:
    """starlink-shell1, stations with 1 and with 6 antennas: probes lost over planned handovers, by how links change hands."""
    print("  way         links                handovers   probes   lost   computed lost   not as computed")
    for name, (far, links, end, interval_s) in (("lasers", LASERS), ("bent pipe", BENT_PIPE)):
        for how, keys in HOW.items():
            print(
                f"  {name:9}   {how:17}   {await _row(far, f'{links}, {keys}', end, interval_s)}", flush=True
            )


async def _row(far: str, links: str, end: str, interval_s: float) -> str:
    """One line of the table."""
    async with command_run(SCENARIO % (far, links)) as run:
        await run.up()
        count = str(int(LOOK_S / interval_s))
        out = await run.skyrack(
            "ping", "london", end, "-c", count, "-i", f"{interval_s * 1e3:g}ms", "-o", "json"
        )
        probes = json.loads(out)["probes"]
        events = (run.runs / "latest" / "events.jsonl").read_text().splitlines()
    first_s, last_s = probes[0]["t_s"], probes[-1]["t_s"]
    moved = [e for line in events if (e := json.loads(line))["event"] == "handover"]
    handovers = sum(first_s < event["run_s"] < last_s for event in moved)
    lost = [probe["measured_ms"] is None for probe in probes]
    computed = [probe["reason"] not in (None, GUARD) for probe in probes]
    judged = [probe["reason"] != GUARD for probe in probes]
    unlike = sum(x != y for x, y, one in zip(lost, computed, judged, strict=True) if one)
    return f"{handovers:9}   {len(probes):6}   {sum(lost):4}   {sum(computed):13}   {unlike:15}"
