"""One node, from its configuration to its exit."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

from skyrack.node import device
from skyrack.node.clock import Clock, RealClock
from skyrack.node.config import NodeConfig
from skyrack.node.control_link import ControlLink
from skyrack.node.fabric_link import RETRY_S, FabricLink
from skyrack.node.guest.desk import GuestDesk
from skyrack.node.guest.http_api import serve_guests
from skyrack.node.guest.service import GuestService
from skyrack.node.hand_out import hand_out
from skyrack.node.heartbeats import beat
from skyrack.node.isolation import isolate
from skyrack.node.logs import JsonLines, fields, log, open_log
from skyrack.node.metrics import NodeCollector, exposition
from skyrack.node.metrics_http import serve_metrics
from skyrack.node.reaper import Reaper
from skyrack.node.reporter import Reporter
from skyrack.node.server import Health, serve_grpc
from skyrack.node.service import NodeService
from skyrack.node.service_host import ServiceHost
from skyrack.node.services.methods import Methods
from skyrack.node.transfers import MeshService

if TYPE_CHECKING:
    from skyrack.node.flight.pilot import Pilot
    from skyrack.node.services.pace import Pace

# Another holder of mesh0, a predecessor the fabric has not let go of yet, is waited for this long.
BUSY_LIMIT_S = 10.0

Also = Callable[[NodeConfig, Clock], Coroutine[None, None, None]]


def run(config: NodeConfig, tun_fd: int | None = None, *, also: Also | None = None) -> int:
    """Be the node until SIGTERM or SIGINT. Returns the exit status: 0, or 1 after an error, which is logged.

    `tun_fd` is mesh0, made and configured, in a process that is isolated already; without it both are done here.
    `also` is what a node of this kind does besides, from when it serves until it stops.
    Call it in a fresh process with one thread and without any gRPC object.
    """
    # Before the loop has handlers there is nothing to drain. As init, default actions would be ignored.
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: os._exit(0))
    # gRPC obeys these, and a proxy of the host is not in orbit.
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy", "no_proxy", "no_grpc_proxy"):
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    lines = open_log(config.name, config.log_file)
    try:
        config.grpc_socket.parent.mkdir(mode=0o700, exist_ok=True)
        os.nice(config.niceness)
        missed = isolate(config) if config.isolate and tun_fd is None else []
        for text in missed:
            log.warning("isolation incomplete", extra=fields(error=text))
        asyncio.run(_serve(config, tun_fd, lines, RealClock(), also))
    except Exception as error:
        log.exception("node failed")
        print(f"{config.name}: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(
    config: NodeConfig, tun_fd: int | None, lines: JsonLines, clock: Clock, also: Also | None
) -> None:
    """Device, attach, serve, join, in that order; then wait for the end."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    reaper = Reaper()
    reaper.start()
    if tun_fd is None:
        tun_fd = await _open_device(config, clock)
    fabric = FabricLink(config.name, config.fabric_socket, tun_fd, clock)
    control = ControlLink(config, clock)
    service = NodeService(config, clock, fabric, control)
    desk = GuestDesk(config, clock, fabric, control)
    reporter = Reporter(config, clock, fabric, control)
    methods = Methods()
    pace = _pace(config, clock)
    host = ServiceHost(config, clock, control, reaper, lines, methods, desk, pace)
    pilot = _pilot(config, clock, control, host, pace)
    desk.pilot = reporter.pilot = pilot
    control.on_change = desk.wake
    if pilot is not None:
        pilot.on_change = desk.wake
        control.on_change = pilot.told
    collector = NodeCollector(config, clock, fabric, control, service.echo, lines, reporter.bus, host, pilot)
    state = Health()
    first_attach = asyncio.Event()

    async def changed(attached: bool) -> None:
        first_attach.set()
        await state.set_attached(attached)
        reporter.changed()
        desk.wake()

    async with asyncio.TaskGroup() as tasks, contextlib.AsyncExitStack() as stack:
        links = [
            tasks.create_task(fabric.run(changed), name="fabric link"),
            tasks.create_task(reporter.run(), name="reporter"),
        ]
        if config.heartbeat_fd >= 0:
            links.append(tasks.create_task(beat(config, clock), name="heart"))
        stack.callback(lambda: [link.cancel() for link in links])
        await stack.enter_async_context(serve_metrics(config.metrics_socket, lambda: exposition(collector)))
        stack.push_async_callback(reporter.farewell)
        if await _first(first_attach, stop) is first_attach:
            mesh, guest = MeshService(config, control), GuestService(desk)
            await stack.enter_async_context(serve_grpc(config, service, mesh, guest, methods, state))
            await stack.enter_async_context(serve_guests(desk))
            # What is there now stays; collections need not look at it again.
            gc.freeze()
            gc.enable()
            log.info("serving", extra=fields(address=config.address, pid=os.getpid()))
            reporter.serving()
            # In this order: who is told that the node joined finds the other listening.
            links.append(tasks.create_task(hand_out(config, clock), name="hand out"))
            if also is not None:
                links.append(tasks.create_task(also(config, clock), name="also"))
            links.append(tasks.create_task(control.run(), name="control link"))
            if pilot is not None:
                links.append(tasks.create_task(pilot.run(), name="flight software"))
            links.append(tasks.create_task(host.run(), name="services"))
            await stop.wait()
        reporter.stopping()
        log.info("stopping")
        await desk.farewell()
        await host.end()


def _pace(config: NodeConfig, clock: Clock) -> Pace | None:
    """What Python services keep to, where there is flight software to say so."""
    if config.flight is None:
        return None
    from skyrack.node.services.pace import Pace

    return Pace(clock)


def _pilot(
    config: NodeConfig, clock: Clock, control: ControlLink, host: ServiceHost, pace: Pace | None
) -> Pilot | None:
    """The flight software; None without any. Raises ConfigError."""
    if pace is None:
        return None
    from skyrack.node.flight.pilot import Pilot

    return Pilot(config, clock, control, host, pace)


async def _open_device(config: NodeConfig, clock: Clock) -> int:
    deadline_ns = clock.monotonic_ns() + round(BUSY_LIMIT_S * 1e9)
    while True:
        try:
            tun_fd = device.open_tun(config.gso_max_bytes)
            break
        except OSError as error:
            if error.errno != errno.EBUSY or clock.monotonic_ns() > deadline_ns:
                raise
        await clock.sleep(RETRY_S)
    for text in device.configure(config):
        log.warning("setting refused", extra=fields(setting=text))
    return tun_fd


async def _first(*events: asyncio.Event) -> asyncio.Event:
    """The first event that is set."""
    waits = {asyncio.create_task(event.wait()): event for event in events}
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in pending:
        wait.cancel()
    return waits[done.pop()]
