"""`skyrack init --service`: the example beside this file, copied to where a user goes on with it."""

from __future__ import annotations

from pathlib import Path

from skyrack.orchestrator.cli.console import note
from skyrack.orchestrator.cli.exits import FAILED, USAGE, Problem

EXAMPLE = Path(__file__).with_name("service_example")


def write_example(directory: Path, *, force: bool) -> None:
    """Copy all of it. Raises Problem, and has written nothing where a file is there already and `force` is not given."""
    files = sorted(path for path in EXAMPLE.iterdir() if path.is_file())
    there = [file.name for file in files if (directory / file.name).exists()]
    if there and not force:
        raise Problem(
            f"{directory} has {', '.join(there)} already",
            hint="choose another name, or --force",
            status=USAGE,
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for file in files:
            (directory / file.name).write_bytes(file.read_bytes())
            print(directory / file.name)
    except OSError as error:
        raise Problem(f"cannot write {directory}: {error.strerror}", status=FAILED) from error
    note(f"next: cd {directory}  |  skyrack up -d  |  pytest  |  README.md says what is what")
