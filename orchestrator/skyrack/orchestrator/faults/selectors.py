"""One word for many nodes, wherever a fault names a node.

    p3s07                       the node; p3s07/etcd a service there
    satellites gateways users pops all
    plane:p3  satellite:p3s07   also where a word could be something else
    shell:v3                    all satellites of a shell that has a name
    batch:0                     a launch: so many satellites of a shell as `launch_batch` says, as they are numbered
    batch:v3-1                  a launch of the scenario's, by its name
    region:europe country:jp    gateways there
    circle:51.5,-0.1,800km      gateways within a great-circle distance of a latitude and longitude
    service:etcd                every node where the service is; of what runs there, that service alone
    random:2:WORD               two of what WORD selects, drawn

The name of a node comes before all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from skyrack.orchestrator.environment.sphere import distance_km
from skyrack.orchestrator.faults.atlas import Atlas
from skyrack.orchestrator.faults.countries import NAMES, code_of
from skyrack.orchestrator.faults.hold import Place, place_name
from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.problem import FaultProblem, Unknown
from skyrack.orchestrator.spelling import closest

GROUPS: Final = ("satellites", "gateways", "users", "pops", "all")
PREFIXES: Final = (
    "satellite", "plane", "shell", "batch", "region", "country", "circle", "service", "random",
)  # fmt: skip
_KINDS: Final = {"gateways": "ground", "users": "user", "pops": "pop"}
_CIRCLE = re.compile(r"([-+]?[0-9.]+),\s*([-+]?[0-9.]+),\s*([0-9.]+)\s*km")


def is_selector(word: str) -> bool:
    """Whether the word looks like one, whatever it selects."""
    return word in GROUPS or word.partition(":")[0] in PREFIXES


def is_random(word: str) -> bool:
    """Whether something is to be drawn."""
    return word.startswith("random:")


def drawn(word: str, atlas: Atlas, lot: Lot, *, services: bool) -> list[str]:
    """What a random word draws, as names of nodes, or NODE/SERVICE where `services`. Raises FaultProblem, Unknown."""
    _, _, rest = word.partition(":")
    number, _, inner = rest.partition(":")
    if not (number.isascii() and number.isdecimal() and int(number) > 0 and inner) or is_random(inner):
        raise FaultProblem(f"{word[:80]}: expected random:N:WORD, as in random:2:satellites")
    places = select(inner, atlas)
    if not services:
        places = list(dict.fromkeys((node, "") for node, _ in places))
    if int(number) > len(places):
        raise FaultProblem(f"{word[:80]}: {inner} is {len(places)} in all")
    return [place_name(place, atlas.names) for place in lot.some(int(number), places)]


def nodes_of(word: str, atlas: Atlas, lot: Lot) -> list[int]:
    """The nodes that a word of either sort selects or draws, in node order. Raises FaultProblem, Unknown."""
    if is_random(word):
        return [atlas.node(name) for name in drawn(word, atlas, lot, services=False)]
    return [node for node, _ in select(word, atlas)]


def select(word: str, atlas: Atlas) -> list[Place]:
    """What a word that draws nothing selects, in node order; never nothing. Raises FaultProblem, Unknown."""
    if atlas.knows(word):
        return [(atlas.node(word), "")]
    if "/" in word:
        name, _, service = word.partition("/")
        node = atlas.node(name)
        atlas.require_service(node, service)
        return [(node, service)]
    head, colon, rest = word.partition(":")
    if not colon and word not in GROUPS:
        return [(atlas.node(word, GROUPS), "")]
    if colon and head not in PREFIXES:
        near = closest(head, PREFIXES) or f"there are {', '.join(PREFIXES)}"
        raise Unknown(f"no selector is called {head[:80]!r}: {near}")
    if head == "service":
        places = [(node, rest) for node in atlas.service(rest)]
    else:
        places = [(node, "") for node in _nodes(word, head, rest, atlas)]
    if not places:
        raise FaultProblem(f"{word[:80]}: there are none here")
    return places


def _nodes(word: str, head: str, rest: str, atlas: Atlas) -> Iterable[int]:
    match head:
        case "all":
            return range(len(atlas.names))
        case "satellites":
            return range(atlas.n_sat)
        case "gateways" | "users" | "pops":
            return _on_ground(atlas, _KINDS[head])
        case "satellite":
            node = atlas.node(rest)
            if node >= atlas.n_sat:
                raise FaultProblem(f"{rest} is on the ground")
            return [node]
        case "plane":
            return atlas.plane(rest)
        case "shell":
            return _shell(rest, atlas)
        case "batch":
            return _batch(rest, atlas)
        case "region":
            return _region(rest, atlas)
        case "country":
            return _country(rest, atlas)
        case _:
            return _circle(word, rest, atlas)


def _on_ground(atlas: Atlas, kind: str) -> list[int]:
    return [atlas.n_sat + i for i, place in enumerate(atlas.ground) if place.kind == kind]


def _shell(name: str, atlas: Atlas) -> Sequence[int]:
    if name not in atlas.shells:
        listed = (
            f"there {_are(len(atlas.shells))} {', '.join(atlas.shells)}"
            if atlas.shells
            else "none has a name"
        )
        raise Unknown(f"no shell is called {name[:80]!r}: {closest(name, atlas.shells) or listed}")
    return atlas.shells[name]


def _batch(number: str, atlas: Atlas) -> Sequence[int]:
    if number in atlas.launches:
        return atlas.launches[number]
    if near := closest(number, atlas.launches):
        raise Unknown(f"no launch is called 'batch:{number[:80]}': {near}")
    there = len(atlas.batches)
    if not there:
        raise FaultProblem(f"batch:{number[:80]}: no shell here, so nobody says what was launched together")
    if not (number.isascii() and number.isdecimal() and int(number) < there):
        last = f" to batch:{there - 1}" if there > 1 else ""
        raise Unknown(f"no launch is called 'batch:{number[:80]}': there {_are(there)} batch:0{last}")
    return atlas.batches[int(number)]


def _region(name: str, atlas: Atlas) -> list[int]:
    gateways = _on_ground(atlas, "ground")
    regions = {node: atlas.ground[node - atlas.n_sat].region for node in gateways}
    known = sorted({region for region in regions.values() if region is not None})
    if name not in known:
        raise Unknown(f"no gateway is in region {name[:80]!r}: {closest(name, known) or _listed(known)}")
    return [node for node, region in regions.items() if region == name]


def _country(name: str, atlas: Atlas) -> list[int]:
    gateways = _on_ground(atlas, "ground")
    countries = {node: atlas.ground[node - atlas.n_sat].country for node in gateways}
    code = code_of(name)
    if code not in countries.values():
        here = set(countries.values())
        named = {spelled: known for spelled, known in NAMES.items() if known in here}
        words = [*named, *sorted(str(known).lower() for known in here - {None, *named.values()})]
        raise Unknown(f"no gateway is in country {name[:80]!r}: {closest(name, words) or _listed(words)}")
    return [node for node, there in countries.items() if there == code]


def _circle(word: str, rest: str, atlas: Atlas) -> list[int]:
    match = _CIRCLE.fullmatch(rest)
    if match is None:
        raise FaultProblem(
            f"{word[:80]}: expected circle:LATITUDE,LONGITUDE,RADIUS, as in circle:51.5,-0.1,800km"
        )
    try:
        lat_deg, lon_deg, radius_km = (float(text) for text in match.groups())
    except ValueError:
        raise FaultProblem(f"{word[:80]}: expected numbers, as in circle:51.5,-0.1,800km") from None
    if not -90.0 <= lat_deg <= 90.0:
        raise FaultProblem(f"{word[:80]}: a latitude is from -90 to 90 degrees")
    distances = {
        node: distance_km(lat_deg, lon_deg, place.lat_deg, place.lon_deg)
        for node in _on_ground(atlas, "ground")
        for place in (atlas.ground[node - atlas.n_sat],)
    }
    within = [node for node, km in distances.items() if km <= radius_km]
    if not within and distances:
        nearest = min(distances, key=lambda node: distances[node])
        raise FaultProblem(
            f"{word[:80]}: no gateway is in it: the nearest is {atlas.names[nearest]}, {distances[nearest]:,.0f} km away"
        )
    return within


def _listed(words: Sequence[str]) -> str:
    return f"there {_are(len(words))} {', '.join(words)}" if words else "no gateway says where it is"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
