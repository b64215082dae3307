"""Between a verb and the user: whatever it raises becomes a message and an exit status."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import typer

from skyrack.orchestrator.cli import exits
from skyrack.orchestrator.cli.console import complain

DEBUG = "SKYRACK_DEBUG"


def guarded(verb: Callable[..., int | None]) -> Callable[..., None]:
    """The verb as typer calls it: ends in `typer.Exit` with the status, never in a traceback unless SKYRACK_DEBUG is set."""

    @functools.wraps(verb)
    def run(*arguments: Any, **options: Any) -> None:
        raise typer.Exit(status_of(lambda: verb(*arguments, **options)))

    return run


def guarded_group(verb: Callable[..., int | None]) -> Callable[..., None]:
    """The same for what a group does before the verbs in it, which come next unless something was wrong."""

    @functools.wraps(verb)
    def run(*arguments: Any, **options: Any) -> None:
        if status := status_of(lambda: verb(*arguments, **options)):
            raise typer.Exit(status)

    return run


def status_of(verb: Callable[[], int | None]) -> int:
    """Run it and say on stderr what went wrong; the exit status."""
    try:
        status = verb()
        sys.stdout.flush()
        return status or exits.FINE
    except exits.Finished as finished:
        return finished.status
    except exits.Problem as problem:
        complain(str(problem), problem.hint)
        return problem.status
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`skyrack status | head`): not an error, and nothing more to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.FINE
    except Exception as error:
        if (mistakes := _mistakes(error)) is not None:
            print("\n".join(mistakes), file=sys.stderr)
            print(
                f"{len(mistakes)} error{'' if len(mistakes) == 1 else 's'} in the scenario", file=sys.stderr
            )
            return exits.USAGE
        if os.environ.get(DEBUG):
            traceback.print_exc()
        complain(
            f"{type(error).__name__}: {error}",
            f"this is a fault of skyrack itself; {DEBUG}=1 shows where",
        )
        return exits.FAILED


def _mistakes(error: Exception) -> list[str] | None:
    """What is wrong with a scenario, where that is the error. A verb that raised this has imported what it needs."""
    scenario = sys.modules.get("skyrack.orchestrator.scenario")
    if scenario is None or not isinstance(error, scenario.ScenarioError):
        return None
    return [mistake.render() for mistake in error.problems]
