"""`skyrack load kv` and the other workloads against a service: one command for each, made of the workload's own options."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from skyrack.orchestrator.cli.console import Format, Output
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.find import RunName
from skyrack.orchestrator.cli.loading import (
    P99,
    Availability,
    FaultWords,
    ProbeRate,
    Spacing,
    SpacingOption,
    carry_out,
    find_up,
    limits,
)
from skyrack.orchestrator.cli.times import parse_span_s
from skyrack.orchestrator.spelling import closest
from skyrack.workloads import Option, UnknownName, Workload, find_workload
from skyrack.workloads.registry import WORKLOADS, absolute

_ABOUT = (
    "\n\nClients run inside the nodes of --at and die with them. Operations start on schedule, whatever became of earlier "
    "ones; latency counts from the intended start. The history is checked at the end: a promise that was broken exits with 3, "
    "however noisy the host was. Thresholds are judged as for echo."
)


def _text(name: str, help: str, kind: Any = str, **more: Any) -> Any:
    return Annotated[kind | None, typer.Option(name, help=help, show_default=False, **more)]


_COMMON: Mapping[str, tuple[Any, Any]] = {
    "service": (_text("--service", "The service to ask. Default: the scenario's."), None),
    "adapter": (
        _text(
            "--adapter",
            "How it is asked: etcd, redis, grpc, or FILE.py:CLASS; with options: redis,wait=1. Default: the scenario's.",
        ),
        None,
    ),
    "port": (
        _text("--port", "The service's port. Default: the adapter's usual one.", int, min=1, max=65535),
        None,
    ),
    "endpoint": (
        _text("--endpoint", "In place of --service: NODE:PORT, several times.", list[str]),
        None,
    ),
    "at": (
        _text("--at", "A node that clients are in, several times. Default: all ground stations.", list[str]),
        None,
    ),
    "to": (
        _text(
            "--to",
            "A member that clients may ask, several times. Default: all, each client in an order of its own.",
            list[str],
        ),
        None,
    ),
    "clients": (
        _text(
            "--clients",
            "Processes in all, one operation at a time each. Default: rate x 0.5 s, at least one per node.",
            int,
            min=1,
            max=5000,
        ),
        None,
    ),
    "rate": (
        _text("--rate", "Operations per second in total. Default: the scenario's, else 50.", float, min=0.01),
        None,
    ),
    "span": (_text("--for", "How long, e.g. 30s. Default: the scenario's, else 30s."), None),
    "timeout": (
        _text("--timeout", "After this an operation is unknown. Default: the scenario's, else 2s."),
        None,
    ),
    "final": (
        Annotated[str, typer.Option("--final", help="Most that the reads after the load may take.")],
        "30s",
    ),
    "seed": (_text("--seed", "What is drawn by. Default: the scenario's.", int), None),
    "spacing": (SpacingOption, Spacing.FIXED),
    "fault": (FaultWords, None),
    "p99": (P99, None),
    "availability": (Availability, None),
    "probe_rate": (ProbeRate, 50.0),
    "run": (RunName, None),
    "output": (Output, Format.TABLE),
}


def add_workloads(app: typer.Typer) -> None:
    """A command for each workload that comes along, and one for everybody's own."""
    for name in WORKLOADS:
        app.command(name)(command(find_workload(name)))
    app.command("workload")(any_workload())


def command(workload: type[Workload]) -> Callable[..., int]:
    """The command of a workload: what all have, and its own options."""
    own = {option.name: (_own(option), None) for option in workload.options()}

    def run(**given: Any) -> int:
        chosen = {name: given.pop(name) for name in own}
        return _load(
            workload.name, {name: value for name, value in chosen.items() if value is not None}, given
        )

    return _as_function(run, workload.name, (workload.__doc__ or "").strip() + _ABOUT, {**own, **_COMMON})


def any_workload() -> Callable[..., int]:
    """The command of a workload in a file of the user's."""
    own = {
        "name": (
            Annotated[str, typer.Argument(help="FILE.py:CLASS or MODULE:CLASS.")],
            inspect.Parameter.empty,
        ),
        "option": (
            _text("--option", "An option of the workload as NAME=VALUE, several times.", list[str]),
            None,
        ),
    }

    def run(**given: Any) -> int:
        name, words = absolute(given.pop("name")), given.pop("option") or []
        try:
            known = {option.name: option for option in find_workload(name).options()}
        except UnknownName as error:
            raise Problem(str(error), status=USAGE) from error
        return _load(name, dict(_pair(word, known) for word in words), given)

    about = "A workload of your own, from a file; docs/12-workloads.md writes one." + _ABOUT
    return _as_function(run, "workload", about, {**own, **_COMMON})


