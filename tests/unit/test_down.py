"""`skyrack down` of runs that are not there yet, or stand still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from skyrack.orchestrator.cli.down import stop

# A run that has its name, and is one that commands find when it is told to.
RUN = """
import os, signal, socket, sys
from skyrack.orchestrator.runtime import paths
directory, lock = paths.claim("one")
print("claimed", flush=True)
if sys.stdin.readline() == "listen\\n":
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(directory, "api.sock"))
    listener.listen()
paths.write_record(paths.RunRecord("one", os.getpid(), "", ""))
print("recorded", flush=True)
signal.pause()
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    with tempfile.TemporaryDirectory(prefix="skyrack-", dir="/tmp") as directory:
        monkeypatch.setenv("SKYRACK_SOCKET_DIR", str(Path(directory, "s")))
        command = [sys.executable, "-c", RUN]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert said(process) == "claimed\n"
            yield process
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def record(process: subprocess.Popen[str], how: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{how}\n")
    process.stdin.flush()


def test_a_run_that_is_just_being_started_is_ended_once_it_can_be_found(run: subprocess.Popen[str]) -> None:
    stopping = threading.Thread(target=stop, args=("one",))
    stopping.start()
    record(run, "deaf")
    stopping.join()
    assert run.wait() == -signal.SIGTERM


def test_a_run_that_stands_still_is_killed_without_being_asked(
    run: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    record(run, "listen")
    assert said(run) == "recorded\n"
    run.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, run.pid, os.WSTOPPED | os.WNOWAIT)
    stop("one")
    assert run.wait() == -signal.SIGKILL
    assert capsys.readouterr().err == ""
