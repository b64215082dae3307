"""The counter, on a constellation that these tests bring up and take down."""

import pytest
from ask import add

from skyrack.orchestrator.testing import Constellation, Skyrack

SLACK_S = 0.1  # for the programs on both sides


@pytest.fixture(scope="module")
def sky(skyrack_module: Skyrack) -> Constellation:
    return skyrack_module.up("skyrack.yaml")


def ask(sky: Constellation, node: str, steps: int) -> tuple[int, float, float]:
    """Ask from London: the total, the time it took, and the round trip of the way, which may change: before or after."""
    before = sky.wait_until(lambda: sky.path("london", node), "a way")
    with sky.channel(node, via="london") as channel:
        total, took_s = add(channel, steps)
    return total, took_s, min(before.rtt_s, sky.path("london", node).rtt_s)


def wait_for_light(sky: Constellation, node: str) -> None:
    """Ask until a call takes no longer than its way: a busy machine makes some late, and none early."""

    def takes_no_longer() -> bool:
        _, took_s, rtt_s = ask(sky, node, 1)
        assert rtt_s <= took_s
        return took_s < rtt_s + SLACK_S

    sky.wait_until(takes_no_longer)


def test_a_call_takes_as_long_as_the_way_is(sky: Constellation) -> None:
    assert ask(sky, "p0s03", 2)[0] == 2
    wait_for_light(sky, "p0s03")


def test_it_answers_again_when_a_laser_on_the_way_is_lost(sky: Constellation) -> None:
    before = sky.path("london", "p3s07")
    mark = sky.mark()
    with sky.fault("down", link=before.links[-1]):
        sky.wait_for("convergence", after=mark)
        assert before.links[-1] not in sky.path("london", "p3s07").links
        wait_for_light(sky, "p3s07")


def test_it_goes_on_where_it_was_when_the_satellite_is_lost(sky: Constellation) -> None:
    total, _, _ = ask(sky, "p0s03", 1)
    mark = sky.kill("p0s03")
    sky.wait_for("service_ready", service="counter", node="p0s03", after=mark)
    assert ask(sky, "p0s03", 1)[0] == total + 1
