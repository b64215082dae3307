"""Helper processes that talk in lines."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from skyrack.orchestrator.measure.child import LineChild

LAST_WORDS = "import sys; print('{}', flush=True); sys.stdin.read(); print('x' * 3_000_000)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('{}', flush=True); signal.pause()"


@pytest.mark.parametrize(("code", "status"), [(LAST_WORDS, 0), (DEAF, -signal.SIGKILL)])
def test_a_child_that_is_closed_early_says_nothing_of_a_broken_pipe(
    code: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "speaker.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{':'.join(sys.path)}")
    child = LineChild("speaker", [])
    while not child.read():
        time.sleep(0.01)
    assert child.close(60.0 if status == 0 else 0.2) == status
    assert capfd.readouterr().err == ""
