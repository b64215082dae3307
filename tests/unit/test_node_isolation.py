"""Covering a file of the host inside a node only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.mesh

COVER = """
import sys
from pathlib import Path
from skyrack.node.isolation import cover
from skyrack.v1 import namespaces
namespaces.make_mounts_private()
target, source = Path(sys.argv[1]), Path(sys.argv[2])
cover(target, source)
print(target.read_text(), end="")
"""


def covered(target: Path, source: Path) -> str:
    """What a process in a mount namespace of its own reads at `target` covered by `source`."""
    launcher = (
        ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    )
    command = [*launcher, sys.executable, "-c", COVER, str(target), str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_symbolic_link_is_followed(tmp_path: Path) -> None:
    # /etc/resolv.conf is a link into /run on most desktops.
    real, link, source = tmp_path / "real", tmp_path / "link", tmp_path / "source"
    real.write_text("host")
    link.symlink_to("real")
    source.write_text("node")
    assert covered(link, source) == "node"
    assert real.read_text() == "host"
    assert link.is_symlink()


def test_a_device_empties_a_file(tmp_path: Path) -> None:
    target = tmp_path / "resolv.conf"
    target.write_text("nameserver 192.0.2.1")
    assert covered(target, Path("/dev/null")) == ""


def test_a_missing_target_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as error:
        covered(tmp_path / "missing", Path("/dev/null"))
    assert "No such file" in error.value.stderr
