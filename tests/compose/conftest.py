"""The engine, the images and the running project that the tests of this directory share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import stand_ins
from .docker import Docker
from .engine import NoEngine, engine
from .plugins import with_compose
from .project import Project

IMAGE = f"{stand_ins.PREFIX}/skyrack"
BUILD_S = 600.0
# Any free ports: a project of the user's own may have the usual ones.
ENVIRONMENT = {
    "SKYRACK_IMAGE": IMAGE,
    **dict.fromkeys(("SKYRACK_PORT", "MQTT_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT"), "0"),
}

_why_not = ""


@pytest.fixture(scope="session")
def equipped() -> Iterator[tuple[Docker, int]]:
    """An engine with every image, and the microseconds per second it may give to real-time programs. Without one the tests
    are skipped, not passed."""
    global _why_not
    directory = Path(tempfile.mkdtemp(prefix="skyrack-compose-"))
    try:
        with engine(directory) as (bare, realtime_us):
            docker = with_compose(bare, directory)
            made = stand_ins.make(docker, directory)
            yield docker, realtime_us
            docker.run("image", "rm", "--force", IMAGE, *made)
    except NoEngine as error:
        _why_not = str(error)
        pytest.skip(f"docker compose was not tried: {error}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def docker(equipped: tuple[Docker, int]) -> Docker:
    """The command."""
    return equipped[0]


@pytest.fixture(scope="session")
def project(equipped: tuple[Docker, int]) -> Iterator[Project]:
    """The committed project, built and up. A test leaves it serving."""
    docker, realtime_us = equipped
    found = Project(docker, "skyrack-test", {**ENVIRONMENT, **_share_of(realtime_us)})
    try:
        found.compose("build", timeout_s=BUILD_S)
        found.up()
        yield found
    finally:
        found.run("--profile", "*", "down", "--volumes", "--remove-orphans", timeout_s=120)


def _share_of(realtime_us: int) -> dict[str, str]:
    """Half of it, so that two projects fit."""
    return {"FABRIC_REALTIME_US": str(realtime_us // 2)} if realtime_us else {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in a line of its own that nothing was shown."""
    if _why_not:
        terminalreporter.write_line(
            f"SKIPPED, NOT PASSED: docker compose was not tried: {_why_not}", red=True
        )
