"""Quiet and noisy seconds, from the kernel's figures."""

import itertools
import os
import select
import subprocess
import time
from collections.abc import Iterator

import pytest

from skyrack.orchestrator.measure.host import QuietTimes, Window, summarise
from skyrack.orchestrator.measure.host_watch import HostWatch
from skyrack.orchestrator.measure.kernel import Reading, window
from skyrack.orchestrator.measure.stats import histogram_quantile, quantile

CALM = Window(0.0, 1.0, 0.0, 0.8, 1e-4, 3e-4, 1e-3, pressure_ratio=0.05, waits_ratio={"fabric": 0.001})


def changed(**values: object) -> Window:
    return Window(**{**{name: getattr(CALM, name) for name in CALM.__slots__}, **values})


def test_a_calm_second_is_quiet() -> None:
    assert CALM.noise() == {}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("steal", {"steal_ratio": 0.005}),
        ("no idle core", {"idle_ratio": 0.1}),
        ("late canary", {"canary_p99_s": 2e-3}),
        ("CPU pressure", {"pressure_ratio": 0.5}),
        ("fabric waited for a core", {"waits_ratio": {"fabric": 0.05}}),
    ],
)
def test_each_bound_makes_a_second_noisy(kind: str, values: dict[str, object]) -> None:
    assert list(changed(**values).noise()) == [kind]


def test_a_kernel_without_pressure_figures_is_judged_by_the_others() -> None:
    assert changed(pressure_ratio=None).quiet


def test_a_span_is_quiet_when_every_second_it_touches_is() -> None:
    quiet = QuietTimes([CALM, changed(start_s=2.0, end_s=3.0)])
    assert quiet.covers(0.1, 0.9)
    assert not quiet.covers(0.9, 1.1)
    assert not quiet.covers(1.2, 1.3)


def test_a_window_is_the_difference_of_two_readings() -> None:
    before = Reading(5.0, (100, 0, 50, 1000, 0, 0, 0, 7), 1_000_000, {"fabric": 0, "gone": 5})
    after = Reading(6.0, (150, 0, 60, 1138, 2, 0, 0, 9), 1_100_000, {"fabric": 20_000_000})
    found = window(before, after, [1e-4] * 98 + [2e-3, 5e-3])
    assert found.steal_ratio == pytest.approx(2 / 202)
    assert found.idle_ratio == pytest.approx(140 / 202)
    assert found.pressure_ratio == pytest.approx(0.1)
    assert found.waits_ratio == {"fabric": pytest.approx(0.02)}
    assert (found.canary_p50_s, found.canary_p99_s, found.canary_max_s) == (1e-4, 2e-3, 5e-3)


def test_a_summary_counts_seconds_by_kind_of_noise() -> None:
    found = summarise([CALM, changed(steal_ratio=0.01), changed(steal_ratio=0.01, idle_ratio=0.0)])
    assert (found.windows, found.quiet_windows) == (3, 1)
    assert found.noise == {"steal": 2, "no idle core": 1}


def test_quantiles_are_measured_values() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile(list(map(float, range(1, 101))), 0.99) == 99.0
    assert histogram_quantile([1.0, 2.0], [98, 1, 1], 0.99) == 2.0
    assert histogram_quantile([1.0], [0, 5], 0.5) == float("inf")
    assert histogram_quantile([1.0], [0, 0], 0.5) is None


def test_a_second_in_which_nobody_watched_the_fabric_is_not_quiet() -> None:
    assert list(changed(waits_ratio={"london": 0.0}).noise()) == ["fabric not watched"]


def schedstat_of(pid: int) -> int:
    return os.open(f"/proc/{pid}/schedstat", os.O_RDONLY)


def windows(watch: HostWatch) -> Iterator[Window]:
    """One after the other, however many have come at once."""
    while True:
        while not (lines := watch.child.read()):
            select.select([watch.child.descriptor], [], [], 5)
        yield from (Window(**line) for line in lines)


def test_the_host_process_tells_of_whole_run_seconds_and_ends_with_its_caller() -> None:
    with HostWatch(time.monotonic_ns()) as watch:
        watch.watch("fabric", schedstat_of(os.getpid()))
        told: list[Window] = []
        while len(told) < 2:
            select.select([watch.child.descriptor], [], [], 5)
            told += [Window(**line) for line in watch.child.read()]
        last = watch.windows()
    assert "fabric" in told[1].waits_ratio
    assert last, "the second that was running"
    told += last
    assert [window.start_s for window in told] == [int(told[0].start_s) + n for n in range(len(told))]
    assert [window.end_s for window in told] == [window.start_s + 1 for window in told]


def test_the_waits_of_two_processes_of_one_name_are_never_subtracted_from_each_other() -> None:
    ended = subprocess.Popen(["sleep", "1000"])
    with HostWatch(time.monotonic_ns()) as watch:
        told = windows(watch)

        def watched(expected: bool) -> None:
            """Wait for a second that has its wait, or has not."""
            assert any(("fabric" in one.waits_ratio) == expected for one in itertools.islice(told, 20))

        watch.watch("fabric", schedstat_of(ended.pid))
        watched(True)
        watch.watch("fabric", schedstat_of(os.getpid()))
        watched(False)
        watched(True)
        watch.watch("fabric", schedstat_of(ended.pid))
        ended.kill()
        ended.wait()
        watched(False)
