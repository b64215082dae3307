"""Sends ICMP echo requests at planned instants from inside many nodes' networks, and times the replies.

    schedule --timerfd--> stamp, sendto(a's socket) ~~ mesh ~~> b's kernel ~~ mesh ~~> SO_TIMESTAMPNS on a's socket
                          CLOCK_MONOTONIC                  |                           brought to CLOCK_MONOTONIC
                                                           '~ a router refuses ~ mesh ~~> a's error queue

The time of sending is read just before the system call and the time of receiving is the kernel's, so neither a late
wake-up of this process nor the time a reply waits in its socket is part of a measurement. Open loop: a reply is
never waited for. When the process was held up and several shots are overdue, all but the newest are skipped, never
sent in a bunch.
"""

from __future__ import annotations

import heapq
import os
import select
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from skyrack.orchestrator.fabric.timer import Timer
from skyrack.orchestrator.measure import icmp, stamps
from skyrack.orchestrator.measure.shots import Shot

Outcome = Literal["reply", "lost", "unreachable", "expired", "unsent", "clock-set"]

_RECEIVE_BUFFER_BYTES = 1 << 20
_DRAIN = 64
_CLOCK_SET_NS = 50_000


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe. `t_s`: run time it left (or was due, when unsent); `measured_s` is None unless a reply came in time.

    `outcome`: `clock-set` is a reply that cannot be timed because the wall clock was set meanwhile; `unsent` was
    skipped or refused by the sender's own kernel and says nothing about the mesh; `note` has the reason, or the
    router that sent an ICMP error.
    """

    seq: int
    a: str
    b: str
    t_s: float
    measured_s: float | None
    outcome: Outcome
    note: str = ""


@dataclass(slots=True)
class Strays:
    """Packets that were not the one reply to one probe."""

    foreign: int = 0
    duplicate: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True)
class _Flying:
    shot: Shot
    sent_ns: int
    offset_ns: int


class _Source:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_IP, socket.IP_TTL, 255)
        sock.setsockopt(socket.SOL_IP, icmp.IP_RECVERR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        stamps.stamp_receives(sock)


class Prober:
    """One loop for all sources.

    Args:
        sources: node name -> ping socket of that node's network (see `skyrack.v1.hand_out`); owned from here on.
        t0_monotonic_ns: the run's zero.
        ip_bytes: size of a probe as an IPv4 packet.
    """

    def __init__(
        self, sources: Mapping[str, socket.socket], *, t0_monotonic_ns: int, ip_bytes: int = 64
    ) -> None:
        if ip_bytes < icmp.MIN_IP_BYTES:
            raise ValueError(f"a probe needs at least {icmp.MIN_IP_BYTES} bytes, not {ip_bytes}")
        self.strays = Strays()
        self._t0_ns = t0_monotonic_ns
        self._ip_bytes = ip_bytes
        self._token = os.urandom(8)
        self._timer = Timer()
        self._epoll = select.epoll()
        self._epoll.register(self._timer.descriptor, select.EPOLLIN)
        self._sources: dict[str, _Source] = {}
        self._by_fd: dict[int, _Source] = {}
        self._watched: dict[int, Callable[[], None]] = {}
        self._flying: dict[int, _Flying] = {}
        self._answered: set[int] = set()
        self._deadlines: list[tuple[int, int]] = []
        self._done: list[Probe] = []
        for name, sock in sources.items():
            self.set_source(name, sock)

    def set_source(self, name: str, sock: socket.socket) -> None:
        """Send `name`'s probes through `sock` from now on, for example after the node has come back."""
        self.drop_source(name)
        source = self._sources[name] = _Source(sock)
        self._by_fd[sock.fileno()] = source
        self._epoll.register(sock, select.EPOLLIN)

    def drop_source(self, name: str) -> None:
        """Stop sending from `name`; its probes are `unsent` until it has a source again."""
        if (source := self._sources.pop(name, None)) is not None:
            self._epoll.unregister(source.sock)
            del self._by_fd[source.sock.fileno()]
            source.sock.close()

    def watch(self, descriptor: int, action: Callable[[], None]) -> None:
        """Call `action` between probes whenever `descriptor` is readable."""
        self._watched[descriptor] = action
        self._epoll.register(descriptor, select.EPOLLIN)

    def close(self) -> None:
        """Close every source, the timer and the epoll instance."""
        for name in list(self._sources):
            self.drop_source(name)
        os.close(self._timer.descriptor)
        self._epoll.close()

    def run(self, schedule: Iterable[Shot]) -> Iterator[list[Probe]]:
        """Send every shot of `schedule` (ordered by due time); yields what got decided, until all is.

        The consumer runs inside the loop: it delays the next sending by as long as it takes, though it cannot
        falsify a measurement.
        """
        shots = iter(schedule)
        shot = next(shots, None)
        while shot is not None or self._flying:
            now_ns = stamps.monotonic_ns()
            while shot is not None and self._due_ns(shot) <= now_ns:
                after = next(shots, None)
                if after is not None and shot.due_s < after.due_s and self._due_ns(after) <= now_ns:
                    self._unsent(shot, "the prober was held up")
                else:
                    self._send(shot)
                shot = after
            self._expire(stamps.monotonic_ns())
            if self._done:
                done, self._done = self._done, []
                yield done
                continue
            if shot is not None or self._flying:
                self._wait(shot)
        if self._done:
            done, self._done = self._done, []
            yield done

    def give_up(self) -> list[Probe]:
        """The probes still in the air when the run is stopped early, as unsent: nobody waited for their replies."""
        probes = [self._probe(flying, None, "unsent", "stopped") for flying in self._flying.values()]
        self._flying.clear()
        return probes

    def _due_ns(self, shot: Shot) -> int:
        return self._t0_ns + round(shot.due_s * 1e9)

    def _wait(self, shot: Shot | None) -> None:
        at_ns = self._due_ns(shot) if shot is not None else 1 << 62
        if self._deadlines:
            at_ns = min(at_ns, self._deadlines[0][0])
        self._timer.arm(at_ns / 1e9)
        for descriptor, events in self._epoll.poll():
            if (source := self._by_fd.get(descriptor)) is not None:
                if events & select.EPOLLERR:
                    self._receive_errors(source)
                self._receive(source)
            elif descriptor == self._timer.descriptor:
                self._timer.clear()
            elif (action := self._watched.get(descriptor)) is not None:
                action()

    def _send(self, shot: Shot) -> None:
        route = shot.route
        source = self._sources.get(route.a)
        if source is None:
            self._unsent(shot, "source down")
            return
        packet = icmp.echo_request(shot.seq, self._token, self._ip_bytes)
        offset_ns = stamps.realtime_offset_ns()
        target = (route.address, 0)
        sent_ns = stamps.monotonic_ns()
        try:
            source.sock.sendto(packet, target)
        except OSError:
            # A router's refusal of an earlier probe fails the next call on the socket, once, whatever that call is.
            sent_ns = stamps.monotonic_ns()
            try:
                source.sock.sendto(packet, target)
            except OSError as error:
                self._unsent(shot, error.strerror or str(error))
                return
        self._flying[shot.seq] = _Flying(shot, sent_ns, offset_ns)
        heapq.heappush(self._deadlines, (sent_ns + round(route.timeout_s * 1e9), shot.seq))

    def _receive(self, source: _Source) -> None:
        for _ in range(_DRAIN):
            try:
                message, control, _, sender = source.sock.recvmsg(2048, stamps.CONTROL_BYTES)
            except BlockingIOError:
                return
            except OSError:
                # A refusal that is in the error queue, or the interface went away; reading it clears it.
                continue
            stamp_ns = stamps.receive_stamp_ns(control)
            answer = icmp.parse_reply(message, sender[0], self._token)
            if answer is None:
                self.strays.foreign += 1
            else:
                self._reply(answer, stamp_ns)

    def _receive_errors(self, source: _Source) -> None:
        """What routers, or the sender's own kernel, said about probes that will not be answered."""
        room = icmp.ERROR_CONTROL_BYTES + stamps.CONTROL_BYTES
        for _ in range(_DRAIN):
            try:
                quoted, control, _, target = source.sock.recvmsg(2048, room, socket.MSG_ERRQUEUE)
            except OSError:
                return
            if (answer := icmp.parse_error(quoted, control, target[0])) is not None:
                self._refused(answer)

    def _reply(self, answer: icmp.Reply, stamp_ns: int | None) -> None:
        flying = self._flying.get(answer.sequence)
        if flying is None:
            if answer.sequence in self._answered:
                self.strays.duplicate += 1
            else:
                self.strays.late += 1
            return
        if answer.source != flying.shot.route.address:
            self.strays.foreign += 1
            return
        del self._flying[answer.sequence]
        self._answered.add(answer.sequence)
        offset_ns = stamps.realtime_offset_ns()
        if stamp_ns is None or abs(offset_ns - flying.offset_ns) > _CLOCK_SET_NS:
            self._done.append(self._probe(flying, None, "clock-set", "the wall clock was set"))
            return
        measured_ns = stamp_ns - offset_ns - flying.sent_ns
        if measured_ns > flying.shot.route.timeout_s * 1e9:
            self.strays.late += 1
            self._done.append(self._probe(flying, None, "lost", ""))
            return
        self._done.append(self._probe(flying, measured_ns / 1e9, "reply", ""))

    def _refused(self, answer: icmp.Refusal) -> None:
        # Only 16 bits of the sequence are quoted; the timeout keeps far fewer than that in the air.
        for sequence, flying in self._flying.items():
            if sequence & 0xFFFF == answer.number and flying.shot.route.address == answer.destination:
                del self._flying[sequence]
                self._answered.add(sequence)
                self._done.append(self._probe(flying, None, answer.kind, answer.source))
                return
        self.strays.foreign += 1

    def _expire(self, now_ns: int) -> None:
        while self._deadlines and self._deadlines[0][0] <= now_ns:
            _, sequence = heapq.heappop(self._deadlines)
            self._answered.discard(sequence)
            if (flying := self._flying.get(sequence)) is None:
                continue
            # The reply may wait in the socket, stamped in time, while this process was held up.
            if (source := self._sources.get(flying.shot.route.a)) is not None:
                self._receive_errors(source)
                self._receive(source)
            if self._flying.pop(sequence, None) is not None:
                self._done.append(self._probe(flying, None, "lost", ""))

    def _probe(self, flying: _Flying, measured_s: float | None, outcome: Outcome, note: str) -> Probe:
        route = flying.shot.route
        t_s = (flying.sent_ns - self._t0_ns) / 1e9
        return Probe(flying.shot.seq, route.a, route.b, t_s, measured_s, outcome, note)

    def _unsent(self, shot: Shot, note: str) -> None:
        self._done.append(Probe(shot.seq, shot.route.a, shot.route.b, shot.due_s, None, "unsent", note))
