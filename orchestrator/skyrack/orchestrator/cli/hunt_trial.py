"""One trial of a hunt: a run of its own, brought up, loaded, broken, judged, and taken down again.

A run of its own is the only reset that leaves nothing behind, in no system under test; it is also what moves the orbit.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from skyrack.orchestrator.hunt.outcome import Outcome, Verdict
from skyrack.orchestrator.hunt.schedule import Schedule
from skyrack.orchestrator.testing import Constellation, Skyrack, SkyrackError, slowest_recovery_s

UP_TIMEOUT_S = 180.0
AFTER_S = 120.0
"""How much longer than its span a load may take: until final reads are answered, and until it is judged."""
_TEXT_LINES = 6


class Trials:
    """Runs trials one after the other; what the newest recorded stays until the next."""

    def __init__(
        self,
        directory: Path,
        scenario_at: Callable[[int], Mapping[str, Any]],
        load: Sequence[str],
        *,
        timed: bool,
    ) -> None:
        """`scenario_at` gives the scenario begun so many seconds later. `load`: the words after `skyrack load`.

        `timed`: recoveries are what counts, so that the host has to have been quiet.
        """
        self._directory = directory
        self._scenario_at = scenario_at
        self._load = load
        self._timed = timed
        self.run_dir: Path | None = None
        """What the newest trial recorded; None before the first, and where none came up."""

    def run(self, schedule: Schedule) -> Outcome:
        """Run one. Ctrl-C takes the run down and is raised again."""
        began_s = time.monotonic()
        shutil.rmtree(self._directory, ignore_errors=True)
        self.run_dir = None
        skyrack = Skyrack(self._directory, Path.cwd(), worker="hunt", timeout_s=UP_TIMEOUT_S)
        try:
            constellation = skyrack.up(self._scenario_at(schedule.start_s))
            self.run_dir = constellation.run_dir
            result = self._loaded(constellation, schedule)
            skyrack.close()
        except SkyrackError as error:
            return Outcome("failed", time.monotonic() - began_s, text=str(error))
        finally:
            skyrack.close()
        return outcome_of(result, time.monotonic() - began_s, timed=self._timed)

    def clean(self) -> None:
        """Remove what the newest trial recorded and nobody kept."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _loaded(self, constellation: Constellation, schedule: Schedule) -> dict[str, Any]:
        return constellation.load(
            *self._load, "--for", f"{schedule.span_s}s", "--seed", str(schedule.seed),
            faults=schedule.words, timeout_s=schedule.span_s + AFTER_S,
        )  # fmt: skip


def outcome_of(result: Mapping[str, Any], spent_s: float, *, timed: bool) -> Outcome:
    """What a load's result means for a hunt.

    A promise that was broken was broken on a host that was too slow, too, so the history's own verdict counts; the load's does
    where times matter (`timed`), or where there is nothing but thresholds.
    """
    history: Mapping[str, Any] | None = result.get("history")
    checks = [] if history is None else history["checks"]
    bad = [check for check in checks if check["verdict"] == "bad"]
    thresholds = [check for check in result["checks"] if check["ok"] is False] if not bad else []
    verdict: Verdict
    names: list[str] = []
    if bad:
        verdict, names = "bad", [check["name"] for check in bad]
    elif result["verdict"] == "bad":
        verdict, names = "bad", [check["name"] for check in thresholds]
    elif timed or history is None:
        verdict = result["verdict"]
    else:
        verdict = history["verdict"]
    text = "\n".join(f"{check['name']}: {check['text']}" for check in bad) or "; ".join(names)
    ops = result["ops"]
    return Outcome(
        verdict,
        spent_s,
        tuple(names),
        "\n".join(text.splitlines()[:_TEXT_LINES]),
        None if history is None else slowest_recovery_s(result),
        ops["ok"],
        ops["fail"],
        ops["unknown"],
    )
