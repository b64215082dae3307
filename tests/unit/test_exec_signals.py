"""`skyrack exec` while its program starts: what a terminal sends then is the program's."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

# With one thread, as a command line: a process with others takes a signal in one of them that does not block it.
EXEC = """
import os, signal, sys
from skyrack.orchestrator.cli import run_in
from skyrack.v1 import namespaces

class Found:
    def status(self):
        return {"nodes": [], "mesh_dir": "/nowhere"}

def fork_and_be_told(pid):
    child = os.fork()
    if child:
        os.kill(os.getpid(), int(sys.argv[1]))
    return child

run_in.find_any = lambda _: Found()
run_in.require_serving = lambda *_: None
run_in.variables_of = lambda *_: {}
namespaces.pid_of_socket = lambda _: 1
namespaces.fork_into = fork_and_be_told
status = run_in.execute("london", ["sh", "-c", sys.argv[2]])
assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & run_in.PASSED_ON
sys.exit(status)
"""


@pytest.mark.parametrize(
    ("number", "script", "status"),
    [
        (signal.SIGINT, "exit 7", 7),  # a terminal has told the program as well
        (signal.SIGTERM, "exec sleep 60", 128 + signal.SIGTERM),  # passed on
    ],
)
def test_a_signal_between_the_fork_and_the_wait_ends_exec_and_not_its_program(
    number: signal.Signals, script: str, status: int
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", EXEC, str(int(number)), script], capture_output=True, text=True, check=False
    )
    assert ended.returncode == status, ended.stderr
