"""The run's token: random, whole, only its owner's, and kept by an orchestrator that starts again."""

import os
import stat
from pathlib import Path

import pytest

from skyrack.orchestrator.api.token import TOKEN_FILE, run_token


def test_each_run_has_another_token(tmp_path: Path) -> None:
    tokens = set()
    for name in "abc":
        (tmp_path / name).mkdir()
        tokens.add(run_token(tmp_path / name))
    assert len(tokens) == 3
    assert all(len(token) == 43 for token in tokens)


def test_only_the_owner_can_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        token = run_token(tmp_path)
    finally:
        os.umask(before)
    path = tmp_path / TOKEN_FILE
    assert path.read_text() == token + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [TOKEN_FILE]


def test_a_restarted_orchestrator_keeps_it(tmp_path: Path) -> None:
    assert run_token(tmp_path) == run_token(tmp_path)


@pytest.mark.parametrize("text", ["", "\n", "short", "x" * 44, "x" * 42 + "ä", "x" * 43 + "\nmore"])
def test_a_damaged_one_is_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / TOKEN_FILE
    path.write_text(text)
    path.chmod(0o600)
    assert run_token(tmp_path) == path.read_text().strip() != text


def test_one_that_others_could_read_is_replaced(tmp_path: Path) -> None:
    token = run_token(tmp_path)
    (tmp_path / TOKEN_FILE).chmod(0o640)
    assert run_token(tmp_path) != token
    assert stat.S_IMODE((tmp_path / TOKEN_FILE).stat().st_mode) == 0o600


def test_a_link_somebody_left_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("x" * 43)
    victim.chmod(0o600)
    (tmp_path / TOKEN_FILE).symlink_to(victim)
    assert run_token(tmp_path) != "x" * 43
    assert victim.read_text() == "x" * 43
    assert not (tmp_path / TOKEN_FILE).is_symlink()


def test_a_keeper_gives_a_new_directory_the_old_token(tmp_path: Path) -> None:
    keeper = tmp_path / "run.token"
    tokens = set()
    for name in "abc":  # the directory of sockets ends with each process
        (tmp_path / name).mkdir()
        tokens.add(run_token(tmp_path / name, keeper))
        assert (tmp_path / name / TOKEN_FILE).read_text() == keeper.read_text()
        assert stat.S_IMODE(keeper.stat().st_mode) == 0o600
    assert len(tokens) == 1


def test_a_keeper_that_was_removed_is_a_new_token_everywhere(tmp_path: Path) -> None:
    keeper = tmp_path / "run.token"
    before = run_token(tmp_path, keeper)
    keeper.unlink()
    after = run_token(tmp_path, keeper)
    assert after != before
    assert keeper.read_text() == (tmp_path / TOKEN_FILE).read_text() == after + "\n"
