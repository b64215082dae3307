"""The `skyrack` command."""

from skyrack.orchestrator.cli.main import main

__all__ = ["main"]
