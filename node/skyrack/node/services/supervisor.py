"""All services of a node: what the orchestrator wants is what runs.

ControlLink.services --reconcile--> a Slot per name --> Service --> Runner, one per start
                                                           '------> Reports: ServiceStatus of all
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import Metric

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.control_link import ControlLink
from skyrack.node.guest.desk import GuestDesk
from skyrack.node.logs import JsonLines, LogFile, fields, log
from skyrack.node.reaper import Reaper
from skyrack.node.services.command import probe_command
from skyrack.node.services.environment import environment
from skyrack.node.services.methods import Methods
from skyrack.node.services.metrics import service_metrics
from skyrack.node.services.output import Output
from skyrack.node.services.pace import Pace
from skyrack.node.services.probes import Try, make_try
from skyrack.node.services.processes import Marks
from skyrack.node.services.reports import Reports
from skyrack.node.services.runner import CannotStartError, Place, Runner, Surroundings
from skyrack.node.services.runners import make_runner
from skyrack.node.services.service import Service
from skyrack.v1 import service_pb2

# All services together, when the node ends; less than STOP_LIMIT_S of who ends the node.
END_LIMIT_S = 2.5


@dataclass
class Slot:
    """A name: what is to run under it (None: nothing), and what does."""

    wanted: service_pb2.ServiceSpec | None
    service: Service | None = None
    replaced: asyncio.Event = field(default_factory=asyncio.Event)

    def want(self, spec: service_pb2.ServiceSpec | None) -> None:
        """Have that one run from now on; the same generation goes on as it is."""
        running = self.service.spec if self.service is not None else self.wanted
        self.wanted = spec
        if spec is None or running is None or spec.generation != running.generation:
            self.replaced.set()
            if self.service is not None:
                self.service.stop()


class Supervisor:
    """Works while `run` runs; `end` ends all services first."""

    def __init__(
        self,
        config: NodeConfig,
        clock: Clock,
        control: ControlLink,
        reaper: Reaper,
        lines: JsonLines,
        methods: Methods,
        desk: GuestDesk,
        pace: Pace | None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._control = control
        self._lines = lines
        self._around = Surroundings(config, clock, control, reaper, Marks(), methods, desk, pace)
        self._reports = Reports(config, clock, control, self.statuses)
        self._slots: dict[str, Slot] = {}
        self._keeping: dict[str, asyncio.Task[None]] = {}
        self._files: list[LogFile] = []
        self._lost_lines = 0
        self._temp_dir: str | None = None
        self._ending = False
        self._suspended = ""

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reports.run(), name="service reports")
            while True:
                wanted = self._control.services
                # Without an update the node does not know what a service is told about its place in time.
                if wanted is not None and self._control.knowledge is not None and not self._ending:
                    self._reconcile(wanted, tasks)
                    self._reports.due()
                await self._control.services_news.wait()
                self._control.services_news.clear()

    async def end(self) -> None:
        """Stop all at once, and wait until nothing of them runs, for END_LIMIT_S at most."""
        self._ending = True
        for slot in self._slots.values():
            slot.want(None)
        keeping = list(self._keeping.values())
        if keeping:
            _, late = await asyncio.wait(keeping, timeout=END_LIMIT_S)
            for service in self.services():
                service.hurry()
            if late:
                await asyncio.wait(late)
        if self._temp_dir is not None:
            import shutil

            shutil.rmtree(self._temp_dir, ignore_errors=True)

    def suspend(self, reason: str) -> None:
        """Stop all services, and start none before `resume`; those that come meanwhile wait as well."""
        self._suspended = reason
        for service in self.services():
            service.suspend(reason)

    def resume(self) -> None:
        """Start those that were suspended."""
        self._suspended = ""
        for service in self.services():
            service.resume()

    @property
    def python_ratio(self) -> float:
        """How many of the services run in the node's own process, of all; 0 without any."""
        wanted = [slot.wanted for slot in self._slots.values() if slot.wanted is not None]
        return sum(bool(spec.python) for spec in wanted) / max(1, len(wanted))

    def services(self) -> Iterator[Service]:
        """In the order of the list, then those that are ending."""
        order = (
            {spec.name: at for at, spec in enumerate(self._control.services.services)}
            if self._control.services
            else {}
        )
        for name in sorted(self._slots, key=lambda name: order.get(name, len(order))):
            service = self._slots[name].service
            if service is not None:
                yield service

    def statuses(self) -> list[service_pb2.ServiceStatus]:
        """Of all services."""
        return [service.status for service in self.services()]

    def metrics(self) -> Iterator[Metric]:
        """Of all services."""
        return service_metrics(self._config.name, list(self.services()))

    @property
    def lost_lines(self) -> int:
        """Lines of services that could not be written to files of theirs."""
        return self._lost_lines + sum(file.errors for file in self._files)

    def _reconcile(self, wanted: service_pb2.ServiceList, tasks: asyncio.TaskGroup) -> None:
        names = {spec.name for spec in wanted.services}
        for name, slot in self._slots.items():
            if name not in names:
                slot.want(None)
        for spec in wanted.services:
            if spec.name in self._slots:
                self._slots[spec.name].want(spec)
            else:
                slot = self._slots[spec.name] = Slot(spec)
                self._keeping[spec.name] = tasks.create_task(
                    self._keep(slot, spec.name), name=f"service {spec.name}"
                )

    async def _keep(self, slot: Slot, name: str) -> None:
        """Run what is wanted under a name, one after the other, until nothing is."""
        while (spec := slot.wanted) is not None:
            slot.replaced.clear()
            with self._log_file(spec) as file:
                slot.service = self._make(spec, file)
                if self._suspended:
                    slot.service.suspend(self._suspended)
                try:
                    await slot.service.run()
                except Exception as error:
                    log.exception("service given up", extra=fields(service=name))
                    slot.service.give_up(f"the node cannot run it: {error!r}")
                await slot.replaced.wait()
        del self._slots[name], self._keeping[name]
        self._reports.due()

    @contextlib.contextmanager
    def _log_file(self, spec: service_pb2.ServiceSpec) -> Iterator[LogFile]:
        if not spec.log_file:
            yield self._lines.file
            return
        file = LogFile(spec.log_file)
        self._files.append(file)
        try:
            yield file
        finally:
            self._files.remove(file)
            self._lost_lines += file.errors
            file.close()

    def _make(self, spec: service_pb2.ServiceSpec, file: LogFile) -> Service:
        assert self._control.knowledge is not None
        try:
            data_dir = spec.data_dir or self._own_dir(spec.name)
        except OSError as error:
            return Service(
                spec, _refuse(f"no directory for it: {error}"), None, self._clock, self._reports.due
            )
        variables = environment(spec, self._config, self._control.knowledge.clock, data_dir, os.environ)
        place = Place(data_dir, variables, Output(self._config.name, spec.name, file, self._clock))

        def make() -> Runner:
            return make_runner(spec, place, self._around)

        def command(words: list[str]) -> Try:
            return probe_command(words, spec, place, self._around)

        probed = spec.HasField("readiness")
        trial = make_try(spec.readiness, self._config.address, command) if probed else None
        service = Service(spec, make, trial, self._clock, self._reports.due, lambda: place.output.count)
        if not spec.data_dir and _is_ours(spec):
            service.status.data_dir = data_dir
        return service

    def _own_dir(self, service: str) -> str:
        """A directory that ends with the node, for a service that was given none. Raises OSError."""
        if self._temp_dir is None:
            import tempfile  # with all it imports, 1 MB

            self._temp_dir = tempfile.mkdtemp(prefix=f"skyrack-{self._config.name}-")
            os.chmod(self._temp_dir, 0o711)
        path = Path(self._temp_dir, service)
        path.mkdir(mode=0o700, exist_ok=True)
        return os.fspath(path)


def _is_ours(spec: service_pb2.ServiceSpec) -> bool:
    return bool(spec.command or spec.python)


def _refuse(reason: str) -> Callable[[], Runner]:
    """Makes no runner."""

    def make() -> Runner:
        raise CannotStartError(reason)

    return make
