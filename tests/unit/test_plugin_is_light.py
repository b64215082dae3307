"""pytest loads the plugin for everybody who has skyrack installed."""

from __future__ import annotations

import subprocess
import sys

LOADED = """
import sys, pytest
before = set(sys.modules)
import skyrack.orchestrator.testing.plugin
print(sorted(set(sys.modules) - before))
"""


def test_loading_the_plugin_imports_nothing_else() -> None:
    said = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True).stdout
    assert eval(said) == [
        "skyrack",
        "skyrack.orchestrator",
        "skyrack.orchestrator.testing",
        "skyrack.orchestrator.testing.plugin",
    ]
