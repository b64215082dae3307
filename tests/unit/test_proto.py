"""The committed generated code is what the .proto files say, and the files keep buf's rules."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTOS = sorted((ROOT / "proto" / "skyrack" / "v1").glob("*.proto"))
SCRIPTS = sysconfig.get_path("scripts")


def test_generated_code_is_fresh(tmp_path: Path) -> None:
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'proto'}", *outputs, *map(str, PROTOS)],
        check=True,
        capture_output=True,
        env=os.environ | {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"},
    )
    fresh = {path.name: path.read_text() for path in (tmp_path / "skyrack" / "v1").iterdir()}
    committed = {path.name: path.read_text() for path in PROTOS[0].parent.glob("*_pb2*.py*")}
    assert PROTOS
    assert sorted(fresh) == sorted(committed)
    assert [name for name in fresh if fresh[name] != committed[name]] == [], "run `make proto`"


@pytest.mark.parametrize("command", [("lint",), ("format", "--diff", "--exit-code")])
def test_buf_has_no_complaint(command: tuple[str, ...]) -> None:
    result = subprocess.run(
        [Path(SCRIPTS, "buf"), *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
