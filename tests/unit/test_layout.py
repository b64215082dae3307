"""The folders are roots of one namespace package."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = ("proto", "node", "groundstation", "orchestrator")


@pytest.mark.parametrize("root", ROOTS)
def test_no_root_claims_the_namespace_package(root: str) -> None:
    # An __init__.py here would hide the packages of the other three roots.
    assert not (ROOT / root / "skyrack" / "__init__.py").exists()


@pytest.mark.parametrize("root", ROOTS)
def test_every_package_is_typed(root: str) -> None:
    packages = [path for path in (ROOT / root / "skyrack").iterdir() if path.name != "__pycache__"]
    assert packages
    assert [path.name for path in packages if not (path / "py.typed").exists()] == []
