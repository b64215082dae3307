"""The way of a bundle in words: what `skyrack path` says of contact-graph where there is no way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skyrack.orchestrator.cli.sizes import size_text

if TYPE_CHECKING:
    from skyrack.orchestrator.topology.geometry import Geometry

SIZE_BYTES = 1_000_000  # asked about when nothing is said


def bundle_of(geometry: Geometry, a: int, b: int, t_s: float, size_bytes: int) -> dict[str, Any]:
    """The way of a bundle that is there at orbit second `t_s`, as far ahead as the scenario looks; or {"why"}."""
    from skyrack.orchestrator.routing.bundle_record import bundle_record
    from skyrack.orchestrator.routing.bundle_route import NoBundleRouteError, bundle_route
    from skyrack.orchestrator.routing.contact_plan import ContactPlan
    from skyrack.orchestrator.timeline import Timeline

    scenario = geometry.scenario
    timeline = Timeline(scenario.speed)
    now_s, until_s = (timeline.run_s(at_s) for at_s in (t_s, t_s + scenario.routing.contact_horizon_s))
    limit_bytes = scenario.routing.storage_bytes
    try:
        for node in (a, b):
            if node not in geometry.inhabited:
                raise NoBundleRouteError(f"{geometry.names[node]} is a bare satellite: it has no process")
        if size_bytes > limit_bytes:
            raise NoBundleRouteError(f"a store takes {size_text(limit_bytes)}")
        legs = bundle_route(ContactPlan(geometry, now_s), a, b, now_s, until_s, size_bytes)
    except NoBundleRouteError as error:
        return {"size_bytes": size_bytes, "why": str(error)}
    return bundle_record(geometry.names, legs, size_bytes, timeline)


def bundle_lines(record: dict[str, Any], *, clock: str) -> list[str]:
    """When it arrives and by which legs, or why not; times of `clock`: `s` run seconds, `t_s` orbit seconds."""
    size = size_text(record["size_bytes"])
    if "why" in record:
        return [f"contact-graph does not bring {size} there: {record['why']}"]
    lines = [f"contact-graph stores and forwards: {size} are there at {record[f'arrives_{clock}']:.3f} s"]
    width = max(len(f"{leg['from']} > {leg['to']}") for leg in record["legs"])
    for leg in record["legs"]:
        departs_s, sent_s, arrives_s, ends_s = (
            leg[f"{what}_{clock}"] for what in ("departs", "sent", "arrives", "contact_ends")
        )
        hop = f"{leg['from']} > {leg['to']}".ljust(width)
        lines.append(
            f"  {hop}  sends from {departs_s:.3f} to {sent_s:.3f} s, there at {arrives_s:.3f} s; "
            f"contact until {ends_s:.3f} s"
        )
    return lines
