"""Writes dependencies.md beside this file: `python docs/reference/dependencies.py`, in the environment of `make check`.

Names and constraints come from pyproject.toml, licences from the installed packages, importers from the source; what
each is for is written here, and a dependency without a word about it is an error.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = Path(__file__).with_suffix(".md")
SOURCES = ("proto", "node", "groundstation", "orchestrator")
PURPOSE = {
    "aiohttp": "the run's HTTP API; scraping of nodes; etcd's JSON gateway",
    "aiomqtt": "MQTT clients of the telemetry bus",
    "amqtt": "the broker of runs on machines without mosquitto",
    "buf-bin": "lints and formats protos",
    "grpcio": "gRPC servers and clients of nodes and orchestrator",
    "grpcio-health-checking": "the standard health service of every node",
    "grpcio-reflection": "lets grpcurl and the like list a node's services",
    "grpcio-tools": "generates the committed code from protos",
    "hypothesis": "property tests",
    "import-linter": "holds who may import whom",
    "jsonschema": "checks the schema of scenario files in tests",
    "mypy": "types",
    "mypy-protobuf": "types of the generated code",
    "numpy": "orbits, geometry and routes as arrays; memory shared with the fabric",
    "prometheus-client": "metrics of nodes and of the run",
    "protobuf": "messages of gRPC",
    "promql-parser": "checks the queries of dashboards and alert rules",
    "pydantic": "the model of scenario files and its errors",
    "pytest": "tests; of users, whom the extra `pytest` gives one that the plugin works with",
    "pytest-asyncio": "tests of asynchronous code",
    "pytest-timeout": "no test hangs",
    "pytest-xdist": "the plugin is tested with parallel workers",
    "pyyaml": "scenario files",
    "redis": "workloads on Redis and its sentinels",
    "ruff": "lint and format",
    "scipy": "shortest delay trees (csgraph)",
    "scipy-stubs": "types of scipy",
    "sgp4": "propagation of satellites",
    "shapely": "which country a point lies in",
    "skyfield": "the authority that tests compare geometry with",
    "skyfield-data": "the ephemeris DE421 for skyfield, which it would download",
    "typer": "the command line",
}
KINDS = {"types-": "types of the package of that name"}


def requirements() -> dict[str, list[str]]:
    """Requirement lines by title: what users install, what developers install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {
        "What users install": project["project"]["dependencies"],
        "What developers and CI install besides": project["dependency-groups"]["dev"],
    }


def name_of(requirement: str) -> str:
    """The normalised name in a requirement line."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def licence(name: str) -> str:
    """As the package says it, in the newest of the three ways to say it."""
    try:
        metadata = distribution(name).metadata
    except PackageNotFoundError:
        return "not installed here"
    if expression := metadata.get("License-Expression"):
        return str(expression)
    for classifier in metadata.get_all("Classifier") or []:
        if classifier.startswith("License :: OSI Approved :: "):
            return classifier.rpartition(" :: ")[2]
    return ((metadata.get("License") or "").strip().splitlines() or ["not stated"])[0]


def importers() -> dict[str, set[str]]:
    """Which of our packages import a distribution, by its normalised name."""
    found: dict[str, set[str]] = {}
    owners = packages_distributions()
    for root in SOURCES:
        for path in (ROOT / root).rglob("*.py"):
            for module in _imported(ast.parse(path.read_text())):
                for owner in owners.get(module.partition(".")[0], ()):
                    if module.startswith("google") and owner != "protobuf":
                        continue
                    parts = path.relative_to(ROOT / root).with_suffix("").parts
                    found.setdefault(name_of(owner), set()).add(
                        ".".join(parts[:3] if len(parts) > 3 else parts[:2])
                    )
    return found


def page() -> str:
    """The whole page."""
    text = [HEAD]
    imported = importers()
    for title, lines in requirements().items():
        text.append(f"\n## {title}\n")
        text.append("| package | version | licence | for | imported by |\n|---|---|---|---|---|")
        for line in sorted(lines, key=name_of):
            name = name_of(line)
            shown = re.sub(r"^[A-Za-z0-9._-]+", "", line) or "any"
            where = ", ".join(f"`{module}`" for module in sorted(imported.get(name, ())))
            text.append(f"| {name} | `{shown}` | {licence(name)} | {_purpose(name)} | {where} |")
    return "\n".join(text) + "\n"


def _purpose(name: str) -> str:
    for prefix, purpose in KINDS.items():
        if name.startswith(prefix):
            return purpose
    return PURPOSE[name]


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


HEAD = """\
# Dependencies

Made by `python docs/reference/dependencies.py`. Licences are what the packages say of themselves, in the versions that were
installed when the page was made; all of them allow use and distribution beside Apache-2.0. What comes with these packages
in turn is listed by `pip list` and is under MIT, BSD, Apache-2.0, ISC or PSF licences.

Known vulnerabilities: see [security](../security.md#dependencies)."""

if __name__ == "__main__":
    PAGE.write_text(page())
