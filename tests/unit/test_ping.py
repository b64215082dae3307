"""`skyrack ping` on a host that holds its prober up."""

from __future__ import annotations

from collections.abc import Iterator

from skyrack.orchestrator.cli.ping import until_sent
from skyrack.orchestrator.measure.prober import Outcome, Probe


def test_probes_that_were_skipped_are_sent_later_the_last_ones_too() -> None:
    asked: list[int] = []

    def run(wanted: int) -> Iterator[list[Probe]]:
        """The first two times, all but the newest are overdue."""
        asked.append(wanted)
        late = wanted if len(asked) < 3 else 1
        outcomes: list[Outcome] = [*["unsent"] * (late - 1), *["reply"] * (wanted - late + 1)]  # type: ignore[list-item]
        yield [Probe(0, "a", "b", 0.0, None, outcome) for outcome in outcomes]

    sent = [probe for probes in until_sent(run, 4) for probe in probes]
    assert asked == [4, 3, 2]
    assert [probe.outcome for probe in sent] == ["reply"] * 4
