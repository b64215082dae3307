"""Fixtures of the end-to-end tests, which all need namespaces and /dev/net/tun."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from .place import Place, open_place

SOMEBODY = 54321  # a user id nobody has: no name, no home, no privilege
TUN = Path("/dev/net/tun")


@pytest.fixture
def place() -> Iterator[Place]:
    """A place of the user who runs the tests."""
    with open_place() as found:
        yield found


@pytest.fixture(scope="module")
def running() -> Iterator[Place]:
    """A place with the small run up, shared by tests that leave it as it is."""
    with open_place() as found:
        found.up("--port", 18080)
        yield found


@pytest.fixture(scope="session")
def somebody() -> Iterator[int]:
    """An unprivileged user: the uid. The tests' own when they do not run as root; else a uid that nobody has."""
    if os.getuid() != 0:
        yield os.getuid()
        return
    mode = stat.S_IMODE(TUN.stat().st_mode) if TUN.exists() else None
    if mode is not None:
        TUN.chmod(0o666)
    try:
        yield SOMEBODY
    finally:
        if mode is not None:
            TUN.chmod(mode)


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
