"""Run directory files: streamed lines survive a full disk, whole files are old or new."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from skyrack.orchestrator.report.files import LineFile, ReportError, set_aside, write_whole


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Stands for a full disk: a write beyond `size` bytes of a file is cut short, the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_keeps_whole_lines_and_says_so_once(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "history.jsonl")
    file.write(["first"])
    with disk_of(15):
        file.write(["second", "third", "fourth"])
        file.write(["fifth"])
    file.close()
    assert (tmp_path / "history.jsonl").read_text() == "first\nsecond\n"
    assert (file.lines, file.lost) == (2, 3)
    assert file.error is not None
    assert "first 2 lines are safe" in file.error


def test_a_file_that_cannot_be_made_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="No such file or directory"):
        LineFile(tmp_path / "nowhere" / "history.jsonl")


def test_a_failed_rewrite_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_whole(path, "old")
    with disk_of(4), pytest.raises(ReportError, match=r"cannot write .*result\.json"):
        write_whole(path, "much newer")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_earlier_results_are_set_aside_by_number_and_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("{}")
    assert set_aside(tmp_path) is None
    for number in (1, 2):
        (tmp_path / "result.json").write_text(str(number))
        assert set_aside(tmp_path) == tmp_path / f"earlier-00{number}"
    assert (tmp_path / "earlier-002" / "result.json").read_text() == "2"
    assert (tmp_path / "events.jsonl").exists()
