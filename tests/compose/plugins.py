"""`docker compose` and `docker buildx`: the machine's own, else those of the next Debian, which are static programs."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .debian import mirror
from .docker import Docker
from .engine import NoEngine

SUITE = "trixie"
PACKAGES = ("docker-compose", "docker-buildx")
FETCH_S = 300.0


def with_compose(docker: Docker, directory: Path) -> Docker:
    """The command with both plug-ins. Raises NoEngine where they are missing and cannot be fetched."""
    if docker.works("compose", "version") and docker.works("buildx", "version"):
        return docker
    places = {name: directory / "apt" / name for name in ("lists", "cache", "packages", "root")}
    for place in places.values():
        place.mkdir(parents=True)
    sources = directory / "apt" / "sources.list"
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    sources.write_text(f"deb [signed-by={keyring}] {mirror()} {SUITE} main\n")
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/nonexistent",
        "Dir::State::Lists": places["lists"],
        "Dir::Cache": places["cache"],
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "--quiet", *(f"--option={key}={value}" for key, value in options.items())]
    _run([*apt, "update"], places["packages"])
    _run([*apt, "download", *(f"{package}/{SUITE}" for package in PACKAGES)], places["packages"])
    for package in places["packages"].glob("*.deb"):
        _run(["dpkg-deb", "--extract", str(package), str(places["root"])], directory)
    config = directory / "docker-config"
    config.mkdir()
    (config / "cli-plugins").symlink_to(places["root"] / "usr/libexec/docker/cli-plugins")
    found = Docker({**docker.environment, "DOCKER_CONFIG": str(config)})
    if not found.works("compose", "version"):
        raise NoEngine(f"docker compose is missing, and {SUITE}'s does not run here")
    return found


def _run(command: list[str], directory: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, check=False, timeout=FETCH_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoEngine(f"docker compose is missing and not to be had: {error}") from error
    if done.returncode:
        raise NoEngine(f"docker compose is missing and not to be had: {done.stderr.strip()}")
