"""Entry point: builds the command tree, or of it what the command line names: most of the time a verb takes is imports.

Those are within functions, this file's own too, so that `main` hears Ctrl-C while they go on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from skyrack.orchestrator.cli.exits import INTERRUPTED

if TYPE_CHECKING:
    import typer

ENVIRONMENT = "SKYRACK"
EPILOG = (
    "Start with:  skyrack up   then, in another terminal:  skyrack ping london tokyo\n\n"
    "Every option can also be set in the environment: --port of up as SKYRACK_UP_PORT.\n\n"
    "Exit status: 0 fine, 1 failed, 2 usage or scenario error, 3 a check or threshold failed, 4 inconclusive, 130 interrupted."
)

# In the order of the help: the module of each, and the function or the group in it.
VERBS = {
    "init": "scenario:init",
    "validate": "scenario:validate",
    "schema": "scenario:schema",
    "plan": "plan:plan",
    "path": "path:path",
    "coverage": "coverage:coverage",
    "environment": "environment:environment",
    "up": "up:up",
    "down": "down:down",
    "status": "show:status",
    "logs": "show:logs",
    "ping": "ping:ping",
    "exec": "run_in:execute",
    "forward": "forward:forward",
    "load": "load:app",
    "check": "check:check",
    "hunt": "hunt:hunt",
    "verify": "verify:verify",
    "service": "service:app",
    "drain": "drain:drain",
    "undrain": "drain:undrain",
    "upgrade": "upgrade:upgrade",
    "fault": "fault:app",
    "launch": "launch:launch",
    "clock": "clock:app",
    "render": "render:app",
    "version": "show:version",
}


def application(verbs: Collection[str] = tuple(VERBS)) -> typer.Typer:
    """The commands as typer has them."""
    import typer

    app = typer.Typer(
        name="skyrack",
        help="Emulate an orbital data centre: real processes on real orbits, joined by lasers whose delays are right.",
        epilog=EPILOG,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    )
    app.callback()(_group)
    for verb in verbs:
        function = _loaded(verb)
        if isinstance(function, typer.Typer):
            app.add_typer(function, name=verb)
        elif verb == "exec":
            settings = {"ignore_unknown_options": True, "allow_interspersed_args": False}
            app.command(verb, context_settings=settings)(function)
        else:
            app.command(verb)(function)
    return app


def _group() -> None:
    # Without it a tree of one verb would be that verb.
    pass


@cache
def _loaded(verb: str) -> Callable[..., None] | typer.Typer:
    """What a verb does, guarded."""
    import typer

    from skyrack.orchestrator.cli.guard import guarded

    module, _, name = VERBS[verb].partition(":")
    found = getattr(import_module(f"skyrack.orchestrator.cli.{module}"), name)
    if not isinstance(found, typer.Typer):
        return guarded(found)
    _guard(found)
    return found


def _guard(group: typer.Typer) -> None:
    from skyrack.orchestrator.cli.guard import guarded, guarded_group

    if (own := group.registered_callback) is not None and own.callback is not None:
        own.callback = guarded_group(own.callback)
    for info in group.registered_commands:
        assert info.callback is not None
        info.callback = guarded(info.callback)
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        _guard(inner.typer_instance)


def command_tree(verbs: Collection[str] = tuple(VERBS)) -> Any:
    """The commands as click has them, every option with its environment variable: --for of path is SKYRACK_PATH_FOR."""
    from typer.main import get_command

    root = get_command(application(verbs))
    _name_variables(root, ENVIRONMENT)
    return root


def _name_variables(command: Any, prefix: str) -> None:
    for parameter in command.params:
        flags = [flag for flag in parameter.opts if flag.startswith("--")]
        if flags and "--help" not in flags:
            parameter.envvar = f"{prefix}_{flags[0].removeprefix('--').replace('-', '_').upper()}"
            parameter.show_envvar = True
    for name, inner in getattr(command, "commands", {}).items():
        _name_variables(inner, f"{prefix}_{name.replace('-', '_').upper()}")


def main() -> None:
    """Run the command line. Usage errors exit with 2; what a verb raises is `guarded`; Ctrl-C ends it at any time with 130."""
    named = [word for word in sys.argv[1:2] if word in VERBS]
    try:
        sys.exit(command_tree(named or tuple(VERBS))())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