def _load(kind: str, options: Mapping[str, Any], given: Mapping[str, Any]) -> int:
    from skyrack.orchestrator.measure.store_load import StoreLoadError, store_load
    from skyrack.orchestrator.scenario import StoreWorkload, Thresholds

    live, status = find_up(given["run"])
    entry: Mapping[str, Any] = next((w for w in status["scenario"]["workloads"] if w["kind"] == kind), {})
    planned = StoreWorkload.model_validate(entry, strict=False) if entry else None
    adapter = given["adapter"] or (planned.adapter if planned else None)
    service = given["service"] or (planned.service if planned else "")
    if adapter is None or not (service or given["endpoint"]):
        raise Problem(
            f"load {kind}: of which service, and how is it asked?",
            hint="--service NAME --adapter etcd|redis|grpc, or a workload of this kind in the scenario",
            status=USAGE,
        )
    thresholds = planned.thresholds if planned else Thresholds()
    try:
        load = store_load(
            status,
            live.ask("GET", "/v1/services")["services"],
            kind=kind,
            adapter=absolute(adapter),
            service=service,
            scope=f"load-{secrets.token_hex(4)}",
            port=given["port"] or (planned.port if planned else None),
            endpoints=given["endpoint"] or (),
            at=given["at"] or (planned.at if planned else ()),
            to=given["to"] or (),
            clients=given["clients"] or (planned.clients if planned else None),
            rate_hz=given["rate"] or (planned.rate_hz if planned else 50.0),
            options={**(planned.options if planned else {}), **options},
            duration_s=_span("--for", given["span"], planned.duration_s if planned else 30.0),
            timeout_s=_span("--timeout", given["timeout"], planned.timeout_s if planned else 2.0),
            final_s=parse_span_s(given["final"]),
            spacing=given["spacing"].value,
            seed=status["scenario"]["seed"] if given["seed"] is None else given["seed"],
            probe_rate_hz=given["probe_rate"],
            thresholds=limits(thresholds, given["p99"], given["availability"]),
        )
    except StoreLoadError as error:
        raise Problem(str(error), hint=error.hint, status=USAGE) from error
    return carry_out(live, status, load, given["fault"] or [], given["output"])


def _span(option: str, text: str | None, default_s: float) -> float:
    span_s = parse_span_s(text) if text is not None else default_s
    if not span_s:
        raise Problem(f"{option} {text}: expected longer than 0", status=USAGE)
    return span_s


def _own(option: Option) -> Any:
    bounds: dict[str, Any] = {}
    if option.kind is not str:
        bounds = {"min": option.at_least, "max": option.at_most}
    return _text(
        f"--{option.name.replace('_', '-')}",
        f"{option.help} Default: the scenario's, else {option.default}.",
        option.kind,
        **bounds,
    )


def _pair(word: str, known: Mapping[str, Option]) -> tuple[str, Any]:
    name, equals, text = word.partition("=")
    name = name.replace("-", "_")
    listed = f"options are {', '.join(known)}" if known else "it has none"
    if not equals:
        raise Problem(f"--option {word!r}: expected NAME=VALUE", hint=listed, status=USAGE)
    if name not in known:
        hint = closest(name, known) or listed
        raise Problem(f"--option {word!r}: no option is called {name!r}", hint=hint, status=USAGE)
    try:
        return name, known[name].kind(text)
    except ValueError:
        kind = known[name].kind.__name__
        raise Problem(f"--option {word!r}: {text!r} is no {kind}", status=USAGE) from None


def _as_function(
    run: Callable[..., int], name: str, about: str, parameters: Mapping[str, tuple[Any, Any]]
) -> Callable[..., int]:
    """`run` with a signature that typer can read."""
    run.__name__, run.__doc__ = name, about
    signature: Sequence[inspect.Parameter] = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for key, (annotation, default) in parameters.items()
    ]
    run.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in signature}
    return run
