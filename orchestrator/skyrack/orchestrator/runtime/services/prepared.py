"""Room for services: directories, logs and limits in a run of its own processes; nothing of that in containers."""

from __future__ import annotations

from pathlib import Path

from skyrack.orchestrator.runtime.places import Places
from skyrack.orchestrator.runtime.services.data import DataDirs
from skyrack.orchestrator.runtime.services.groups import Group, Groups, find_hierarchies
from skyrack.orchestrator.runtime.services.leftovers import GROUPS_FILE, MOUNT_FILE
from skyrack.orchestrator.runtime.services.specs import Room
from skyrack.orchestrator.scenario import Service


class LocalRoom:
    """In a run whose nodes are its own processes."""

    def __init__(self, run: str, places: Places) -> None:
        self._logs = places.logs
        self._data = DataDirs(run, places.run_dir, places.socket_dir / MOUNT_FILE)
        own = Path("/proc/self/cgroup").read_text()
        self._groups = Groups(run, places.socket_dir / GROUPS_FILE, find_hierarchies(own))

    def prepare(self, node: str, service: Service) -> tuple[Room, Group]:
        """Directory, log and limits; what could not be had is in the group's notes. Raises OSError."""
        limits = service.limits
        place, notes = self._data.make(node, service.name, limits.disk_mb)
        group = self._groups.make(node, service.name, limits.cpu_cores, limits.memory_mb)
        group.notes[:0] = notes
        log = self._logs / f"{node}.{service.name}.jsonl"
        return Room(str(place), str(log), tuple(map(str, group.dirs))), group

    def forget(self, node: str, service: str, group: Group, *, data: bool) -> None:
        """The service has ended for good; its directory goes too where `data`."""
        self._groups.remove(group)
        if data:
            self._data.remove(node, service)

    def erase(self, node: str) -> list[str]:
        """Remove what the services of a node have written; their names. Raises OSError."""
        return self._data.erase(node)

    def share(self, name: str, cpu_ratio: float, *, limited: bool) -> Path | None:
        """A control group with a share of a core; `limited`: some that are to go there have limits of their own."""
        return None if limited and self._groups.in_one else self._groups.share(name, cpu_ratio)

    def end_share(self, group: Path) -> None:
        """Nothing runs there any more."""
        self._groups.remove_dir(group)

    def end(self) -> None:
        """The run ends, and all nodes have."""
        self._groups.end()
        self._data.end()


class ContainedRoom:
    """In a run whose nodes are containers: the engine limits those, and nodes make their directories themselves."""

    def prepare(self, node: str, service: Service) -> tuple[Room, Group]:
        """Nothing is prepared; what is not as asked for are notes."""
        if service.image:
            notes = [] if service.ready else ["no `ready`: it counts as ready whenever its node runs"]
            return Room(beside=True), Group(notes=notes)
        limits = service.limits
        asked = {"cpu": limits.cpu_cores, "memory": limits.memory_mb, "disk": limits.disk_mb}
        notes = [
            f"no {what} limit: it runs in its node's container; give it an image, or limit that"
            for what, value in asked.items()
            if value
        ]
        return Room(), Group(notes=notes)

    def forget(self, node: str, service: str, group: Group, *, data: bool) -> None:
        """Nothing was prepared."""

    def end(self) -> None:
        """Nothing was prepared."""
