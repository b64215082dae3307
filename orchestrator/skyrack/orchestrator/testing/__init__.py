"""Constellations in a user's own tests: the pytest plugin, and the types of what its fixtures give.

SkyrackError               everything below
├── UpFailedError          the constellation did not come up; the text is what `skyrack up` said
├── CommandFailedError     a program in a node ended with another exit status than 0
├── CallFailedError        a function in a node could not be carried out
└── NotInTimeError         what was waited for did not happen
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skyrack.orchestrator.testing.constellation import Constellation, Probe, Way
    from skyrack.orchestrator.testing.errors import (
        CallFailedError,
        CommandFailedError,
        NotInTimeError,
        SkyrackError,
        UpFailedError,
    )
    from skyrack.orchestrator.testing.loaded import slowest_recovery_s
    from skyrack.orchestrator.testing.skyrack import Skyrack

_HOMES = {
    "CallFailedError": "errors",
    "CommandFailedError": "errors",
    "Constellation": "constellation",
    "NotInTimeError": "errors",
    "Probe": "constellation",
    "Skyrack": "skyrack",
    "SkyrackError": "errors",
    "UpFailedError": "errors",
    "Way": "constellation",
    "slowest_recovery_s": "loaded",
}
__all__ = [
    "CallFailedError",
    "CommandFailedError",
    "Constellation",
    "NotInTimeError",
    "Probe",
    "Skyrack",
    "SkyrackError",
    "UpFailedError",
    "Way",
    "slowest_recovery_s",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for: pytest imports this package in every session."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
