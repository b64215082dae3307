"""A result is right when most copies have it: one that is wrong, crashes or hangs is outvoted, and crashes do not agree."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from skyrack.node.redundancy import NO_RESULT, Outcome, vote
from skyrack.node.redundant import NO_MAJORITY
from skyrack.v1.redundant import redundant

# Which copy one is: whoever makes the next directory.
WHICH = "n=1; while ! mkdir d$n 2>/dev/null; do n=$((n+1)); done; "
CRASH = Outcome(-11)


@pytest.mark.parametrize(
    ("outcomes", "printed", "agree", "differ"),
    [
        ([0, 0, 0], "aaa", (0, 1, 2), ()),
        ([0, 0, 0], "aba", (0, 2), (1,)),
        ([0, 0, 0], "abc", (), (0, 1, 2)),
        ([0, 1, 1], "aaa", (1, 2), (0,)),
        ([-11, 0, 0], "aaa", (1, 2), (0,)),
        ([-11, -11, 0], "aab", (), (0, 1, 2)),
        ([None, 3, 3], "aaa", (1, 2), (0,)),
        ([0, 0], "aa", (0, 1), ()),
        ([0, 0], "ab", (), (0, 1)),
        ([0, None], "aa", (), (0, 1)),
    ],
)
def test_more_than_half_of_all_copies_make_a_result(
    outcomes: list[int | None], printed: str, agree: tuple[int, ...], differ: tuple[int, ...]
) -> None:
    result = vote([Outcome(status) for status in outcomes], lambda a, b: printed[a] == printed[b])
    assert (result.agree, result.differ) == (agree, differ)
    assert not NO_RESULT.votes


def run(cwd: Path, script: str, *options: str, copies: int = 3) -> subprocess.CompletedProcess[str]:
    command = redundant(sys.executable, copies, ["sh", "-c", WHICH + script])
    at = command.index("--")
    command[at:at] = ["--report", "report", *options]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_a_copy_that_prints_something_else_is_outvoted_and_named(tmp_path: Path) -> None:
    done = run(tmp_path, "[ $n = 2 ] && echo 4711 || echo 4712; echo done >&2; exit 3")
    assert (done.stdout, done.returncode) == ("4712\n", 3)
    first, second = done.stderr.splitlines()
    assert "differs from byte 3" in first
    assert second == "done"
    record = json.loads((tmp_path / "report").read_text())
    assert len(record["agree"]) == 2
    assert record["statuses"] == [3, 3, 3]


def test_a_copy_that_crashes_or_hangs_is_outvoted_and_not_waited_for(tmp_path: Path) -> None:
    done = run(tmp_path, "[ $n = 1 ] && kill -SEGV $$; [ $n = 2 ] && exec sleep 1000; echo 5", copies=5)
    assert (done.stdout, done.returncode) == ("5\n", 0)
    assert "was killed by signal 11" in done.stderr
    assert "has not ended in time" in done.stderr


def test_two_that_differ_are_repeated_until_they_agree(tmp_path: Path) -> None:
    done = run(tmp_path, "[ $n = 1 ] && echo x || echo y", copies=2)
    assert (done.stdout, done.returncode) == ("y\n", 0)
    assert "attempt 1: no majority" in done.stderr
    assert len((tmp_path / "report").read_text().splitlines()) == 2


def test_without_a_majority_there_is_no_result(tmp_path: Path) -> None:
    done = run(tmp_path, "echo $n", "--attempts", "2")
    assert (done.stdout, done.returncode) == ("", NO_MAJORITY)
    done = run(tmp_path, "exec sleep 1000", "--attempts", "1", "--timeout", "0.2")
    assert done.returncode == NO_MAJORITY
