"""Entry point: builds the command tree and turns exceptions into messages and exit statuses."""

from __future__ import annotations

import sys

import click
import typer

from skyrack.orchestrator.cli import exits, load, path, ping, plan, run_in, scenario, show, up
from skyrack.orchestrator.cli.console import complain
from skyrack.orchestrator.scenario import ScenarioError

EPILOG = "Start with:  skyrack up   then, in another terminal:  skyrack ping london tokyo"

app = typer.Typer(
    name="skyrack",
    help="Emulate an orbital data centre: real processes on real orbits, joined by lasers whose delays are right.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "SKYRACK",
        "show_default": True,
    },
)
for verb, function in (
    ("init", scenario.init),
    ("validate", scenario.validate),
    ("schema", scenario.schema),
    ("plan", plan.plan),
    ("path", path.path),
    ("up", up.up),
    ("down", up.down),
    ("status", show.status),
    ("logs", show.logs),
    ("ping", ping.ping),
    ("exec", run_in.execute),
    ("load", load.app),
    ("version", show.version),
):
    if isinstance(function, typer.Typer):
        app.add_typer(function, name=verb)
    elif verb == "exec":
        app.command(
            verb, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
        )(function)
    else:
        app.command(verb)(function)


def main() -> None:
    """Run the command line; never shows a traceback for what a user can mend."""
    try:
        status = app(standalone_mode=False)
    except exits.Problem as problem:
        complain(str(problem), problem.hint)
        status = problem.status
    except ScenarioError as error:
        for mistake in error.problems:
            print(mistake.render(), file=sys.stderr)
        count = len(error.problems)
        print(f"{count} error{'' if count == 1 else 's'} in the scenario", file=sys.stderr)
        status = exits.USAGE
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        status = exits.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`skyrack status | head`): not an error, and nothing more to say.
        sys.stderr.close()
        status = exits.FINE
    sys.exit(status if isinstance(status, int) else exits.FINE)
