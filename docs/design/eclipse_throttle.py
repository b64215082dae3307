"""Verdict: through an eclipse a busy program gets what flight software allows, by quota or by being stopped and continued.

The scenario is deploy/scenarios/eclipse.yaml: one satellite at sixty times the speed of the orbits, whose battery lasts for
two thirds of the shadow. Its service hashes without end and prints how many blocks it has done and how much CPU time it has
used. What is allowed and when it took effect is in the run's events; battery and temperature are the node's metrics. As a run
of processes of its own the quota is a control group's; in a container nobody has one, so the holder stops and continues.

To draw docs/images/eclipse_throttle.svg (on a machine with half a core to spare):
    skyrack up -d deploy/scenarios/eclipse.yaml
    python docs/design/eclipse_throttle.py record local.json
    skyrack down
    skyrack up -d deploy/scenarios/eclipse.yaml --runtime compose
    python docs/design/eclipse_throttle.py record compose.json
    skyrack down
    python docs/design/eclipse_throttle.py draw local.json compose.json
"""

from __future__ import annotations

import argparse
import json
import math
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from a_run import the_run
from prometheus_client.parser import text_string_to_metric_families

from skyrack.orchestrator.report.svg import WIDTH, Chart

IMAGE = Path(__file__).parents[1] / "images" / "eclipse_throttle.svg"
NODE, SERVICE = "p0s03", "hash"
BLOCK_MB = 65_536 / 1e6
SAMPLE_S = 0.5
LONGEST_S = 240.0
BEFORE_S = 8.0  # before the shadow, of what is shown
AFTER_S = 8.0  # it is recorded for so long after all is well again
SETTLED_S = 0.1  # after a change: what was printed across it belongs to neither side
LEAST_S = 0.2  # what a share is taken over
MOST_ABOVE = 0.03  # of a core: what it may get more than it is allowed, in the mean of a step
STYLE = (
    "svg{background:#fff;font:12px sans-serif}.grid{stroke:#ddd}.axis{stroke:#444}.tick,.label,.key{fill:#444}"
    ".dots{stroke-linecap:round;fill:none}.local{stroke:#1864ab}.compose{stroke:#e67700}.line{fill:none;stroke-width:1.5}"
    ".allowed{stroke:#c92a2a}.battery{stroke:#2b8a3e}.heat{stroke:#862e9c}.other{stroke-dasharray:4 3}"
    ".shadow{fill:#dee2e6}.safe{fill:#ffe3e3}"
    "text.local{fill:#1864ab;stroke:none}text.compose{fill:#e67700;stroke:none}text.allowed{fill:#c92a2a;stroke:none}"
    "text.battery{fill:#2b8a3e;stroke:none}text.heat{fill:#862e9c;stroke:none}"
)
Point = tuple[float, float]


def record(file: Path) -> None:
    """From now until an eclipse has passed and the satellite is as before it."""
    run = the_run()
    status = run.status()
    samples: list[dict[str, float]] = []
    seen_lit, seen_dark = False, False
    well_since_s, end_s = math.inf, time.monotonic() + LONGEST_S
    while time.monotonic() < min(end_s, well_since_s + AFTER_S):
        sample = _metrics(status["http"])
        seen_lit |= sample["in_w"] > 0.0
        seen_dark |= seen_lit and sample["in_w"] == 0.0
        if seen_lit:
            samples.append(sample)
        well = seen_dark and sample["in_w"] > 0.0 and sample["nominal"] == 1.0
        well_since_s = min(well_since_s, time.monotonic()) if well else math.inf
        time.sleep(SAMPLE_S)
    printed = [
        json.loads(line)["msg"] for line in run.skyrack("logs", NODE, SERVICE, "-n0", "--raw").splitlines()
    ]
    # By a command: the file of a run in containers is in one of them.
    events = [json.loads(line) for line in run.skyrack("logs", "events", "-n0", "--raw").splitlines()]
    kept = [event for event in events if event["event"].startswith("flight_")]
    found = {"speed": status["speed"], "samples": samples, "printed": printed, "events": kept}
    file.write_text(json.dumps(found))
    print(f"{len(samples)} samples, {len(printed)} lines, {len(kept)} events -> {file}")


