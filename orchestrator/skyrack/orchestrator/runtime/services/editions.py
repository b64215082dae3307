"""The versions of services' software that a run knows, numbered from 1, which is what the service began with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from skyrack.orchestrator.runtime.services.complaint import complaint
from skyrack.orchestrator.scenario import Service

# What another version may have otherwise. Where a service is, and what it may use, is not its software.
CHANGEABLE: Final = (
    "command", "python", "path", "env", "files", "ready", "ready_within_s", "restart", "stop_timeout_s",
)  # fmt: skip


class ServiceProblem(ValueError):
    """What was asked for cannot be; the text is for whoever asked."""


class Editions:
    """Those of each service of which there are several, by its name."""

    def __init__(self, kept: Mapping[str, Sequence[Service]]) -> None:
        self._known = {name: list(services) for name, services in kept.items()}

    @property
    def kept(self) -> Mapping[str, tuple[Service, ...]]:
        """For the file."""
        return {name: tuple(services) for name, services in self._known.items()}

    def enter(self, newest: Service, service: Service) -> int:
        """The number of a version, which is a new one unless there is the same already; `newest`: one that is known."""
        if service == newest and newest.name not in self._known:
            return 1
        known = self._known.setdefault(newest.name, [newest])
        if service not in known:
            known.append(service)
        return known.index(service) + 1

    def number(self, name: str, number: int, first: Service) -> Service:
        """A version by its number. Raises ServiceProblem."""
        known = self._known.get(name, [first])
        if not 1 <= number <= len(known):
            raise ServiceProblem(f"{name} has no version {number}: it has 1 to {len(known)}")
        return known[number - 1]

    def forget(self, name: str) -> None:
        """There is no such service any more."""
        self._known.pop(name, None)


def changed(newest: Service, body: Mapping[str, Any]) -> Service:
    """What `newest` becomes by a request. Raises ServiceProblem.

    {"changes": {"command": [...], "env": {...}}}: these keys are others; variables are added to those it has.
    {"spec": {...}}: the service as a scenario has it.
    """
    before = newest.model_dump(mode="json", exclude_none=True)
    if isinstance(spec := body.get("spec"), Mapping):
        data = dict(spec)
    elif isinstance(changes := body.get("changes"), Mapping) and changes:
        if wrong := [key for key in changes if key not in CHANGEABLE]:
            raise ServiceProblem(f"{wrong[0]}: not part of a version: {', '.join(CHANGEABLE)} are")
        data = {**before, **changes}
        if "env" in changes and isinstance(changes["env"], Mapping):
            data["env"] = {**before.get("env", {}), **changes["env"]}
        for other, given in (("python", "command"), ("command", "python")):
            if given in changes:
                data.pop(other, None)
    else:
        raise ServiceProblem("expected the changes of a version, or its spec")
    try:
        service = Service.model_validate(data)
    except ValidationError as error:
        raise ServiceProblem("; ".join(complaint(e["loc"], e["msg"]) for e in error.errors())) from error
    after = service.model_dump(mode="json", exclude_none=True)
    for key in Service.model_fields:
        if key not in CHANGEABLE and before.get(key) != after.get(key):
            raise ServiceProblem(f"{newest.name}: {key}: not part of a version: {', '.join(CHANGEABLE)} are")
    return service
