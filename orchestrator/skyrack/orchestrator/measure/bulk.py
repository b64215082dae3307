"""`skyrack load bulk`: declared transfers asked of the nodes themselves, each against what an idle way would take.

    lane (thread) --gRPC Transfer--> nodes/A.sock --> orchestrator --> fabric      one lane: one transfer after the other

All times are virtual, from the fabric: how busy this process is changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import grpc

from skyrack.v1 import transfer_pb2, transfer_pb2_grpc


@dataclass(frozen=True, slots=True)
class Bulk:
    """What to send: every pair has `parallel` lanes of transfers of `size_bytes`, each lane `repeat` of them.

    With `span_s` a lane goes on until that much run time has passed since its first start.
    """

    pairs: tuple[tuple[str, str], ...]
    size_bytes: int
    parallel: int
    repeat: int
    span_s: float | None
    compute: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """One transfer. `took_s` and `idle_s` are None where it did not begin; `error` None where it was done."""

    pair: str
    size_bytes: int
    delivered_bytes: int
    resent_bytes: int
    started_s: float | None
    took_s: float | None
    idle_s: float | None
    path: tuple[str, ...]
    error: str | None
    bundle: bool = False
    """Stored and forwarded: `idle_s` is what was computed at the start, `path` the stores."""

    @property
    def ratio(self) -> float | None:
        """The idle way's time over the time it took, 1 at best; None unless it was done."""
        if self.error is not None or self.idle_s is None or not self.took_s:
            return None
        return self.idle_s / self.took_s


class BulkRun:
    """Runs a Bulk; `stop`, from any thread, cancels what is under way.

    `tell(pair, progress)`: hears, from any thread, of a bundle that is somewhere else now or is to go on otherwise.
    """

    def __init__(
        self,
        bulk: Bulk,
        mesh_dir: Path,
        tell: Callable[[str, transfer_pb2.TransferProgress], None] = lambda pair, progress: None,
    ) -> None:
        self._bulk = bulk
        self._mesh_dir = mesh_dir
        self._tell = tell
        self._lock = threading.Lock()
        self._calls: set[Any] = set()
        self.stopped = False

    def run(self) -> list[Sent]:
        """Every transfer that was asked for, in the order of their pairs and lanes."""
        lanes = [pair for pair in self._bulk.pairs for _ in range(self._bulk.parallel)]
        with ThreadPoolExecutor(len(lanes), "lane") as pool:
            return [sent for lane in pool.map(self._lane, lanes) for sent in lane]

    def stop(self) -> None:
        """Cancel everything."""
        with self._lock:
            self.stopped = True
            calls = list(self._calls)
        for call in calls:
            call.cancel()

    def _lane(self, pair: tuple[str, str]) -> list[Sent]:
        found: list[Sent] = []
        with grpc.insecure_channel(f"unix:{self._mesh_dir}/nodes/{pair[0]}.sock") as channel:
            stub = transfer_pb2_grpc.MeshServiceStub(channel)
            while not self.stopped and self._goes_on(found):
                found.append(self._send(stub, pair))
        return found

    def _goes_on(self, found: Sequence[Sent]) -> bool:
        span_s = self._bulk.span_s
        if span_s is None or not found:
            return len(found) < self._bulk.repeat
        first, last = found[0], found[-1]
        if last.error is not None or first.started_s is None:
            return False  # to ask again at once would be refused again
        assert last.started_s is not None
        assert last.took_s is not None
        return last.started_s + last.took_s < first.started_s + span_s

    def _send(self, stub: transfer_pb2_grpc.MeshServiceStub, pair: tuple[str, str]) -> Sent:
        bulk = self._bulk
        newest: transfer_pb2.TransferProgress | None = None
        error: str | None = None
        name, custody = f"{pair[0]}>{pair[1]}", transfer_pb2.Custody()
        bundle = False
        call = stub.Transfer(
            transfer_pb2.TransferRequest(
                destination=pair[1],
                bytes=bulk.size_bytes,
                traffic_class=(
                    transfer_pb2.TRAFFIC_CLASS_COMPUTE
                    if bulk.compute
                    else transfer_pb2.TRAFFIC_CLASS_BEST_EFFORT
                ),
            )
        )
        with self._lock:
            self._calls.add(call)
            if self.stopped:
                call.cancel()
        try:
            for response in call:
                newest = response.progress
                bundle = bundle or newest.HasField("custody")
                if newest.HasField("custody") and newest.custody != custody:
                    custody = newest.custody
                    self._tell(name, newest)
            if newest is None or newest.state != transfer_pb2.TRANSFER_STATE_DONE:
                error = "the node ended the stream before the transfer was done"
        except grpc.RpcError as failure:
            error = "stopped" if self.stopped else f"{failure.code().name}: {failure.details()}"
        finally:
            with self._lock:
                self._calls.discard(call)
        if newest is None:
            return Sent(name, bulk.size_bytes, 0, 0, None, None, None, (), error)
        return Sent(
            pair=name,
            size_bytes=bulk.size_bytes,
            delivered_bytes=newest.delivered_bytes,
            resent_bytes=newest.resent_bytes,
            started_s=newest.started_at_run_s,
            took_s=newest.at_run_s - newest.started_at_run_s,
            idle_s=newest.idle_s,
            path=tuple(newest.path),
            error=error,
            bundle=bundle,
        )


def judge(bulk: Bulk, sent: Sequence[Sent], min_ratio: float | None) -> dict[str, Any]:
    """The result as JSON values: `ok` when every transfer was done and none was slower than `min_ratio` allows."""
    failed = [transfer for transfer in sent if transfer.error is not None]
    ratios = [transfer.ratio for transfer in sent if transfer.ratio is not None]
    worst = min(ratios, default=None)
    checks: list[dict[str, Any]] = [
        {
            "name": "every transfer was done",
            "ok": not failed,
            "value": len(failed),
            "limit": 0,
            "unit": "transfers",
        }
    ]
    reasons = [f"{transfer.pair}: {transfer.error}" for transfer in failed]
    if min_ratio is not None:
        name = f"ratio >= {min_ratio:g}"
        holds = None if worst is None else worst >= min_ratio
        checks.append({"name": name, "ok": holds, "value": worst, "limit": min_ratio, "unit": "ratio"})
        if holds is False:
            reasons.append(f"{name} does not hold")
    verdict = "ok" if all(check["ok"] is True for check in checks) else "bad"
    return {
        "verdict": verdict,
        "checks": checks,
        "reasons": reasons,
        "transfers": [asdict(transfer) | {"ratio": transfer.ratio} for transfer in sent],
        "run": {"workload": {"kind": "bulk", **asdict(bulk)}},
    }