def _metrics(http: str) -> dict[str, float]:
    names = {
        "skyrack_node_battery_ratio": "battery",
        "skyrack_node_temperature_celsius": "temperature_c",
        "skyrack_node_power_in_watts": "in_w",
        "skyrack_node_power_out_watts": "out_w",
        "skyrack_run_seconds": "run_s",
    }
    found: dict[str, float] = {}
    for page in ("/metrics/run", f"/nodes/{NODE}/metrics"):
        with urllib.request.urlopen(http + page, timeout=10) as answer:
            for family in text_string_to_metric_families(answer.read().decode()):
                for sample in family.samples:
                    if sample.name in names:
                        found[names[sample.name]] = sample.value
                    if sample.name == "skyrack_node_flight_mode" and sample.labels["mode"] == "nominal":
                        found["nominal"] = sample.value
    return found


@dataclass(frozen=True)
class Got:
    """What the program got between two lines of its own, in run seconds."""

    from_s: float
    to_s: float
    cores: float
    mb_per_s: float

    @property
    def at_s(self) -> float:
        return (self.from_s + self.to_s) / 2


@dataclass(frozen=True)
class Step:
    """What it was allowed, None for all it can have, and how that was kept to."""

    from_s: float
    to_s: float
    cores: float | None
    how: str


class Passage:
    """One recording. Times are run seconds."""

    def __init__(self, file: Path) -> None:
        data = json.loads(file.read_text())
        self.speed = float(data["speed"])
        self.samples: list[Mapping[str, float]] = data["samples"]
        self.modes = [(e["run_s"], e["mode"]) for e in data["events"] if e["event"] == "flight_mode"]
        dark = [one["run_s"] for one in self.samples if one["in_w"] == 0.0]
        self.dark = dark[0], dark[-1]
        self.begin_s, self.end_s = self.dark[0] - BEFORE_S, self.samples[-1]["run_s"]
        self.got = [g for g in _got(data["printed"], self.speed) if self.begin_s <= g.from_s < self.end_s]
        steps = _steps(data["events"], self.end_s)
        self.steps = [step for step in steps if step.to_s > self.begin_s and step.from_s < self.end_s]

    def safe(self) -> list[Point]:
        """When it was in safe mode."""
        changes = [*self.modes, (self.end_s, "")]
        return [
            (since_s, until_s)
            for (since_s, mode), (until_s, _) in pairwise(changes)
            if mode == "safe" and self.begin_s < since_s < self.end_s
        ]

    def minutes(self, run_s: float) -> float:
        """Orbit minutes since the shadow began."""
        return (run_s - self.dark[0]) * self.speed / 60.0

    def within(self, step: Step) -> list[Got]:
        """What it got while a step held."""
        return [g for g in self.got if g.from_s >= step.from_s + SETTLED_S and g.to_s <= step.to_s]


def _got(printed: list[str], speed: float) -> Iterator[Got]:
    rows = [tuple(map(float, line.split())) for line in printed]
    last = rows[0]
    for row in rows[1:]:
        if row[1] < last[1]:  # another process
            last = row
        took_s = (row[0] - last[0]) / speed
        if took_s >= LEAST_S:
            yield Got(
                last[0] / speed,
                row[0] / speed,
                (row[2] - last[2]) / took_s,
                BLOCK_MB * (row[1] - last[1]) / took_s,
            )
            last = row


def _steps(events: list[dict[str, Any]], end_s: float) -> Iterator[Step]:
    never = {"run_s": 0.0, "cpu_cores": None, "effect": []}
    steps = [never, *(event for event in events if event["event"] == "flight_throttle")]
    for event, after in pairwise([*steps, {"run_s": end_s}]):
        yield Step(event["run_s"], after["run_s"], event["cpu_cores"], " ".join(event["effect"]))


