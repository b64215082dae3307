"""Ctrl-C in the midst of a start: what has been claimed is given back, and what has been started is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from skyrack.orchestrator.cli import up
from skyrack.orchestrator.cli.held_back import ENDING, HeldBack
from skyrack.orchestrator.cli.starter import interrupt


@pytest.fixture
def signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def tell_oneself(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def sockets() -> Iterator[Path]:
    """Short: the path of a Unix socket has 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="skyrack-", dir="/tmp") as directory:
        yield Path(directory, "s")


@pytest.fixture
def start(
    tmp_path: Path, sockets: Path, monkeypatch: pytest.MonkeyPatch, signals_as_before: None
) -> Callable[[], int]:
    """`skyrack up` of one satellite, which needs no device."""
    monkeypatch.setenv("SKYRACK_SOCKET_DIR", str(sockets))
    monkeypatch.setattr(up, "check_tun", lambda _: None)
    scenario = tmp_path / "one.yaml"
    scenario.write_text("extends: iridium\nname: one\ninhabited: {count: 1}\nground: []\n")
    return lambda: up.up(str(scenario), port=0, broker_port=0, entry_port=0, runs=tmp_path / "runs")


def test_between_the_claim_and_the_start_nothing_is_left(
    start: Callable[[], int], sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "step", tell_oneself)
    assert start() == 130
    assert not sockets.exists()


def test_a_process_that_is_being_started_is_ended(
    start: Callable[[], int], sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def start_and_be_told(_: object, **options: Any) -> subprocess.Popen[bytes]:
        started.append(real(["sleep", "1000"], **options))
        tell_oneself()
        return started[0]

    monkeypatch.setattr("skyrack.orchestrator.cli.starter.subprocess.Popen", start_and_be_told)
    assert start() == 130
    assert started[0].wait(60.0) == -signal.SIGTERM
    assert not sockets.exists()


@pytest.mark.usefixtures("signals_as_before")
def test_signals_wait_and_what_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, interrupt)
    held = HeldBack()
    held.hold()
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        held.let_go()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) is interrupt
