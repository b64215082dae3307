"""Room for services: directories, logs and limits in a run of its own processes; nothing of that in containers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.places import Places
from skyrack.orchestrator.runtime.services.clocks import PLACE, Clocks
from skyrack.orchestrator.runtime.services.data import DataDirs
from skyrack.orchestrator.runtime.services.disks import Disks
from skyrack.orchestrator.runtime.services.groups import Group, Groups, find_hierarchies
from skyrack.orchestrator.runtime.services.leftovers import CLOCKS_FILE, DISKS_FILE, GROUPS_FILE, MOUNT_FILE
from skyrack.orchestrator.runtime.services.services import CannotPrepare
from skyrack.orchestrator.runtime.services.specs import Room
from skyrack.orchestrator.scenario import Limits, Service

NOT_IN_CONTAINERS = {
    "disk": "not in a container, which gets neither /dev/fuse nor the privilege to mount",
    "clock": "not in a container, whose image has libfaketime or not",
}


class LocalRoom:
    """In a run whose nodes are its own processes."""

    def __init__(self, run: str, places: Places, events: EventLog) -> None:
        self._logs = places.logs
        self._events = events
        self._data = DataDirs(run, places.run_dir, places.socket_dir / MOUNT_FILE)
        self.disks = Disks(
            places.logs / "storage.log", places.run_dir, places.socket_dir / DISKS_FILE, self._disks_died
        )
        self.clocks = Clocks(
            run, self._data.root / PLACE, self._data.outside / PLACE, places.socket_dir / CLOCKS_FILE
        )
        self._on_disks: list[Group] = []
        own = Path("/proc/self/cgroup").read_text()
        self._groups = Groups(run, places.socket_dir / GROUPS_FILE, find_hierarchies(own))

    def prepare(self, node: str, service: Service) -> tuple[Room, Group]:
        """Directory, log and limits; what could not be had is in the group's notes. Raises OSError, CannotPrepare."""
        limits = service.limits
        key = (node, service.name)
        environment = {}
        if "clock" in service.faults:
            try:
                environment = self.clocks.prepare(key, service)
            except CannotPrepare as error:
                raise CannotPrepare(f"{service.name} at {node}: {error}") from error
        place, notes = self._data.make(node, service.name, limits.disk_mb)
        group = self._groups.make(node, service.name, limits.cpu_cores, limits.memory_mb)
        group.notes[:0] = notes
        log = self._logs / f"{node}.{service.name}.jsonl"
        if "disk" in service.faults:
            try:
                self.disks.mount(key, place, self._data.outside / node / service.name)
            except CannotPrepare as error:
                raise CannotPrepare(f"{service.name} at {node}: {error}") from error
            self._on_disks.append(group)
        return Room(str(place), str(log), tuple(map(str, group.dirs)), environment=environment), group

    def forget(self, node: str, service: str, group: Group, *, data: bool) -> None:
        """The service has ended for good; its directory goes too where `data`."""
        self.disks.unmount((node, service))
        self._groups.remove(group)
        if data:
            self._data.remove(node, service)

    def erase(self, node: str) -> list[str]:
        """Remove what the services of a node have written; their names. Raises OSError."""
        erased = self._data.erase(node)
        self.disks.settle(node)
        return erased

    def share(self, name: str, cpu_ratio: float, limits: Sequence[Limits]) -> Path | None:
        """A control group with a share of a core; None where it cannot be had, or takes those that are to go there, who have
        `limits`, out of one that is stricter."""
        stricter = any(own.cpu_cores is not None and own.cpu_cores < cpu_ratio for own in limits)
        also_of_memory = self._groups.in_one and any(own.cpu_cores or own.memory_mb for own in limits)
        return None if stricter or also_of_memory else self._groups.share(name, cpu_ratio)

    def end_share(self, group: Path) -> None:
        """Nothing runs there any more."""
        self._groups.remove_dir(group)

    def end(self) -> None:
        """The run ends, and all nodes have."""
        self.disks.end()
        self.clocks.end()
        self._groups.end()
        self._data.end()

    def _disks_died(self, status: int) -> None:
        self._events.add("storage_ended", status=status)
        for group in self._on_disks:
            group.notes.append(
                "the process of its file system has ended: its files cannot be reached any more"
            )


class ContainedRoom:
    """In a run whose nodes are containers: the engine limits those, and nodes make their directories themselves."""

    def prepare(self, node: str, service: Service) -> tuple[Room, Group]:
        """Nothing is prepared; what is not as asked for are notes."""
        if service.image:
            notes = [f"faults: [{what}]: {NOT_IN_CONTAINERS[what]}" for what in service.faults]
            if not service.ready:
                notes.append("no `ready`: it counts as ready whenever its node runs")
            return Room(beside=True), Group(notes=notes)
        limits = service.limits
        asked = {"cpu": limits.cpu_cores, "memory": limits.memory_mb, "disk": limits.disk_mb}
        notes = [f"faults: [{what}]: {NOT_IN_CONTAINERS[what]}" for what in service.faults]
        notes += [
            f"no {what} limit: it runs in its node's container; give it an image, or limit that"
            for what, value in asked.items()
            if value
        ]
        return Room(), Group(notes=notes)

    def forget(self, node: str, service: str, group: Group, *, data: bool) -> None:
        """Nothing was prepared."""

    def end(self) -> None:
        """Nothing was prepared."""
