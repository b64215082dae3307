"""The page of dependencies names what pyproject.toml names: a licence that nobody has looked at would be missing there."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOW = "run: python docs/reference/dependencies.py"


def test_every_dependency_is_on_the_page_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[<>=!~;\[ ]", line)[0]).lower() for line in wanted}
    page = (ROOT / "docs/reference/dependencies.md").read_text()
    rows = re.findall(r"^\| ([a-z0-9-]+) \| ", page, re.MULTILINE)
    assert {row for row in rows if row != "package"} == names, HOW
