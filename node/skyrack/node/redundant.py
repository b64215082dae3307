"""`python -m skyrack.node.redundant --copies 3 -- CMD`: run a task several times at once, and have its results voted on.

    CMD --stdout--> memory --.
    CMD --stdout--> memory --+--> compared byte for byte, exit status too --> the majority's stdout, stderr and exit status
    CMD --stdout--> memory --'                                  '--> no majority: all of it again

Three copies correct one that is wrong, crashes or hangs; two only find out, and repeat. CMD's stdin is empty, and what it
writes to files is not compared. This process itself is not redundant.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from skyrack.node.redundancy import NO_RESULT, Outcome, Vote, vote
from skyrack.v1 import namespaces

NO_MAJORITY = 125  # as other programs that run programs say that they themselves have failed
NOT_EXECUTED = 127
MOST_COPIES = 9
# Once one has ended, the others may take as long again, and this much at least.
LEAST_GRACE_S = 1.0
_READ_BYTES = 1 << 20


@dataclass
class Copy:
    """One that runs, and what it prints."""

    process: subprocess.Popen[bytes]
    pidfd: int
    out: int
    err: int
    outcome: Outcome = NO_RESULT

    @classmethod
    def start(cls, command: list[str]) -> Copy:
        """Raises OSError."""
        out, err = os.memfd_create("stdout"), os.memfd_create("stderr")
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=lambda: namespaces.die_with_parent(signal.SIGKILL),
            )
        except OSError:
            os.close(out)
            os.close(err)
            raise
        return cls(process, os.pidfd_open(process.pid), out, err)

    def reap(self) -> None:
        """Take notice of its end, which must have come; what it has left behind in its group ends with it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # before another process can have its number
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.outcome = Outcome(self.process.returncode, usage.ru_utime + usage.ru_stime)

    def kill(self) -> None:
        """End it, unless it has ended: it has no result then."""
        if self.process.returncode is None:
            self.reap()
            self.outcome = replace(self.outcome, status=None)

    def close(self) -> None:
        """Forget it."""
        for descriptor in (self.pidfd, self.out, self.err):
            os.close(descriptor)


class Attempt:
    """All copies, once."""

    def __init__(self, command: list[str], copies: int) -> None:
        """Raises OSError when the command cannot be executed."""
        self._began_s = time.monotonic()  # clock.py would bring asyncio along
        self.copies: list[Copy] = []
        try:
            for _ in range(copies):
                self.copies.append(Copy.start(command))
        except OSError:
            self.end()
            raise

    @property
    def passed_s(self) -> float:
        """Time since its beginning."""
        return time.monotonic() - self._began_s

    def wait(self, limit_s: float | None) -> None:
        """Until all have ended, or those that have not are late."""
        poll = select.poll()
        running = {copy.pidfd: copy for copy in self.copies}
        for pidfd in running:
            poll.register(pidfd, select.POLLIN)
        while running:
            # One more look when time is up: who has ended in time counts, however late this process gets to look.
            ended = poll.poll(None if limit_s is None else max(0.0, limit_s - self.passed_s) * 1e3)
            if not ended:
                break
            for pidfd, _ in ended:
                poll.unregister(pidfd)
                copy = running.pop(pidfd)
                copy.reap()
                if copy.outcome.votes:
                    grace_s = self.passed_s + max(LEAST_GRACE_S, self.passed_s)
                    limit_s = grace_s if limit_s is None else min(limit_s, grace_s)
        for copy in self.copies:
            copy.kill()

    def vote(self) -> Vote:
        """On what they have printed."""
        outs = [copy.out for copy in self.copies]
        return vote(
            [copy.outcome for copy in self.copies], lambda a, b: first_difference(outs[a], outs[b]) is None
        )

    def said(self, of: Vote) -> str:
        """The vote in a sentence."""
        agree = f"copies {_and(of.agree)} agree" if of.agree else "no majority"
        return "; ".join([agree, *(f"copy {index + 1} {self._what(index, of)}" for index in of.differ)])

    def _what(self, index: int, of: Vote) -> str:
        status = self.copies[index].outcome.status
        if status is None:
            return "has not ended in time"
        if status < 0:
            return f"was killed by signal {-status}"
        if of.agree and status != self.copies[of.agree[0]].outcome.status:
            return f"ended with status {status}"
        other = of.agree[0] if of.agree else next(i for i in range(len(self.copies)) if i != index)
        place = first_difference(self.copies[index].out, self.copies[other].out)
        return f"differs from byte {place}" if place is not None else "differs"

    def record(self, number: int, of: Vote) -> dict[str, Any]:
        """What a report has of it; copies count from 1."""
        return {
            "attempt": number,
            "agree": [index + 1 for index in of.agree],
            "differ": [index + 1 for index in of.differ],
            "statuses": [copy.outcome.status for copy in self.copies],
            "cpu_s": round(sum(copy.outcome.cpu_s for copy in self.copies), 3),
            "wall_s": round(self.passed_s, 3),
        }

    def end(self) -> None:
        """Leave nothing of it."""
        for copy in self.copies:
            copy.kill()
            copy.close()


