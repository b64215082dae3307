"""`python -m skyrack.orchestrator.cli`: the command where its script is not on PATH."""

from skyrack.orchestrator.cli import main

main()
