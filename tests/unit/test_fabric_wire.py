"""Orchestrator and fabric read the same memory and the same configuration."""

from pathlib import Path

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
)
ARRAYS = (
    "s_per_byte", "queue_s", "loss_ratio", "segments", "scalars", "drops", "lateness", "ingress_lag",
    "link_counters", "node_counters", "src", "dst", "routes",
)  # fmt: skip


def test_a_restarted_fabric_reads_the_configuration_its_predecessor_had(tmp_path: Path) -> None:
    CONFIG.save(tmp_path / "fabric.json")
    assert FabricConfig.load(tmp_path / "fabric.json") == CONFIG


def test_no_two_arrays_share_a_byte_and_all_lie_within_the_memory() -> None:
    memory = bytearray(SharedArrays(CONFIG).size_bytes)
    ours, theirs = SharedArrays(CONFIG, memory), SharedArrays(CONFIG, memory)
    for value, name in enumerate(ARRAYS, 1):
        ours[name][...] = value
    for value, name in enumerate(ARRAYS, 1):
        assert (theirs[name] == value).all(), name
        assert theirs[name].flags.aligned
    assert theirs["routes"].shape[1] == 2 * 3
