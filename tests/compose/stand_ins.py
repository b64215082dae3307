"""Images made here of Debian packages, in the place of those that a user's engine fetches.

    python:3.12-slim      Debian's own Python, with what this machine needs to reach a package index
    eclipse-mosquitto     mosquitto.Dockerfile, on that base
    prom/prometheus       prometheus.Dockerfile, on that base

The settings of this machine (archive, certificates, package index) are in these images only: the Dockerfile under test is
the one that users build.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .debian import codename, mirror
from .docker import Docker
from .engine import NoEngine

HERE = Path(__file__).parent
PREFIX = "skyrack-test"
PYTHON = f"{PREFIX}/python"
BASE_S = 900.0
BUILD_S = 600.0
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PACKAGES = ("ca-certificates", "python3", "python3-venv", "python-is-python3")
NOT_IN_SLIM = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
INDEX_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy")


def make(docker: Docker, directory: Path) -> list[str]:
    """Make the stand-ins that the engine does not have; their names. Raises NoEngine where nothing can."""
    made = []
    if not docker.works("image", "inspect", PYTHON):
        _base(docker, directory)
        made.append(PYTHON)
    for name in ("mosquitto", "prometheus"):
        tag = f"{PREFIX}/{name}"
        if not docker.works("image", "inspect", tag):
            recipe = (HERE / f"{name}.Dockerfile").read_text()
            docker.out(
                "build", "--quiet", "--build-arg", f"BASE={PYTHON}", "--tag", tag, "-",
                stdin=recipe, timeout_s=BUILD_S,
            )  # fmt: skip
            made.append(tag)
    return made


def _base(docker: Docker, directory: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        raise NoEngine("there is no mmdebstrap to make a base image with")
    pip = directory / "pip.conf"
    pip.write_text(f"[global]\ncert = {CERTIFICATES}\n{_index()}")
    tar = directory / "base.tar"
    bundle = os.environ.get("SSL_CERT_FILE", CERTIFICATES)
    hooks = [f"upload {bundle} {CERTIFICATES}", f"upload {pip} /etc/pip.conf"]
    command = [
        "mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join(PACKAGES)}",
        *(f"--dpkgopt=path-exclude={path}" for path in NOT_IN_SLIM),
        *(f"--customize-hook={hook}" for hook in hooks),
        codename(), str(tar), mirror(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=BASE_S, check=False)
    if done.returncode:
        raise NoEngine(f"mmdebstrap makes no base image here: {done.stderr.strip()[-500:]}")
    docker.out("import", str(tar), PYTHON, timeout_s=BUILD_S)
    tar.unlink()


def _index() -> str:
    """The package index of this machine's pip settings, without what lies in files of this machine."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    lines = []
    for key, _, quoted in (line.partition("=") for line in done.stdout.splitlines()):
        name = key.rpartition(".")[2]
        values = [
            word for word in str(ast.literal_eval(quoted)).split() if not word.startswith(("/", "file:"))
        ]
        if name in INDEX_SETTINGS and values:
            lines.append(f"{name} = {' '.join(values)}\n")
    return "".join(lines)
