"""`skyrack exec` while its program starts: what a terminal sends then is the program's."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from skyrack.orchestrator.cli import run_in
from skyrack.v1 import namespaces

STATUS: dict[str, object] = {"nodes": [], "mesh_dir": "/nowhere"}


class Found:
    """A run as `exec` sees it."""

    def status(self) -> dict[str, object]:
        return STATUS


@pytest.fixture
def signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in run_in.PASSED_ON}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "script", "status"),
    [
        (signal.SIGINT, "exit 7", 7),  # a terminal has told the program as well
        (signal.SIGTERM, "sleep 60", 128 + signal.SIGTERM),  # passed on
    ],
)
@pytest.mark.usefixtures("signals_as_before")
def test_a_signal_between_the_fork_and_the_wait_ends_exec_and_not_its_program(
    number: signal.Signals, script: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fork_and_be_told(pid: int) -> int:
        child = os.fork()
        if child:
            os.kill(os.getpid(), number)
        return child

    monkeypatch.setattr(run_in, "find_any", lambda _: Found())
    monkeypatch.setattr(run_in, "require_serving", lambda *_: None)
    monkeypatch.setattr(run_in, "variables_of", lambda *_: {})
    monkeypatch.setattr(namespaces, "pid_of_socket", lambda _: 1)
    monkeypatch.setattr(namespaces, "fork_into", fork_and_be_told)
    assert run_in.execute("london", ["sh", "-c", script]) == status
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & run_in.PASSED_ON
