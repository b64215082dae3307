"""Orchestrator and fabric read the same memory and the same configuration."""

import os
import socket
from dataclasses import replace

import pytest

from skyrack.orchestrator.fabric import handover
from skyrack.orchestrator.fabric.wire import FabricConfig, SharedArrays

CONFIG = FabricConfig(
    t0_monotonic_ns=123_456_789_012_345_678,
    base_address=0x64400001,
    names=["a", "b", "c"],
    rows=[0, -1, 1],
    max_links=5,
    n_rows=2,
    n_drops=10,
    n_buckets=16,
    seed=3,
    spin_s=1e-4,
    n_flows=4,
)
ARRAYS = (
    "s_per_byte", "queue_s", "loss_ratio", "extra_s", "corrupt_ratio", "segments", "scalars", "drops", "lateness",
    "ingress_lag", "link_counters", "node_counters", "src", "dst", "routes", "adopt_at", "adopt_node", "flow_src", "flow_dst",
    "flow_bps", "flow_counters",
)  # fmt: skip


def test_a_fabric_reads_the_configuration_that_was_meant() -> None:
    assert FabricConfig.from_json(CONFIG.to_json()) == CONFIG


def test_a_configuration_longer_than_a_message_and_the_memory_arrive_whole() -> None:
    many = replace(CONFIG, names=[f"satellite-number-{i}" for i in range(20_000)])
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    memory = os.memfd_create("memory")
    with ours, theirs:
        os.write(memory, b"shared")
        handover.send_serve(ours, many, memory)
        config, received = handover.receive_serve(theirs)
        assert config == many
        assert os.pread(received, 100, 0) == b"shared"
        assert not os.get_inheritable(received)
        os.close(received)
        ours.send(b'{"op":"stats"}')
        with pytest.raises(handover.HandoverError, match="expected serve"):
            handover.receive_serve(theirs)
        ours.close()
        with pytest.raises(handover.HandoverError, match="ended"):
            handover.receive_serve(theirs)
    os.close(memory)


def test_no_two_arrays_share_a_byte_and_all_lie_within_the_memory() -> None:
    memory = bytearray(SharedArrays(CONFIG).size_bytes)
    ours, theirs = SharedArrays(CONFIG, memory), SharedArrays(CONFIG, memory)
    for value, name in enumerate(ARRAYS, 1):
        ours[name][...] = value
    for value, name in enumerate(ARRAYS, 1):
        assert (theirs[name] == value).all(), name
        assert theirs[name].flags.aligned
    assert theirs["routes"].shape[1] == 2 * 3