def judge(name: str, passage: Passage) -> None:
    """Print what it got of what it was allowed, step by step, and assert the verdict."""
    how = next(step.how for step in passage.steps if step.cores is not None)
    print(f"\n{name}: {how}")
    print("allowed  got, cores  MB/s of hashing  for, s")
    shares, limited_s = [], 0.0
    safe = passage.safe()
    for step in passage.steps:
        got = passage.within(step)
        seconds = sum(one.to_s - one.from_s for one in got)
        if any(since_s <= step.from_s < until_s for since_s, until_s in safe):
            assert seconds < SETTLED_S, "it ran in safe mode"
            continue
        if not seconds:
            continue
        cores = sum(one.cores * (one.to_s - one.from_s) for one in got) / seconds
        rate = sum(one.mb_per_s * (one.to_s - one.from_s) for one in got) / seconds
        print(
            f"{'all' if step.cores is None else f'{step.cores:g}':7}  {cores:10.3f}  {rate:15.0f}  {seconds:6.1f}"
        )
        if step.cores is not None:
            assert cores < step.cores + MOST_ABOVE, "the verdict is out of date"
            shares.append((cores / step.cores, seconds))
            limited_s += seconds
    mean = sum(share * seconds for share, seconds in shares) / limited_s
    print(
        f"it got {100 * mean:.0f} % of what it was allowed, over {limited_s:.0f} s; "
        f"in safe mode {sum(until_s - since_s for since_s, until_s in safe):.0f} s"
    )


def draw(local: Passage, compose: Passage) -> str:
    """Three panels over orbit minutes since the shadow began."""
    x_range = -BEFORE_S * local.speed / 60, max(one.minutes(one.end_s) for one in (local, compose))
    state = Chart("Battery and temperature", x_range, (0, 100), "", "%, degC")
    cores = Chart("Cores", x_range, (0, 0.3), "", "cores")
    rate = Chart("Throughput", x_range, (0, 1000), "orbit minutes since the shadow began", "MB/s hashed")
    rate.y_range = 0, 1.1 * max(g.mb_per_s for p in (local, compose) for g in p.got)
    for chart in (state, cores, rate):
        high = chart.y_range[1]
        chart.bar(0, local.minutes(local.dark[1]), 0, high, "shadow", "in the Earth's shadow")
        for since_s, until_s in local.safe():
            chart.bar(local.minutes(since_s), local.minutes(until_s), 0, high, "safe", "safe mode")
    for passage, style in ((local, ""), (compose, " other")):
        at = [(passage.minutes(one["run_s"]), one) for one in passage.samples]
        state.line([(x, 100 * one["battery"]) for x, one in at], f"battery{style}")
        state.line([(x, one["temperature_c"]) for x, one in at], f"heat{style}")
        cores.line([point for step in passage.steps for point in _edges(passage, step)], f"allowed{style}")
    for passage, name in ((local, "local"), (compose, "compose")):
        for chart, points in (
            (cores, [(passage.minutes(g.at_s), g.cores) for g in passage.got]),
            (rate, [(passage.minutes(g.at_s), g.mb_per_s) for g in passage.got]),
        ):
            chart.dots([point for point in points if x_range[0] < point[0] < x_range[1]], name, 1.8)
    _key(
        state,
        ("battery", "battery, %"),
        ("heat", "computer, degC"),
        ("key", "dashed: in a container; grey: shadow; red: safe mode"),
    )
    _key(cores, ("allowed", "allowed"), ("local", "used: processes"), ("compose", "used: container"))
    _key(rate, ("local", "processes"), ("compose", "container"))
    panels = "".join(
        chart.render().replace(
            "<svg ", f'<svg y="{number * chart.height}" width="{WIDTH}" height="{chart.height}" ', 1
        )
        for number, chart in enumerate((state, cores, rate))
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {3 * state.height}" role="img" '
    return (
        f'{head}aria-label="An eclipse, and what a busy service gets"><style>{STYLE}</style>{panels}</svg>\n'
    )


def _edges(passage: Passage, step: Step) -> list[Point]:
    none = any(since_s <= step.from_s < until_s for since_s, until_s in passage.safe())
    y = 0.0 if none else 9.0 if step.cores is None else step.cores
    return [(passage.minutes(step.from_s), y), (passage.minutes(step.to_s), y)]


def _key(chart: Chart, *entries: tuple[str, str]) -> None:
    for number, (css, text) in enumerate(entries):
        chart.marks.append(
            f'<text class="{css}" x="{chart.left + 8 + 150 * number}" y="{chart.top + 12}">{text}</text>'
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Record an eclipse, or draw two recordings.")
    parser.add_argument("what", choices=["record", "draw"])
    parser.add_argument("files", type=Path, nargs="+")
    given = parser.parse_args()
    if given.what == "record":
        record(given.files[0])
        return
    local, compose = map(Passage, given.files)
    judge("processes", local)
    judge("containers", compose)
    IMAGE.write_text(draw(local, compose))
    print(IMAGE.name)


if __name__ == "__main__":
    main()