def first_difference(a: int, b: int) -> int | None:
    """The first byte in which two files differ; None: in none."""
    for offset in count(0, _READ_BYTES):
        one, other = os.pread(a, _READ_BYTES, offset), os.pread(b, _READ_BYTES, offset)
        if one != other:
            pairs = zip(one, other, strict=False)
            shorter = min(len(one), len(other))
            return offset + next((at for at, (x, y) in enumerate(pairs) if x != y), shorter)
        if not one:
            return None
    raise AssertionError


def main() -> int:
    """The majority's exit status; NO_MAJORITY without one in all attempts, NOT_EXECUTED where the command cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m skyrack.node.redundant", description="Run copies of a task and vote on their results."
    )
    parser.add_argument("--copies", type=int, default=3, help="how many, 2 to 9")
    parser.add_argument("--attempts", type=int, default=3, help="how often at most without a majority")
    parser.add_argument("--timeout", type=float, help="seconds that an attempt may take")
    parser.add_argument("--report", help="file that gets a line of JSON per attempt")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="after --: the program and its arguments")
    arguments = parser.parse_args()
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command or not 2 <= arguments.copies <= MOST_COPIES or arguments.attempts < 1:
        parser.error(f"expected a command, 2 to {MOST_COPIES} copies and one attempt at least")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for number in range(1, arguments.attempts + 1):
        try:
            attempt = Attempt(command, arguments.copies)
        except OSError as error:
            print(f"redundant: {command[0]}: {error.strerror}", file=sys.stderr)
            return NOT_EXECUTED
        try:
            attempt.wait(arguments.timeout)
            votes = attempt.vote()
            if votes.differ:
                print(f"redundant: attempt {number}: {attempt.said(votes)}", file=sys.stderr, flush=True)
            if arguments.report:
                with open(arguments.report, "a") as file:
                    file.write(f"{json.dumps(attempt.record(number, votes))}\n")
            if votes.agree:
                return _take(attempt.copies[votes.agree[0]])
        finally:
            attempt.end()
    print(f"redundant: no majority in {arguments.attempts} attempts", file=sys.stderr)
    return NO_MAJORITY


def _take(copy: Copy) -> int:
    for source, descriptor in ((copy.err, 2), (copy.out, 1)):
        for offset in count(0, _READ_BYTES):
            data = os.pread(source, _READ_BYTES, offset)
            if not data:
                break
            while data:
                data = data[os.write(descriptor, data) :]
    assert copy.outcome.status is not None
    return copy.outcome.status


def _and(indices: tuple[int, ...]) -> str:
    names = [str(index + 1) for index in indices]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


if __name__ == "__main__":
    sys.exit(main())
