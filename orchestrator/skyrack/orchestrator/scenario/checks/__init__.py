"""What must hold between keys: names that exist, room for every node, orbit files that can be read.

    orbits.py  satellites and orbit files
    fibre.py   who may have fibre, and who must
    names.py   every name that refers to a node
    room.py    counts and addresses
    lasers.py  what the laser pattern and the relay need
    routing.py what the strategy needs
    background.py  what the gravity model needs
    power.py   what heat needs
    entries.py who lets users in
    services.py what services run on, and their placeholders
    faults.py  what faults act on
    radiation.py  which satellites are built how

Names are checked on what the user wrote, not on the validated scenario, so that a fault in one item of a list
does not hide the faults in the others.
"""

from collections.abc import Iterator

from .background import check_background
from .entries import check_entries
from .faults import check_faults
from .fibre import check_fibre
from .finding import Draft, Finding
from .lasers import check_lasers
from .names import check_names
from .orbits import check_orbits
from .power import check_power
from .radiation import check_radiation
from .room import check_room
from .routing import check_routing
from .services import check_services

__all__ = ["Draft", "Finding", "check"]


def check(draft: Draft) -> Iterator[Finding]:
    """Yield what is wrong between the keys of a draft."""
    faults = list(check_orbits(draft))
    yield from faults
    known = draft.with_names(orbits_known=not faults)
    yield from check_names(known)
    yield from check_fibre(known)
    yield from check_room(known)
    yield from check_lasers(known)
    yield from check_routing(known)
    yield from check_background(known)
    yield from check_power(known)
    yield from check_entries(known)
    yield from check_services(known)
    yield from check_faults(known)
    yield from check_radiation(known)
