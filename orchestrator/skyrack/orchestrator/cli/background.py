"""`skyrack load background`: what the scenario's background traffic carries now."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from skyrack.orchestrator.api.client import ApiError
from skyrack.orchestrator.cli.console import Format, Output, note, print_json, print_table
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.find import RunName, find_run
from skyrack.orchestrator.cli.times import parse_span_s


def background(
    span: Annotated[str, typer.Option("--for", help="How long to look, e.g. 5s.")] = "2s",
    top: Annotated[int, typer.Option(help="How many pairs to show, those that send most.", min=1)] = 20,
    run: RunName = None,
    output: Output = Format.TABLE,
) -> None:
    """Show the background traffic that the scenario's `background` makes: what each pair sent, and what arrived.

    RATE is what the gravity model gives a pair; the other columns were counted meanwhile.
    """
    span_s = parse_span_s(span)
    live = find_run(run)
    try:
        before = live.api.get("/v1/background")
        if not before["flows"]:
            raise Problem(
                "this scenario has no background traffic", hint="background: {rate_bps: 10e9}", status=USAGE
            )
        time.sleep(span_s)
        found = difference(before, live.api.get("/v1/background"))
    except ApiError as error:
        raise Problem(str(error)) from error
    if output is Format.JSON:
        print_json(found)
        return
    rows = [[f"{flow['from']}>{flow['to']}", *_rates(flow)] for flow in found["flows"][:top]]
    rows.append([f"all {len(found['flows'])}", *_rates(found["all"])])
    print_table(["PAIR", "RATE", "SENT", "DELIVERED", "LOST"], rows)
    note(f"over {found['span_s']:.2f} s, in quanta of {found['quantum_bytes']:,} bytes")


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Rates (bit/s) of every flow and of all between two answers of GET /v1/background. Raises Problem."""
    span_s = after["run_s"] - before["run_s"]
    flows = []
    for was, now in zip(before["flows"], after["flows"], strict=True):
        sizes = {name: now[f"{name}_bytes"] - was[f"{name}_bytes"] for name in ("sent", "delivered", "lost")}
        if span_s <= 0.0 or min(sizes.values()) < 0:
            raise Problem("the fabric began anew meanwhile", hint="ask again")
        flows.append(
            {name: now[name] for name in ("from", "to", "rate_bps")}
            | {f"{name}_bps": size * 8.0 / span_s for name, size in sizes.items()}
        )
    names = [f"{name}_bps" for name in ("rate", "sent", "delivered", "lost")]
    return {
        "span_s": span_s,
        "quantum_bytes": after["quantum_bytes"],
        "all": {name: sum(flow[name] for flow in flows) for name in names},
        "flows": flows,
    }


def _rates(flow: dict[str, Any]) -> list[str]:
    return [f"{flow[f'{name}_bps'] / 1e9:.3f} Gbit/s" for name in ("rate", "sent", "delivered", "lost")]
