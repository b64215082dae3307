"""The process all nodes are forked from: everything is imported once and shared, nothing runs.

    orchestrator                              zygote
      | {"op":"spawn","config":{...}}  ------>  | fork into a new PID namespace
      | <--- {"event":"spawned","name","pid"}   |        +--> node, pid 1 of its own namespace
      | {"op":"signal","name","signal":9} --->  |
      | <--- {"event":"exited","name","pid","status":{"code":0} or {"signal":9}}

One JSON object per line, over an inherited Unix stream or sequenced-packet socket. `failed` (with `name`) and `error`
events carry an `error` text; `watchdog` (with `name`, `silent_s`) precedes the end of a node that was silent. The end of the
socket ends all nodes and the zygote. Nodes die with the zygote however it dies. It holds no thread and no gRPC object: a fork
of either hangs.
"""

import argparse
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from typing import Any

from skyrack.node.clock import Clock, RealClock
from skyrack.node.config import ConfigError, NodeConfig
from skyrack.node.forked import become
from skyrack.node.heartbeats import Heartbeats
from skyrack.node.mains import Run, load_mains
from skyrack.v1 import namespaces

# A node needs up to 2.5 s for its services and 1 s for calls that run.
STOP_LIMIT_S = 5.0
STOP_LOOKS = 50  # within these: a host that stood still has given them no time meanwhile


class Zygote:
    """Owns the children; one event loop over the orchestrator's socket and SIGCHLD."""

    def __init__(self, channel: socket.socket, mains: dict[str, Run], clock: Clock) -> None:
        """`mains` maps a node's kind to what it runs."""
        self._channel = channel
        self._mains = mains
        self._names: dict[int, str] = {}
        self._pids: dict[str, int] = {}
        self._pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._heartbeats = Heartbeats(clock)
        self._stopping = False
        self._wake_read, self._wake_write = socket.socketpair()
        for end in (self._wake_read, self._wake_write):
            end.setblocking(False)

    def serve(self) -> None:
        """Work until the socket ends or SIGTERM comes, then end all nodes and return."""
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._stop)
        buffer = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            selector.register(self._wake_read, selectors.EVENT_READ)
            while not self._stopping:
                ready = {key.fileobj for key, _ in selector.select(self._heartbeats.look_s)}
                if self._wake_read in ready:
                    self._wake_read.recv(4096)
                    self._reap()
                if self._channel in ready:
                    data = self._receive()
                    if not data:
                        break
                    *lines, buffer = (buffer + data).split(b"\n")
                    for line in lines:
                        self._handle(line)
                self._watch()
            self._end_all(selector)

    def _watch(self) -> None:
        """Kill those whose hearts do not beat: they are reaped like any other."""
        for pid, silent_s in self._heartbeats.silent():
            self._tell(event="watchdog", name=self._names[pid], pid=pid, silent_s=round(silent_s, 3))
            os.kill(pid, signal.SIGKILL)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _receive(self) -> bytes:
        try:
            return self._channel.recv(1 << 18)
        except ConnectionError:
            return b""

    def _tell(self, **event: Any) -> None:
        try:
            self._channel.sendall(json.dumps(event).encode() + b"\n")
        except OSError:
            # Nobody listens any more; the end of the socket is noticed where it is read.
            return

    def _handle(self, line: bytes) -> None:
        try:
            request = json.loads(line)
            operation = request["op"]
            if operation == "spawn":
                self._spawn(request["config"])
            elif operation == "signal":
                self._signal(request["name"], int(request["signal"]))
            else:
                raise ValueError(f"unknown op {operation!r}")
        except (ValueError, KeyError, TypeError) as error:
            self._tell(event="error", error=f"{type(error).__name__}: {error}")

    def _signal(self, name: str, signum: int) -> None:
        if name not in self._pids:
            raise ValueError(f"no node {name!r} runs")
        os.kill(self._pids[name], signum)

    def _spawn(self, data: dict[str, Any]) -> None:
        name = str(data.get("name"))
        try:
            config = NodeConfig.from_mapping(data)
            if name in self._pids:
                raise ConfigError(f"name: {name} runs already, pid {self._pids[name]}")
            pid = self._fork(config)
        except (ConfigError, OSError) as error:
            self._tell(event="failed", name=name, error=str(error))
            return
        self._names[pid] = name
        self._pids[name] = pid
        self._tell(event="spawned", name=name, pid=pid)

    def _fork(self, config: NodeConfig) -> int:
        """Fork a node as pid 1 of a new PID namespace, and come back to the own one for the next."""
        with self._heartbeats.of(config) as (told, forked):
            if config.isolate:
                namespaces.unshare(namespaces.CLONE_NEWPID)
            try:
                pid = os.fork()
                if pid == 0:
                    run = self._mains[config.kind]
                    become(f"sky {config.name}", self._leave, lambda: run(told))
            finally:
                if config.isolate:
                    namespaces.setns(self._pid_namespace, namespaces.CLONE_NEWPID)
            forked(pid)
        return pid

    def _leave(self) -> None:
        """In the child: close what is the zygote's."""
        self._heartbeats.leave()
        self._channel.close()
        self._wake_read.close()
        self._wake_write.close()
        os.close(self._pid_namespace)

    def _reap(self) -> None:
        while self._names:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._heartbeats.ended(pid)
            name = self._names.pop(pid)
            del self._pids[name]
            code = os.waitstatus_to_exitcode(status)
            self._tell(
                event="exited", name=name, pid=pid, status={"code": code} if code >= 0 else {"signal": -code}
            )

    def _end_all(self, selector: selectors.BaseSelector) -> None:
        """SIGTERM, and SIGKILL for those that do not follow."""
        selector.unregister(self._channel)
        for signum in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._names:
                os.kill(pid, signum)
            looks = STOP_LOOKS
            while self._names and looks:
                if selector.select(STOP_LIMIT_S / STOP_LOOKS):
                    self._wake_read.recv(4096)
                    self._reap()
                else:
                    looks -= 1


def main() -> int:
    """Exit status 0 after the socket's end or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m skyrack.node.zygote", description="Fork nodes on request."
    )
    parser.add_argument("--fd", type=int, required=True, help="inherited Unix socket, stream or seqpacket")
    parser.add_argument("--main", action="append", default=[], metavar="KIND=MODULE", help="what a kind runs")
    arguments = parser.parse_args()
    # Ctrl-C in a terminal reaches the whole group; the orchestrator decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["GRPC_VERBOSITY"] = "ERROR"
    # Collecting while importing would leave holes in pages that every child then copies, and collecting in a
    # child that starts costs it a third of its CPU time; a node turns it on again once it serves.
    gc.disable()
    mains = load_mains(arguments.main)
    # Nodes import the first when they have services, the second when a guest asks by HTTP, the third when they have flight
    # software; here they cost them all nothing, and save those nodes 1.5 MB, 0.6 MB and 0.3 MB each.
    for module in (
        "skyrack.node.services.supervisor",
        "google.protobuf.json_format",
        "skyrack.node.flight.pilot",
    ):
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    os.set_inheritable(arguments.fd, False)
    with socket.socket(fileno=arguments.fd) as channel:
        channel.setblocking(True)
        Zygote(channel, mains, RealClock()).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
