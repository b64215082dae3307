"""A disk of a service, mounted, is a file system like any other while nothing goes wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from skyrack.orchestrator.runtime.services.disks import DEVICE

pytestmark = [
    pytest.mark.together,
    pytest.mark.mesh,
    pytest.mark.skipif(not DEVICE.exists(), reason="there is no /dev/fuse here"),
]


@pytest.mark.parametrize("seed", [1, 2])
def test_random_operations_do_on_it_what_they_do_on_a_plain_directory(seed: int) -> None:
    isolated = [sys.executable, "-m", "skyrack.orchestrator.runtime.isolate", "--"]
    fsx = [sys.executable, str(Path(__file__).with_name("fsx.py")), str(seed), "1500"]
    ended = subprocess.run([*isolated, *fsx], capture_output=True, text=True, timeout=280)
    assert ended.stdout.endswith("same\n"), ended.stdout + ended.stderr
