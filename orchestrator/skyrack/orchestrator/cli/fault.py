"""`skyrack fault`: break links and nodes of the run that is up, see what is broken, mend it."""

from __future__ import annotations

import re
import sys
from typing import Annotated, Any
from urllib.parse import quote

import typer

from skyrack.orchestrator.cli.console import Format, Output, print_json, print_table
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.find import RunName, find_run
from skyrack.orchestrator.cli.times import parse_span_s

_RATE = re.compile(r"([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*([kMGT]?)(?:bit(?:/s|ps)?)?")
_SCALE = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_RATIO = re.compile(r"([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*(%?)")

app = typer.Typer(
    help="Break links and nodes of the run that is up, list what is broken, mend it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def add(
    kind: Annotated[str, typer.Argument(help="latency, rate, loss, down (links) or dark (nodes).")],
    link: Annotated[
        list[str] | None,
        typer.Option(help="A link as A-B, or 'A>B' for one direction. Several times.", show_default=False),
    ] = None,
    node: Annotated[
        list[str] | None,
        typer.Option(
            help="All links of a node; for dark the node itself. Several times.", show_default=False
        ),
    ] = None,
    plane: Annotated[
        list[str] | None,
        typer.Option(help="All satellites of a plane, such as p3. Several times.", show_default=False),
    ] = None,
    extra: Annotated[
        str | None, typer.Option(help="latency: delay to add, e.g. 200ms.", show_default=False)
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="rate: most a link carries, e.g. 10Mbit.", show_default=False)
    ] = None,
    ratio: Annotated[
        str | None, typer.Option(help="loss: share of packets lost, e.g. 5% or 0.05.", show_default=False)
    ] = None,
    span: Annotated[
        str | None,
        typer.Option("--for", help="How long, e.g. 30s. Default: until removed.", show_default=False),
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="Begin so long from now, e.g. 10s. Default: now.", show_default=False)
    ] = None,
    run: RunName = None,
    output: Output = Format.TABLE,
) -> None:
    """Begin a fault: skyrack fault add latency --link p3s07-p3s08 --extra 200ms --for 30s.

    Everything named in one call takes effect at one instant, which is printed with what the fabric then has for each link.
    """
    fault: dict[str, Any] = {
        "kind": kind,
        "links": link or [],
        "nodes": node or [],
        "planes": plane or [],
        "cause": "skyrack fault",
    }
    given = (
        ("extra_s", extra, parse_span_s),
        ("rate_bps", rate, parse_rate_bps),
        ("loss_ratio", ratio, parse_ratio),
        ("for_s", span, parse_span_s),
        ("in_s", at, parse_span_s),
    )
    fault |= {key: parse(text) for key, text, parse in given if text is not None}
    live = find_run(run)
    answer = live.ask("POST", "/v1/faults", {"faults": [fault]})
    if output is Format.JSON:
        print_json(answer)
        return
    _print(answer["faults"])


@app.command("list")
def list_(run: RunName = None, output: Output = Format.TABLE) -> None:
    """List every fault that acts or is to act, with what the fabric has for its links."""
    answer = find_run(run).ask("GET", "/v1/faults")
    if output is Format.JSON:
        print_json(answer)
    elif answer["faults"]:
        _print(answer["faults"])
    else:
        print("no faults; for instance: skyrack fault add down --link A-B --for 30s", file=sys.stderr)


@app.command()
def rm(
    fault: Annotated[str | None, typer.Argument(help="The fault's id.", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="End all faults.")] = False,
    run: RunName = None,
) -> None:
    """End a fault, or all of them."""
    if (fault is None) is not everything:
        raise Problem("give the id of a fault, or --all", hint="skyrack fault list shows them", status=USAGE)
    path = "/v1/faults" if fault is None else f"/v1/faults/{quote(fault, safe='')}"
    answer = find_run(run).ask("DELETE", path)
    print(f"ended {', '.join(answer['removed']) or 'nothing: there was no fault'}")


def parse_rate_bps(text: str) -> float:
    """Bit/s in "10Mbit", "1.5Gbit/s", "250k", "1e9". Raises Problem."""
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise Problem(f"{text!r} is not a rate", hint="for instance 500kbit, 10Mbit or 1.5Gbit", status=USAGE)
    return float(match[1]) * _SCALE[match[2]]


def parse_ratio(text: str) -> float:
    """A share in "5%" or "0.05". Raises Problem."""
    match = _RATIO.fullmatch(text.strip())
    if match is None:
        raise Problem(f"{text!r} is not a share", hint="for instance 5% or 0.05", status=USAGE)
    return float(match[1]) / (100.0 if match[2] else 1.0)


def _print(faults: list[dict[str, Any]]) -> None:
    rows = []
    for fault in faults:
        until = f"{fault['until_s']:.3f}" if fault["until_s"] is not None else "removed"
        since = f"{fault['since_s']:.3f}" + ("" if fault["acts"] else " (to come)")
        says = [_says(way) for way in fault["fabric"]]
        rows.append(
            [
                fault["id"],
                fault["kind"],
                " ".join(fault["on"]),
                since,
                until,
                "; ".join(says[:2]) + (f"; and {len(says) - 2} more" if len(says) > 2 else "") or "-",
            ]
        )
    print_table(["ID", "KIND", "ON", "SINCE (RUN S)", "UNTIL", "THE FABRIC HAS"], rows)


def _says(way: dict[str, Any]) -> str:
    if "node" in way:
        return f"{way['node']} {'lit' if way['lit'] else 'dark'}"
    if "ways" in way:
        return f"{_side(way['from'])} > {_side(way['to'])} {way['cut']:,} of {way['ways']:,} ways cut"
    words = f"{way['from']}>{way['to']} "
    if way["down"]:
        return words + "down"
    words += f"+{way['extra_s'] * 1e3:g} ms, {way['rate_bps'] / 1e6:,.6g} Mbit/s, {way['loss_ratio'] * 100:g} % lost"
    return words + (f", {way['corrupt_ratio'] * 100:g} % damaged" if way["corrupt_ratio"] else "")


def _side(names: list[str]) -> str:
    """The nodes on one side of a partition, or how many."""
    return ", ".join(names) if len(names) <= 3 else f"{len(names):,} nodes"
