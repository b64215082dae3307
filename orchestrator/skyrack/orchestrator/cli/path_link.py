"""One link in words: what `skyrack path --link` prints."""

from __future__ import annotations

from typing import Any

from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.find import require_name

_LIMITS = {
    "elevation_deg": ("elevation", "deg above the mask", "deg below the mask"),
    "line_of_sight_km": ("line of sight", "km above the graze altitude", "km below the graze altitude"),
    "range_km": ("range", "km to spare", "km too far"),
    "pointing_deg_s": ("pointing", "deg/s to spare", "deg/s too fast"),
}


def link_ends(text: str, names: list[str]) -> tuple[str, str]:
    """The two names of "A-B"; names may hold dashes themselves. Raises Problem."""
    known = frozenset(names)
    cuts = [(text[:i], text[i + 1 :]) for i, letter in enumerate(text) if letter == "-"]
    for a, b in cuts:
        if a in known and b in known:
            if a == b:
                raise Problem(f"--link {text!r}: {a} is not linked to itself", status=USAGE)
            return a, b
    if not cuts:
        raise Problem(f"--link {text!r}: expected two nodes as A-B", status=USAGE)
    a, b = next((cut for cut in cuts if cut[0] in known or cut[1] in known), cuts[0])
    require_name(a, names)
    require_name(b, names)
    raise AssertionError("one of them is unknown")


def link_lines(record: dict[str, Any]) -> list[str]:
    """A link's record, line by line: state, times, delay and rates, margins, reasons."""
    lines = [
        f"{record['a']}-{record['b']} is {record['state']} at {record['t_s']:.3f} s",
        f"  {_times(record)}",
    ]
    lines.append(f"  delay     {record['delay_ms']:.3f} ms")
    if record["rate_bps"] is not None:
        there, back = (f"{rate / 1e9:g} Gbit/s" for rate in record["rate_bps"])
        lines.append(f"  rate      {there} to {record['b']}, {back} to {record['a']}")
    if carried := record.get("carried_bps"):  # of a run that is up only
        there, back = (f"{rate / 1e9:.3f} Gbit/s" for rate in carried)
        lines.append(f"  carries   {there} to {record['b']}, {back} to {record['a']}")
    for name, margin in record["margins"].items():
        what, inside, beyond = _LIMITS[name]
        lines.append(f"  margin    {what}: {abs(margin):.3f} {inside if margin >= 0.0 else beyond}")
    what = "because" if record["state"] == "down" else "unused "
    lines += [f"  {what}   {reason['text']}" for reason in record["why"]]
    return lines + [f"  failed    {text}" for text in record.get("failed", [])]


def _times(record: dict[str, Any]) -> str:
    since = "for half an hour at least" if record["since_s"] is None else f"since {record['since_s']:g} s"
    until = "for half an hour to come" if record["until_s"] is None else f"until {record['until_s']:g} s"
    return f"planned   {since}, {until}"
