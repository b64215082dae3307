"""The counter, on a constellation that these tests bring up and take down."""

import pytest
from ask import add

from skyrack.orchestrator.testing import Constellation, Skyrack

SLACK_S = 0.1  # for the programs on both sides, on a machine that is busy


@pytest.fixture(scope="module")
def sky(skyrack_module: Skyrack) -> Constellation:
    return skyrack_module.up("skyrack.yaml")


def test_a_call_takes_as_long_as_the_way_is(sky: Constellation) -> None:
    total, took_s = sky.call("london", add, "p0s03:50051", 2)
    assert total == 2
    assert sky.path("london", "p0s03").rtt_s <= took_s < sky.path("london", "p0s03").rtt_s + SLACK_S


def test_it_answers_again_when_a_laser_on_the_way_is_lost(sky: Constellation) -> None:
    before = sky.path("london", "p3s07")
    mark = sky.mark()
    with sky.fault("down", link=before.links[-1]):
        sky.wait_for("convergence", after=mark)
        _, took_s = sky.call("london", add, "p3s07:50051", 1)
        around = sky.path("london", "p3s07")
        assert before.rtt_s < around.rtt_s <= took_s < around.rtt_s + SLACK_S


def test_it_goes_on_where_it_was_when_the_satellite_is_lost(sky: Constellation) -> None:
    total, _ = sky.call("london", add, "p0s03:50051", 1)
    mark = sky.kill("p0s03")
    sky.wait_for("service_ready", service="counter", node="p0s03", after=mark)
    assert sky.call("london", add, "p0s03:50051", 1)[0] == total + 1
