"""`skyrack path --run`: what is in force in a run, beside what is ideal."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from skyrack.orchestrator.cli.console import note, print_json, print_table
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.find import LiveRun, find_run, require_name
from skyrack.orchestrator.cli.path_bundle import SIZE_BYTES, bundle_lines
from skyrack.orchestrator.cli.path_link import link_ends, link_lines


def show_path(run: str, a: str, b: str, size_bytes: int | None, *, json_wanted: bool) -> None:
    """Print both paths, and what is wrong with the one in force; without one, the way of a bundle. Raises Problem."""
    live = find_run(run)
    names = _names(live)
    for name in (a, b):
        require_name(name, names)
    answer = live.ask("GET", "/v1/path?" + urlencode({"from": a, "to": b}))
    stores = answer["strategy"] == "contact-graph"
    if size_bytes is not None and not stores:
        raise Problem(
            f"--size: {answer['strategy']} stores nothing, {run} is not routed by contact-graph", status=USAGE
        )
    if answer["in_force"] is None and stores:
        asked = {"from": a, "to": b, "bytes": size_bytes or SIZE_BYTES}
        answer["bundle"] = live.ask("GET", "/v1/bundle?" + urlencode(asked))
    if json_wanted:
        print_json(answer)
        return
    rows = [_row("in force", answer["in_force"]), _row("ideal", answer["ideal"])]
    print_table(["PATH", "RTT_MS", f"AT {answer['run_s']:.3f} S, {answer['strategy']}"], rows)
    for reason in answer["why"]:
        note(reason)
    if "bundle" in answer:
        for line in bundle_lines(answer["bundle"], clock="s"):
            note(line)


def show_link(run: str, text: str, *, json_wanted: bool) -> None:
    """Print a link's state in the run. Raises Problem."""
    live = find_run(run)
    a, b = link_ends(text, _names(live))
    answer = live.ask("GET", "/v1/link?" + urlencode({"a": a, "b": b}))
    if json_wanted:
        print_json(answer)
    else:
        print("\n".join(link_lines(answer)))


def _names(live: LiveRun) -> list[str]:
    return [node["name"] for node in live.status()["nodes"]]


def _row(what: str, way: dict[str, Any] | None) -> list[str]:
    return (
        [what, "-", "unreachable"] if way is None else [what, f"{way['rtt_ms']:.3f}", " > ".join(way["path"])]
    )
