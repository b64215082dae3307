"""Names of runs, the lock that makes them unique, and what is left when a run ends or is killed."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.runtime import paths
from skyrack.orchestrator.runtime.files import write_private, write_whole

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

RACER = """
import sys, time
from skyrack.orchestrator.runtime import paths
won = 0
for _ in range(200):
    try:
        path, lock = paths.claim("one")
    except paths.Busy:
        continue
    marker = path / "mine"
    marker.touch(exist_ok=False)
    assert paths.is_held("one")
    assert (path / "nodes").is_dir()
    marker.unlink()
    paths.release("one", lock)
    won += 1
print(won)
"""


@pytest.fixture(autouse=True)
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory of all runs; not there yet. Not below pytest's own, which is too long for sockets."""
    with tempfile.TemporaryDirectory(prefix="sr-", dir="/tmp") as directory:
        monkeypatch.setenv("SKYRACK_SOCKET_DIR", f"{directory}/s")
        yield Path(directory, "s")


def test_a_claim_is_exclusive_and_its_release_leaves_nothing(base: Path) -> None:
    path, lock = paths.claim("one")
    assert path == base / "one"
    assert path.stat().st_mode & 0o777 == 0o700
    assert paths.live_runs() == ["one"]
    with pytest.raises(paths.Busy):
        paths.claim("one")
    paths.release("one")  # not ours to remove: somebody holds it
    assert path.is_dir()
    paths.release("one", lock)
    assert not base.exists()


def test_asking_who_is_up_never_makes_a_run_look_held() -> None:
    _, lock = paths.claim("one")
    os.close(lock)  # as a kill leaves it
    assert paths.leftovers() == ["one"]
    assert [paths.is_held("one") for _ in range(3)] == [False] * 3
    assert paths.live_runs() == []
    _, lock = paths.claim("one")
    paths.release("one", lock)


def test_a_lock_lives_as_long_as_any_process_that_inherited_it() -> None:
    _, lock = paths.claim("one")
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,), stdout=subprocess.DEVNULL
    )
    os.close(lock)
    assert paths.is_held("one")
    child.communicate(b"\n")
    assert not paths.is_held("one")
    assert paths.leftovers() == ["one"]


def test_what_a_killed_run_left_is_cleared_by_the_next_claim() -> None:
    path, lock = paths.claim("one")
    (path / "nodes" / "old.sock").touch()
    os.close(lock)
    path, lock = paths.claim("one")
    assert list((path / "nodes").iterdir()) == []
    paths.release("one", lock)


def test_processes_that_race_for_a_name_never_share_it() -> None:
    racers = [subprocess.Popen([sys.executable, "-c", RACER], stdout=subprocess.PIPE) for _ in range(3)]
    said = [racer.communicate()[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert sum(map(int, said)) > 0  # each found its claim empty, or it would have failed


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=80))
def test_no_name_of_a_run_leads_out_of_the_directory(name: str) -> None:
    if paths.is_run_name(name):
        assert (Path("/base") / name).parent == Path("/base")
        assert Path(f"/base/{name}.lock").stem == name
    else:
        assert paths.read_record(name) is None
        with pytest.raises(ValueError, match="cannot name a run"):
            paths.claim(name)
        paths.release(name)


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc", "a.b", "-a", "a" * 64, "a\n", "a\x00"])
def test_these_name_no_run(name: str) -> None:
    assert not paths.is_run_name(name)


def test_a_directory_that_is_too_deep_for_sockets_is_refused_with_the_lengths(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYRACK_SOCKET_DIR", "/" + "x" * 60)
    with pytest.raises(ValueError, match=r"too long for Unix sockets \(\d+ bytes .* 107 at most\)"):
        paths.socket_dir("one")


@pytest.mark.parametrize("runtime", ["", "relative", "/nonexistent", "/proc/1"])
def test_a_runtime_directory_that_is_not_ours_is_as_good_as_unset(
    runtime: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SKYRACK_SOCKET_DIR")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    assert paths.base_dir() == Path("/tmp/skyrack-12345")


def test_a_runtime_directory_of_ours_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SKYRACK_SOCKET_DIR")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert paths.base_dir() == tmp_path / "skyrack"


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o720, 0o702])
def test_a_directory_that_others_can_write_to_is_refused(base: Path, mode: int) -> None:
    base.mkdir()
    base.chmod(mode)
    with pytest.raises(PermissionError, match="others can write"):
        paths.claim("a")
    assert list(base.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a link that is somebody else's")
def test_somebody_elses_link_to_a_directory_of_ours_is_refused(base: Path, tmp_path: Path) -> None:
    (tmp_path / "home" / "a").mkdir(parents=True)
    base.symlink_to(tmp_path / "home")
    os.lchown(base, 54321, 54321)
    with pytest.raises(PermissionError, match="another user"):
        paths.claim("a")
    assert (tmp_path / "home" / "a").exists()


def test_records_are_read_back_and_broken_ones_are_none(base: Path) -> None:
    path, lock = paths.claim("one")
    assert paths.read_record("one") is None
    record = paths.RunRecord("one", 42, "/runs/x", "digest")
    paths.write_record(record)
    assert paths.read_record("one") == record
    for broken in ("", "{", "[]", '{"run": "one"}', '{"run": "one", "pid": 1, "run_dir": "", "more": 1}'):
        (path / "run.json").write_text(broken)
        assert paths.read_record("one") is None
    paths.release("one", lock)


def test_run_directories_of_the_same_second_differ_and_latest_is_the_newest(tmp_path: Path) -> None:
    made = [paths.new_run_dir(tmp_path / "runs", "demo", NOW) for _ in range(3)]
    assert [path.name for path in made] == [f"20260102T030405Z-demo{tail}" for tail in ("", "-2", "-3")]
    for path in made:
        (path / "scenario.yaml").touch()
        paths.point_latest_at(path)
        assert (tmp_path / "runs" / "latest").resolve() == path.resolve()
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {*(path.name for path in made), "latest"}


def test_a_run_that_never_ran_gives_latest_back(tmp_path: Path) -> None:
    first = paths.new_run_dir(tmp_path, "a", NOW)
    (first / "scenario.yaml").touch()
    paths.point_latest_at(first)
    second = paths.new_run_dir(tmp_path, "b", NOW)
    paths.point_latest_at(second)
    paths.discard_run_dir(second)
    assert (tmp_path / "latest").resolve() == first.resolve()
    paths.discard_run_dir(first)
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_a_files_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for write in (write_whole, write_private):
        (tmp_path / "file").unlink(missing_ok=True)
        (tmp_path / "file").symlink_to(victim)
        write(tmp_path / "file", "text")
        assert not (tmp_path / "file").is_symlink()
    assert victim.read_text() == "precious"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", "text")
    assert (tmp_path / "file").read_text() == "text"
    (tmp_path / "directory").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "directory", "text")
    with pytest.raises(OSError, match="nowhere"):
        write_whole(tmp_path / "nowhere" / "file", "text")
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"file"}
    with contextlib.suppress(OSError):
        (tmp_path / "directory").rmdir()
