"""Packet trains: the spacing of replies is the rate, and a train fits into the queue it waits in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.measure.train import LEAST_BYTES, MOST_BPS, dispersion_bps, shape


def test_a_packet_each_millisecond_is_twelve_megabits() -> None:
    arrivals = [(k, 1_000_000 * k) for k in range(20)]
    assert dispersion_bps(arrivals, 1500) == pytest.approx(12e6)


def test_lost_packets_leave_a_gap_and_not_a_wrong_rate() -> None:
    arrivals = [(k, 1_000_000 * k) for k in range(20) if k % 3]
    assert dispersion_bps(arrivals, 1500) == pytest.approx(12e6)


def test_a_single_reply_tells_nothing() -> None:
    assert dispersion_bps([(0, 5)], 1500) is None
    assert dispersion_bps([], 1500) is None


@given(st.floats(min_value=1e3, max_value=MOST_BPS))
def test_a_train_fits_into_half_the_queue_and_lasts_long_enough(rate_bps: float) -> None:
    queue_bytes = max(65_536, rate_bps / 80)
    found = shape(rate_bps, 1500, queue_bytes)
    assert found.packets * found.ip_bytes <= queue_bytes / 2
    assert LEAST_BYTES <= found.ip_bytes <= 1500
    assert (found.packets - 1) * found.ip_bytes * 8 / rate_bps >= 0.028
