"""One service of one generation: its starts, one after the other, until it is done or told to stop.

STARTING --probe--> READY <--probe--> UNREADY
   ^                  |
   |   ended, or killed by its watchdog: see policy.py
   '--- WAITING <-----+-----> FINISHED, FAILED          from everywhere: STOPPING, and STOPPED while it is suspended
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

from skyrack.node.clock import Clock
from skyrack.node.logs import fields, log
from skyrack.node.services import policy
from skyrack.node.services.probes import Try
from skyrack.node.services.processes import Usage, usage_of
from skyrack.node.services.readiness import DEFAULT_PERIOD_S, readiness
from skyrack.node.services.runner import CannotStartError, Ended, Runner
from skyrack.node.silence import LOOKS, Silence
from skyrack.v1 import service_pb2

DEFAULT_STOP_TIMEOUT_S = 5.0


class Service:
    """Runs while `run` runs. `status` is what is reported of it; `changed` is called when that is another one."""

    def __init__(
        self,
        spec: service_pb2.ServiceSpec,
        make: Callable[[], Runner],
        trial: Try | None,
        clock: Clock,
        changed: Callable[[], None],
        printed: Callable[[], int] = lambda: 0,
    ) -> None:
        """`make` gives a Runner per start; `trial` is None where it is ready as soon as it runs. `printed`: lines so far."""
        self.spec = spec
        self._make = make
        self._trial = trial
        self._clock = clock
        self._changed = changed
        self._printed = printed
        self._answers = 0
        self._stopping = False
        self._suspended = ""
        self._halt = asyncio.Event()  # it is not to run: told to end, or suspended
        self._news = asyncio.Event()
        self._hurry = asyncio.Event()
        self._failures = 0
        self._cpu_before_s = self._cpu_seen_s = 0.0
        self.runner: Runner | None = None
        """The start that runs."""
        self.status = service_pb2.ServiceStatus(
            name=spec.name, generation=spec.generation, phase=service_pb2.SERVICE_PHASE_STARTING
        )

    def stop(self) -> None:
        """Ask it to end; `run` returns when nothing of it runs any more."""
        self._stopping = True
        self._halt.set()
        self._news.set()

    def hurry(self) -> None:
        """Do not wait any longer until it ends as asked."""
        self.stop()
        self._hurry.set()

    def suspend(self, reason: str) -> None:
        """Stop it as when it is asked to end, and do not start it before `resume`. One that is over stays so."""
        self._suspended = reason
        self._halt.set()

    def resume(self) -> None:
        """Start it again, if it was suspended."""
        self._suspended = ""
        if not self._stopping:
            self._halt.clear()
        self._news.set()

    @property
    def runs(self) -> bool:
        """Whether it is there now, as far as it knows; one that is started or ended is."""
        return self.runner is not None

    def usage(self) -> Usage:
        """CPU time of all its starts, which never shrinks, and memory of its processes now."""
        now = usage_of(self.runner.pids()) if self.runner is not None else Usage(0.0, 0)
        self._cpu_seen_s = max(self._cpu_seen_s, now.cpu_s)
        return Usage(self._cpu_before_s + self._cpu_seen_s, now.resident_bytes)

    async def run(self) -> None:
        """Until it is done for good, or stopped."""
        while not self._stopping:
            if self._suspended:
                await self._rest()
                continue
            started_ns = self._clock.monotonic_ns()
            ended = await self._once()
            if self.status.phase == service_pb2.SERVICE_PHASE_FAILED:
                return
            if ended is None or self._stopping:
                continue
            if self._clock.monotonic_ns() - started_ns >= policy.STABLE_S * 1e9:
                self._failures = 0
            verdict = policy.verdict(self.spec.restart, ended)
            self._say(phase=verdict.phase, reason=verdict.reason)
            if verdict.phase != service_pb2.SERVICE_PHASE_WAITING:
                return
            self._failures += 1
            await self._or_halt(self._clock.sleep(policy.backoff_s(self._failures)))
            if not self._halt.is_set():
                bites = self.status.watchdog_restarts + bool(ended.bitten)
                self._say(restarts=self.status.restarts + 1, watchdog_restarts=bites)

    async def _rest(self) -> None:
        """Until it is resumed, or told to end."""
        began = self.status.phase != service_pb2.SERVICE_PHASE_STARTING
        self._say(phase=service_pb2.SERVICE_PHASE_STOPPED, reason=self._suspended)
        while self._suspended and not self._stopping:
            self._news.clear()
            await self._news.wait()
        self._failures = 0
        if began and not self._stopping:
            self._say(restarts=self.status.restarts + 1)

    def give_up(self, reason: str) -> None:
        """It does not run and will not."""
        self._say(phase=service_pb2.SERVICE_PHASE_FAILED, reason=reason, pid=0, ready_after_s=0.0)

    async def _once(self) -> Ended | None:
        """One start, to its end; None: there will be no other."""
        self._say(phase=service_pb2.SERVICE_PHASE_STARTING, reason="")
        try:
            runner = self.runner = self._make()
            try:
                return await self._start(runner)
            finally:
                await runner.kill()
                self._cpu_before_s += max(self._cpu_seen_s, runner.cpu_s)
                self._cpu_seen_s = 0.0
                self.runner = None
                self._say(pid=0, ready_after_s=0.0)
        except CannotStartError as error:
            self.give_up(str(error))
            return None
        except OSError as error:
            return Ended(status=1, last_words=str(error))

    async def _start(self, runner: Runner) -> Ended | None:
        """To its end; None when it was stopped."""
        try:
            started = await self._or_halt(runner.start())
        finally:
            del self.status.notes[:]
            self.status.notes.extend(runner.notes)
        if not started:
            return None
        self._say(pid=runner.pid)
        return await self._watch(runner)

    async def _watch(self, runner: Runner) -> Ended | None:
        """Probe it until it ends; None when it was stopped."""
        probing = asyncio.create_task(self._probe(runner), name=f"probe {self.spec.name}")
        ended: list[Ended] = []

        async def end() -> None:
            ended.append(await self._guarded(runner))

        try:
            await self._or_halt(end())
        finally:
            probing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await probing
        if not ended:
            self._say(phase=service_pb2.SERVICE_PHASE_STOPPING, reason="")
            runner.terminate()
            await self._within(runner.wait(), self.spec.stop_timeout_s or DEFAULT_STOP_TIMEOUT_S)
            return None
        self.status.ClearField("exit_status")
        self.status.ClearField("exit_signal")
        if ended[0].status is not None:
            self.status.exit_status = ended[0].status
        if ended[0].signal is not None:
            self.status.exit_signal = ended[0].signal
        return ended[0]

    async def _guarded(self, runner: Runner) -> Ended:
        """Its end, by itself or by its watchdog."""
        if not self.spec.HasField("watchdog"):
            return await runner.wait()
        waiting = asyncio.create_task(runner.wait(), name=f"wait {self.spec.name}")
        biting = asyncio.create_task(self._bite(), name=f"watchdog {self.spec.name}")
        try:
            await asyncio.wait((waiting, biting), return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            # Whoever is stopped dies of SIGKILL too; who calls this kills all the others.
            await runner.kill()
            return Ended(signal=signal.SIGKILL, bitten=biting.result())
        finally:
            for task in (waiting, biting):
                task.cancel()
            await asyncio.gather(waiting, biting, return_exceptions=True)

    async def _bite(self) -> str:
        """Wait until it has not shown for too long that it lives, by its probe, or by a line without one; what is missing."""
        dog = self.spec.watchdog
        silence = Silence(dog.timeout_s, dog.start_s, self._clock.monotonic_ns() / 1e9)
        signs = self._signs()
        while not silence.look(self._clock.monotonic_ns() / 1e9):
            await self._clock.sleep(silence.look_s)
            if (now := self._signs()) != signs:
                signs = now
                silence.hear(self._clock.monotonic_ns() / 1e9)
        missing = "no line" if self._trial is None else "no answer"
        why = f": {self.status.reason}" if self.status.reason else ""
        return f"{missing} for {silence.silent_s:.3g} s{why}"

    def _signs(self) -> int:
        return self._answers if self._trial is not None else self._printed()

    async def _probe(self, runner: Runner) -> None:
        started_ns = self._clock.monotonic_ns()
        after_s = 0.0
        reasons = runner.reasons() if self._trial is None else self._reasons(self._trial)
        async for reason in reasons:
            if not reason:
                after_s = after_s or round(max((self._clock.monotonic_ns() - started_ns) / 1e9, 0.001), 3)
                self._say(phase=service_pb2.SERVICE_PHASE_READY, reason="", ready_after_s=after_s)
            elif after_s:
                self._say(phase=service_pb2.SERVICE_PHASE_UNREADY, reason=reason, ready_after_s=0.0)
            else:
                self._say(reason=reason)

    def _reasons(self, trial: Try) -> AsyncIterator[str]:
        async def counted() -> None:
            await trial()
            self._answers += 1

        probe = self.spec.readiness
        period_s = probe.period_s or DEFAULT_PERIOD_S
        if self.spec.HasField("watchdog"):  # one try that fails is not silence
            period_s = min(period_s, self.spec.watchdog.timeout_s / LOOKS)
        return readiness(counted, period_s, probe.timeout_s, self._clock)

    async def _or_halt(self, work: Awaitable[object]) -> bool:
        """Whether the work was done before it was not to run any more. What the work raises is raised."""
        return await _first(work, self._halt)

    async def _within(self, work: Awaitable[object], limit_s: float) -> None:
        """Wait for the work, until the limit or a hurry."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await _first(work, self._hurry)

    def _say(self, **values: object) -> None:
        before = self.status.SerializeToString(deterministic=True)
        phase = self.status.phase
        for key, value in values.items():
            setattr(self.status, key, value)
        if self.status.SerializeToString(deterministic=True) != before:
            if self.status.phase != phase:
                word = service_pb2.ServicePhase.Name(self.status.phase).removeprefix("SERVICE_PHASE_").lower()
                log.info(f"service {word}", extra=fields(service=self.spec.name, reason=self.status.reason))
            self._changed()


async def _first(work: Awaitable[object], event: asyncio.Event) -> bool:
    """Whether the work ended before the event was set; if not, it was cancelled."""
    working = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return True
        return False
    finally:
        for task in (working, waiting):
            task.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
