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

    def enter(self, newest: Service, body: Mapping[str, Any]) -> tuple[int, Service]:
        """The version that `newest` becomes by `body`, and its number: an old one where it is the same. Raises ServiceProblem.

        {"changes": {"command": [...], "env": {...}}}: these keys are others; variables are added to those it has.
        {"spec": {...}}: the service as a scenario has it.
        """
        service = _changed(newest, body)
        known = self._known.setdefault(newest.name, [newest])
        if service not in known:
            known.append(service)
        number = known.index(service) + 1
        if len(known) == 1:
            del self._known[newest.name]
        return number, service

    def number(self, name: str, number: int, first: Service) -> Service:
        """A version by its number. Raises ServiceProblem."""
        known = self._known.get(name, [first])
        if not 1 <= number <= len(known):
            raise ServiceProblem(f"{name} has no version {number}: it has 1 to {len(known)}")
        return known[number - 1]

    def forget(self, name: str) -> None:
        """There is no such service any more."""
        self._known.pop(name, None)


def _changed(newest: Service, body: Mapping[str, Any]) -> Service:
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
    for key in before.keys() | after.keys():
        if key not in CHANGEABLE and before.get(key) != after.get(key):
            raise ServiceProblem(f"{newest.name}: {key}: not part of a version: {', '.join(CHANGEABLE)} are")
    return service
