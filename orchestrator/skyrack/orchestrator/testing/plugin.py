"""The pytest plugin `skyrack`: fixtures that bring constellations up, and what a failed test says of them.

pytest imports this in every session of everybody who has skyrack installed: nothing is imported here that is not
there already.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from skyrack.orchestrator.testing.skyrack import Skyrack

DEFAULT_TIMEOUT_S = 120.0
_fixtures: pytest.StashKey[dict[str, Skyrack]] = pytest.StashKey()  # those that are set up, by name


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("skyrack", "constellations in tests")
    group.addoption(
        "--skyrack-keep",
        action="store_true",
        help="leave the constellations of a failed test up, and say how to look at them",
    )
    group.addoption(
        "--skyrack-skip",
        action="store_true",
        help="skip, and not fail, tests with constellations on a machine that cannot have any",
    )
    group.addoption(
        "--skyrack-timeout",
        metavar="SECONDS",
        type=float,
        help=f"how long a constellation may take until it serves (default {DEFAULT_TIMEOUT_S:g})",
    )
    parser.addini("skyrack_timeout", "how long a constellation may take until it serves, seconds", default="")


@pytest.fixture
def skyrack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Skyrack]:
    """Bring constellations up: `constellation = skyrack.up("scenario.yaml")`. Down after the test."""
    yield from _opened(request, "skyrack", tmp_path / "skyrack", request.path.parent)


@pytest.fixture(scope="module")
def skyrack_module(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Skyrack]:
    """As `skyrack`, for a fixture of module scope."""
    directory = tmp_path_factory.mktemp("skyrack")
    yield from _opened(request, "skyrack_module", directory, request.path.parent)


@pytest.fixture(scope="session")
def skyrack_session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Skyrack]:
    """As `skyrack`, for a fixture of session scope; files are looked for in pytest's root directory."""
    directory = tmp_path_factory.mktemp("skyrack")
    yield from _opened(request, "skyrack_session", directory, request.config.rootpath)


def _opened(request: pytest.FixtureRequest, name: str, directory: Path, look_in: Path) -> Iterator[Skyrack]:
    from skyrack.orchestrator.testing.skyrack import Skyrack

    config = request.config
    made = Skyrack(
        directory,
        look_in,
        worker=os.environ.get("PYTEST_XDIST_WORKER", "main"),
        timeout_s=_timeout_s(config),
        on_lacking=pytest.skip if config.getoption("--skyrack-skip") else None,
    )
    fixtures = config.stash.setdefault(_fixtures, {})
    fixtures[name] = made
    try:
        yield made
    finally:
        del fixtures[name]
        made.close()


def _timeout_s(config: pytest.Config) -> float:
    given: Any = config.getoption("--skyrack-timeout")
    text = given if given is not None else config.getini("skyrack_timeout") or DEFAULT_TIMEOUT_S
    try:
        return float(text)
    except ValueError:
        raise pytest.UsageError(f"skyrack_timeout: {text!r}, expected seconds") from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure what the test's constellations went through; keep them up where that is wanted."""
    report = yield
    if report.failed and call.when != "teardown":
        used = getattr(item, "fixturenames", ())
        for name, made in item.config.stash.get(_fixtures, {}).items():
            if name in used:
                if item.config.getoption("--skyrack-keep"):
                    made.keep()
                report.sections += made.story()
    return report
