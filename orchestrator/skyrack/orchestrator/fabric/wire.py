"""What the orchestrator and the fabric share: one memory of packed arrays, and JSON messages that say when to look.

    memory    links      src dst s_per_byte queue_s loss_ratio extra_s corrupt_ratio
                                               one entry per directed link, pairs (2k, 2k+1)
              segments   SEGMENT_SLOTS x { delay_s slope }               a link's delay over one interval, -1: dark
              routes     ROUTE_SLOTS x [row, node] -> link
              adopt      ROUTE_SLOTS x { at node }                 who follows that table from when on, ascending
              flows      src dst bps           open-ended declared flows
              counters   written by the fabric when asked

    orchestrator -> fabric   {"op": "serve"} + SCM_RIGHTS [configuration, memory]    first, once (handover.py)
                             {"op": "links", "at", "ids"}         (re)create these links from the memory
                             {"op": "segment", "at", "slot", "slack_s"}    from `at` on, delays, none below slack_s
                             {"op": "parameters", "at", "n", "more"} NUL f8[5][n] u4[n]   values of the links u4; with
                                                                  "more" they wait for the next message
                             {"op": "routes", "at", "slot"}
                             {"op": "adopt", "slot", "count"}     so many nodes, one by one
                             {"op": "lit", "at", "nodes", "lit"}
                             {"op": "cuts", "at", "more"} NUL a part of what cuts.py packs; with "more" the rest comes
                                                                  next; all that there are from `at` on, none if empty
                             {"op": "transfer", "id", "at", "src", "dst", "bytes", "class"}     begin a declared transfer
                             {"op": "cancel", "id"}               end it now
                             {"op": "flows", "at", "n", "quantum_bytes"}    from `at` on the first n flows of the memory
                             {"op": "read", "read", "at", "n", "nodes"} NUL u4[n] and what cuts.py packs of sides
                                                                  what links, nodes and ways from one side to the other
                                                                  are like at `at`
                             {"op": "stats", "links": bool}
                             {"op": "end"}                        end at once, as by SIGKILL, with status ENDED_ON_REQUEST
    fabric -> orchestrator   {"op": "up"} {"op": "lit"|"dark", "node", "at"} {"op": "stats"}
                             {"op": "read", "read", "lit", "cut"} NUL f8[n][5]   the answer; NaN: there is no such link;
                                                                  cut: how many ways of those of each two sides
                             {"op": "transfer", "id", "at", "bytes", "lost", "state"}
                             {"op": "held_up", "since", "at"}     the host kept it waiting, or it heard too late of an
                                                                  order: what is said of this time may have come to be
                                                                  at its end only

A slot is reused only when no node follows it any more (route_slots.py) or after SLOTS - 1 newer segments, so the fabric swaps
references and copies nothing. Parameters come in the message: what the memory says may be for another instant already.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

ENDED_ON_REQUEST = 70  # no success, so that whoever keeps the process starts it again
SEGMENT_SLOTS = 16
ROUTE_SLOTS = 32  # epochs announced ahead, and views that are being adopted
MAX_MESSAGE_BYTES = 65536
IDS_PER_MESSAGE = 4096
PARAMETERS = ("s_per_byte", "queue_s", "loss_ratio", "extra_s", "corrupt_ratio")
PARAMETERS_PER_MESSAGE = 1400
CUT_BYTES_PER_MESSAGE = 60_000
SIDE_BYTES_PER_MESSAGE = 30_000
READ_PER_MESSAGE = 256  # 0.1 ms of the loop
SCALARS = (
    "ingress_packets", "ingress_bytes", "delivered_packets", "delivered_bytes", "busy_s", "wakeups", "late_segments",
    "written_at_s", "max_lateness_s", "sum_lateness_s", "max_ingress_lag_s", "sum_ingress_lag_s", "loops",
    "corrupted",
)  # fmt: skip
LINK_COUNTERS = ("packets", "bytes", "dropped_queue", "dropped_loss", "wait_s")
CLASS_COUNTERS = (
    "compute_packets",
    "compute_bytes",
    "compute_dropped_queue",
)  # what is not compute is best effort
NODE_COUNTERS = ("tx_packets", "tx_bytes", "rx_packets", "rx_bytes")
FLOW_COUNTERS = ("sent", "delivered", "lost")  # bytes


@dataclass(frozen=True)
class FabricConfig:
    """Everything the fabric knows before the first order."""

    t0_monotonic_ns: int
    base_address: int
    names: list[str]
    rows: list[int]
    max_links: int
    n_rows: int
    n_drops: int
    n_buckets: int
    seed: int
    spin_s: float
    n_flows: int = 0
    scheduling: str = ""  # "strict" or "weighted" where links have two classes
    compute_share: float = 0.0
    compute_dscp: list[int] = field(default_factory=list)

    def to_json(self) -> bytes:
        """What `from_json` reads."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> FabricConfig:
        """What `to_json` wrote. Raises ValueError, TypeError."""
        return cls(**json.loads(text))


class SharedArrays:
    """Typed views of the shared memory; the same on both sides."""

    def __init__(self, config: FabricConfig, memory: Any | None = None) -> None:
        m, cells = config.max_links, config.n_rows * len(config.names)
        plan: list[tuple[str, str, tuple[int, ...]]] = [
            ("s_per_byte", "f8", (m,)),
            ("queue_s", "f8", (m,)),
            ("loss_ratio", "f8", (m,)),
            ("extra_s", "f8", (m,)),
            ("corrupt_ratio", "f8", (m,)),
            ("segments", "f8", (SEGMENT_SLOTS, 2, m)),
            ("scalars", "f8", (len(SCALARS),)),
            ("drops", "f8", (config.n_drops,)),
            ("lateness", "f8", (config.n_buckets,)),
            ("ingress_lag", "f8", (config.n_buckets,)),
            ("link_counters", "f8", (len(LINK_COUNTERS), m)),
            ("class_counters", "f8", (len(CLASS_COUNTERS), m)),
            ("node_counters", "f8", (len(NODE_COUNTERS), len(config.names))),
            ("flow_bps", "f8", (config.n_flows,)),
            ("flow_counters", "f8", (len(FLOW_COUNTERS), config.n_flows)),
            ("adopt_at", "f8", (ROUTE_SLOTS, len(config.names))),
            ("src", "u4", (m,)),
            ("dst", "u4", (m,)),
            ("routes", "u4", (ROUTE_SLOTS, cells)),
            ("adopt_node", "u4", (ROUTE_SLOTS, len(config.names))),
            ("flow_src", "u4", (config.n_flows,)),
            ("flow_dst", "u4", (config.n_flows,)),
        ]
        self._views: dict[str, NDArray[Any]] = {}
        offset = 0
        for name, kind, shape in plan:
            size = int(np.prod(shape)) * int(kind[1])
            if memory is not None:
                self._views[name] = np.frombuffer(memory, kind, int(np.prod(shape)), offset).reshape(shape)
            offset += size
        self.size_bytes = offset + 8

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._views[name]
