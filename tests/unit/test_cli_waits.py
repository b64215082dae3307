"""How long commands wait for services: as long as these may take to end, and some time beyond."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from skyrack.orchestrator.cli import drain, service
from skyrack.orchestrator.cli.exits import Problem
from skyrack.orchestrator.cli.find import LiveRun


class Ending:
    """A run whose service takes `lasts_s` to come to another phase, on a clock that only sleeping moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, verb: ModuleType, lasts_s: float, after: str) -> None:
        self.now_s = 0.0
        self._lasts_s = lasts_s
        self._after = after
        monkeypatch.setattr(verb, "time", SimpleNamespace(monotonic=lambda: self.now_s, sleep=self._sleep))

    def _sleep(self, delay_s: float) -> None:
        self.now_s += delay_s

    def ask(self, method: str, path: str) -> dict[str, Any]:
        """GET /v1/services."""
        phase = "stopping" if self.now_s < self._lasts_s else self._after
        row = {"service": "db", "node": "p0s00", "phase": phase, "reason": "", "in_service": True}
        return {"services": [row | {"stop_timeout_s": 100.0}]}


@pytest.mark.parametrize(("lasts_s", "in_time"), [(99.0, True), (1000.0, False)])
def test_a_drain_waits_for_who_has_long_to_stop_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, lasts_s: float, in_time: bool
) -> None:
    live = cast(LiveRun, Ending(monkeypatch, drain, lasts_s, "drained"))
    if in_time:
        assert drain._ended(live, ["p0s00"])[0]["phase"] == "drained"
        return
    with pytest.raises(Problem, match="db at p0s00 has not ended after 130 s: stopping"):
        drain._ended(live, ["p0s00"])


def test_a_restart_waits_for_who_has_long_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    live = cast(LiveRun, Ending(monkeypatch, service, 99.0, "ready"))
    assert service._settled(live, "db", ["p0s00"])[0]["phase"] == "ready"
