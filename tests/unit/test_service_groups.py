"""Control groups of services: what is written where, what is left, and what is said where there can be none."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyrack.orchestrator.runtime.services.groups import Groups, find_hierarchies, remove_recorded

V1 = "12:cpu,cpuacct:/user\n5:memory:/elsewhere\n0::/\n"


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    (tmp_path / "cpu" / "user").mkdir(parents=True)
    (tmp_path / "memory").mkdir()
    return tmp_path


@pytest.fixture
def version_2(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpu memory")
    (tmp_path / "cgroup.subtree_control").touch()
    return tmp_path


def test_version_1_is_used_below_the_own_group_or_where_that_is_mounted(version_1: Path) -> None:
    found = find_hierarchies(V1, version_1)
    assert found is not None
    assert found.version == 1
    assert found.dirs == {"cpu": version_1 / "cpu" / "user", "memory": version_1 / "memory"}


def test_version_2_is_used_below_its_root(version_2: Path) -> None:
    found = find_hierarchies("0::/user.slice\n", version_2)
    assert found is not None
    assert (found.version, found.dirs["cpu"]) == (2, version_2)


def test_without_hierarchies_each_limit_is_a_note(tmp_path: Path) -> None:
    assert find_hierarchies("", tmp_path) is None
    group = Groups("r", tmp_path / "record", None).make("a", "etcd", 0.5, 10.0)
    assert group.dirs == []
    assert group.notes == ["no cpu limit: no control groups here", "no memory limit: no control groups here"]


def test_limits_are_written_as_each_version_wants_them(version_1: Path) -> None:
    groups = Groups("r", version_1 / "record", find_hierarchies(V1, version_1))
    cpu, memory = groups.make("a", "etcd", 0.5, 256.0).dirs
    assert (cpu / "cpu.cfs_period_us").read_text() == "20000"
    assert (cpu / "cpu.cfs_quota_us").read_text() == "10000"
    assert (memory / "memory.limit_in_bytes").read_text() == "256000000"


def test_version_2_has_both_limits_in_one_group(version_2: Path) -> None:
    groups = Groups("r", version_2 / "record", find_hierarchies("0::/\n", version_2))
    (group,) = groups.make("a", "etcd", 1.5, 256.0).dirs
    assert (group / "cpu.max").read_text() == "30000 20000"
    assert (group / "memory.max").read_text() == "256000000"
    assert (group.parent / "cgroup.subtree_control").read_text() == "+cpu +memory"


def test_a_sliver_of_a_core_is_a_longer_period_and_never_a_quota_the_kernel_refuses(version_2: Path) -> None:
    groups = Groups("r", version_2 / "record", find_hierarchies("0::/\n", version_2))
    (group,) = groups.make("a", "etcd", 0.01, None).dirs
    assert (group / "cpu.max").read_text() == "10000 1000000"


def test_what_a_killed_run_has_written_down_is_removed_and_nothing_else(tmp_path: Path) -> None:
    ours, other = tmp_path / "skyrack-r-1" / "a.etcd", tmp_path / "other"
    ours.mkdir(parents=True)
    other.mkdir()
    record = tmp_path / "record"
    record.write_text(f"{ours.parent}\n{ours}\n{other}\n")
    remove_recorded(record)
    assert not ours.parent.exists()
    assert other.exists()
    remove_recorded(tmp_path / "missing")


def test_a_kill_for_want_of_memory_is_counted_in_both_versions(version_1: Path) -> None:
    groups = Groups("r", version_1 / "record", find_hierarchies(V1, version_1))
    group = groups.make("a", "etcd", None, 256.0)
    assert group.oom_kills() == 0
    (group.dirs[0] / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert group.oom_kills() == 2


def test_a_share_of_a_core_is_a_group_that_can_be_had_again(version_1: Path) -> None:
    groups = Groups("r", version_1 / "record", find_hierarchies(V1, version_1))
    group = groups.share("fault.a", 0.2)
    assert group is not None
    assert (group / "cpu.cfs_quota_us").read_text() == "4000"
    assert str(group) in (version_1 / "record").read_text()
    for file in group.iterdir():  # the kernel's go with their directory
        file.unlink()
    groups.remove_dir(group)
    assert not group.exists()
    assert groups.share("fault.a", 0.5) == group


def test_without_hierarchies_there_is_no_share(tmp_path: Path) -> None:
    assert Groups("r", tmp_path / "record", None).share("fault.a", 0.2) is None


def test_version_2_says_that_a_group_limits_both(version_2: Path) -> None:
    assert Groups("r", version_2 / "record", find_hierarchies("0::/\n", version_2)).in_one
