"""Tables of faults: what is to come is said to be, whatever its kind."""

from typing import Any

import pytest

from skyrack.orchestrator.cli.fault_show import print_faults


def fault(**changes: Any) -> dict[str, Any]:
    usual = {"id": "f1", "kind": "kill", "on": ["p3s07"], "since_s": 20.0, "until_s": 20.0, "acts": False}
    return {**usual, "cause": "scenario", "effects": [], "fabric": [], **changes}


def rows(capsys: pytest.CaptureFixture[str], *faults: dict[str, Any], **more: float) -> list[str]:
    print_faults(list(faults), **more)
    return capsys.readouterr().out.splitlines()[1:]


def test_a_kill_on_the_timetable_is_to_come_and_one_that_was_just_done_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A list has no kill but those to come; it looked as if they had been done."""
    (listed,) = rows(capsys, fault())
    assert "20.000 (to come)  at once" in listed
    now, later = rows(capsys, fault(), fault(since_s=30.0, until_s=30.0), entered_s=20.0)
    assert "20.000            at once" in now
    assert "30.000 (to come)  at once" in later


def test_what_acts_is_not_to_come_and_what_lasts_is_until_it_is_removed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    acts, comes = rows(
        capsys, fault(kind="dark", until_s=None, acts=True), fault(kind="dark", until_s=None), entered_s=20.0
    )
    assert "20.000            removed" in acts
    assert "20.000 (to come)  removed" in comes
