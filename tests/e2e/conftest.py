"""Fixtures of the end-to-end tests, which all need namespaces and /dev/net/tun."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from .place import Place, open_place, port

SOMEBODY = 54321  # a user id nobody has: no name, no home, no privilege
_DEVICES = [Path("/dev/net/tun"), Path("/dev/fuse")]
_modes: dict[Path, int] = {}


def pytest_sessionstart(session: pytest.Session) -> None:
    """Devices are everybody's while tests run, as on a desktop; the first process of them sees to it, not its workers."""
    if os.getuid() == 0 and not hasattr(session.config, "workerinput"):
        for device in filter(Path.exists, _DEVICES):
            _modes[device] = stat.S_IMODE(device.stat().st_mode)
            device.chmod(0o666)


def pytest_sessionfinish() -> None:
    """As they were."""
    while _modes:
        device, mode = _modes.popitem()
        device.chmod(mode)


@pytest.fixture
def place() -> Iterator[Place]:
    """A place of the user who runs the tests."""
    with open_place() as found:
        yield found


@pytest.fixture(scope="module")
def running() -> Iterator[Place]:
    """A place with the small run up, shared by tests that leave it as it is."""
    with open_place() as found:
        found.up("--port", port(18080))
        yield found


@pytest.fixture(scope="session")
def somebody() -> int:
    """An unprivileged user: the uid. The tests' own when they do not run as root; else a uid that nobody has."""
    return SOMEBODY if os.getuid() == 0 else os.getuid()


@pytest.fixture(params=["own", "unprivileged"])
def either(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A place of the user who runs the tests, and one of an unprivileged user."""
    if request.param == "own":
        with open_place() as found:
            yield found
        return
    uid = request.getfixturevalue("somebody")
    if uid == os.getuid():
        pytest.skip("the tests run unprivileged already")
    with open_place(uid) as found:
        yield found
