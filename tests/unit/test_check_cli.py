"""`skyrack check`: what is on disk is judged, what is damaged is refused with its line, and the exit status says which."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from skyrack.history import Header, HistoryWriter
from skyrack.orchestrator.cli.main import command_tree

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Status, stdout and stderr of `skyrack check`."""

    def check(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            command_tree(["check"])(["check", *map(str, arguments)], prog_name="skyrack")
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return check


def history(path: Path, *read: int | None, model: str = "kv", ended: bool = True) -> Path:
    """x is written 1 and then 2; then read with these results."""
    writer = HistoryWriter(path, Header(model, model))
    for number, value in enumerate((1, 2)):
        writer.ok(writer.invoke(0, "london", "write", "x", value, time_s=number), time_s=number + 0.5)
    for number, result in enumerate(read, 2):
        writer.ok(writer.invoke(1, "tokyo", "read", "x", time_s=number), result, time_s=number + 0.5)
    if not ended:
        writer.invoke(2, "tokyo", "read", "y", time_s=9)
    writer.close(ended=ended)
    return path


def test_a_good_history_is_fine_and_a_bad_one_is_bad(run: Run, tmp_path: Path) -> None:
    status, out, _ = run(history(tmp_path / "h.jsonl", 2))
    assert status == 0
    assert out.splitlines()[-1] == " ok verdict                     ok"
    status, out, _ = run(history(tmp_path / "h.jsonl", 1))
    assert status == 3
    assert "BAD linearizable" in out
    assert "#2  read x -> 1  by process 1 at tokyo" in out


def test_json_has_the_same(run: Run, tmp_path: Path) -> None:
    status, out, _ = run(history(tmp_path / "h.jsonl", 1), "-o", "json")
    assert status == 3
    assert json.loads(out)["verdict"] == "bad"


def test_a_run_directory_stands_for_its_history_and_events(run: Run, tmp_path: Path) -> None:
    history(tmp_path / "history.jsonl", 2)
    began = {"run_s": 1.0, "event": "fault_began", "fault": "f1", "kind": "kill", "on": ["p3s07"]}
    (tmp_path / "events.jsonl").write_text(json.dumps(began) + "\n" + '{"run_s": 2.0, "ev')
    status, out, _ = run(tmp_path)
    assert status == 0
    assert "kill on p3s07 (f1): not felt" in out


def test_a_cut_short_history_is_judged_and_said_to_be_so(run: Run, tmp_path: Path) -> None:
    status, out, _ = run(history(tmp_path / "h.jsonl", 2, ended=False))
    assert status == 0
    assert out.startswith("note: the history was cut short: the end of 1 operation is not on file")


def test_too_few_states_are_inconclusive(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    with HistoryWriter(path, Header("kv", "kv")) as writer:
        ops = [writer.invoke(i, "london", "write", "x", i % 2, time_s=1) for i in range(6)]
        for op in ops:
            writer.ok(op, time_s=2)
        writer.ok(writer.invoke(9, "london", "read", "x", time_s=3), 1, time_s=4)
    status, out, _ = run(path, "--most-states", 1)
    assert status == 4
    assert "?? linearizable" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.jsonl"], "none.jsonl: No such file"),
        (["h.jsonl", "--model", "stack"], "no model is called 'stack'; there are append, bank"),
        (
            ["h.jsonl", "--model", "queue"],
            "operation 0: model queue has no 'write', but dequeue, enqueue",
        ),
        (["h.jsonl", "--key", "z"], "no operation has the key 'z'"),
        (["h.jsonl", "--events", "none"], "cannot read none"),
        (["h.jsonl", "--events", "bad.jsonl"], "bad.jsonl:2: expected a JSON object"),
        (["h.jsonl", "--most-states", "0"], "--most-states"),
        (["bad.jsonl"], "bad.jsonl:1: expected the header"),
        (["deep.jsonl"], "deep.jsonl:2: expected a JSON object"),
        (["deep.jsonl"], "(nested too deeply)"),
        (["h.jsonl", "--events", "deep.jsonl"], "deep.jsonl:1: expected an object"),
        (["nan.jsonl"], "nan.jsonl:2: time_s: expected a number; found nan"),
        (["comma.jsonl"], "(column 19: Expecting ',' delimiter)"),
        (["bank.jsonl", "--model", "bank"], 'a bank needs the options "accounts"'),
    ],
)
def test_what_cannot_be_judged_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    history(Path("h.jsonl"), 2)
    Path("bad.jsonl").write_text('{"run_s": 1.0, "event": "ready"}\n{\n{}\n')
    head = '{"history": 1, "workload": "kv", "model": "kv"}\n'
    Path("deep.jsonl").write_text(head + "[" * 100_000 + "\n")
    Path("comma.jsonl").write_text(head + '{"type": "invoke" 3}\n')
    invoked = '"process": 0, "node": "", "f": "read", "key": "", "time_s": NaN, "intended_s": 1}'
    Path("nan.jsonl").write_text(head + '{"type": "invoke", "op": 0, ' + invoked + "\n")
    with HistoryWriter(Path("bank.jsonl"), Header("bank", "bank")) as writer:
        writer.ok(writer.invoke(0, "london", "read", time_s=1), {"a": 1}, time_s=2)
    status, _, err = run(*arguments)
    assert status == 2
    assert said in err


def test_who_has_a_large_history_judged_is_told_what_is_going_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skyrack.orchestrator.cli.check._LARGE_BYTES", 100)
    status, _, err = run(history(tmp_path / "h.jsonl", 2))
    assert (status, err.splitlines()) == (0, ["note: reading 0 MB", "note: judging 3 operations"])


def test_one_key_can_be_judged_alone(run: Run, tmp_path: Path) -> None:
    status, out, _ = run(history(tmp_path / "h.jsonl", 1), "--key", "x", "--model", "register")
    assert status == 3
    assert "x: " in out
