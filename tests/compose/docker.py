"""The `docker` command, every call of it under a timeout."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field

PATIENCE_S = 180.0


@dataclass(frozen=True)
class Docker:
    """The command with the environment that leads it to its engine and plug-ins."""

    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, *words: str, timeout_s: float = PATIENCE_S, stdin: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end, however that is. Raises subprocess.TimeoutExpired."""
        return subprocess.run(
            ["docker", *words],
            env={**os.environ, **self.environment, **environment},
            input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False,
        )  # fmt: skip

    def out(
        self, *words: str, timeout_s: float = PATIENCE_S, stdin: str | None = None, **environment: str
    ) -> str:
        """What it printed; an AssertionError with its last lines when it failed."""
        done = self.run(*words, timeout_s=timeout_s, stdin=stdin, **environment)
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-40:])
        assert done.returncode == 0, f"docker {' '.join(words)}: exit status {done.returncode}\n{said}"
        return done.stdout

    def works(self, *words: str, timeout_s: float = PATIENCE_S) -> bool:
        """Whether it ends well; False also where there is no such command or no answer in time."""
        try:
            return self.run(*words, timeout_s=timeout_s).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False
