"""The engine, the images and the running project that the tests of this directory share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from skyrack.orchestrator.cli.compose_starter import free_ports

from . import stand_ins
from .docker import Docker
from .engine import NoEngine, engine
from .plugins import with_compose
from .project import UP_S, Project

IMAGE = f"{stand_ins.PREFIX}/skyrack"
BUILD_S = 900.0
# Any free ports: a project of the user's own may have the usual ones. A range of them cannot be chosen by the engine.
ENVIRONMENT = {
    "SKYRACK_IMAGE": IMAGE,
    **dict.fromkeys(("SKYRACK_PORT", "MQTT_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT"), "0"),
    "ENTRY_PORTS": free_ports(23801, 3),
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
def built(equipped: tuple[Docker, int]) -> Project:
    """The committed project with its image built, not up."""
    docker, realtime_us = equipped
    # Half of it, so that two projects fit.
    share = {"FABRIC_REALTIME_US": str(realtime_us // 2)} if realtime_us else {}
    project = Project(docker, "skyrack-test", {**ENVIRONMENT, **share})
    project.compose("build", timeout_s=BUILD_S)
    return project


@pytest.fixture(scope="session")
def project(built: Project) -> Iterator[Project]:
    """The committed project, up. A test leaves it serving."""
    try:
        built.up()
        yield built
    finally:
        built.run("--profile", "*", "down", "--volumes", "--remove-orphans", timeout_s=UP_S)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say last, in a line of its own, that nothing was shown."""
    if _why_not:
        words = f"SKIPPED, NOT PASSED: docker compose was not tried: {_why_not}"
        config.get_terminal_writer().line(words, red=True, bold=True)
