"""There are satellites, not too many, told apart by name, from files that can be read."""

import os.path
from collections import Counter
from collections.abc import Iterator

from ..catalogue import CatalogueError, read_catalogue
from ..problem import Problem
from ..satellites import satellite_names
from .finding import Draft, Finding

MOST_SATELLITES = 100_000


def check_orbits(draft: Draft) -> Iterator[Finding]:
    """Yield what is wrong with shells and orbit files."""
    scenario, bad = draft.scenario, draft.bad
    faults = [*_files(draft), *_shells(draft)]
    yield from faults
    if faults or bad & {"shells", "tle", "omm"}:
        return
    if not (scenario.shells or scenario.tle or scenario.omm):
        yield Finding((), "no satellites: give shells, tle or omm", "extends: iridium brings 66")
        return
    for name, count in Counter(satellite_names(scenario)).items():
        if count > 1:
            where = "tle" if scenario.tle else "omm"
            yield Finding(
                (where,), f"{count} satellites are called '{name}'", "is an orbit file listed twice?"
            )
            return


def _files(draft: Draft) -> Iterator[Finding]:
    for key, paths in (("tle", draft.scenario.tle), ("omm", draft.scenario.omm)):
        for index, path in enumerate(paths):
            try:
                read_catalogue(path)
            except CatalogueError as error:
                label = os.path.relpath(path)
                if not error.line:
                    yield Finding((key, index), f"{label}: {error.message}")
                    continue
                problem = Problem(
                    label, error.line, 1, error.message, None, error.text, max(1, len(error.text))
                )
                yield Finding((key, index), error.message, elsewhere=problem)


def _shells(draft: Draft) -> Iterator[Finding]:
    shells = draft.scenario.shells
    seen: set[str] = set()
    for index, shell in enumerate(shells):
        if shell.name is None and len(shells) > 1:
            yield Finding(("shells", index), "a shell needs a name when there are several")
        elif shell.name in seen:
            yield Finding(("shells", index, "name"), f"two shells are called '{shell.name}'")
        seen.add(shell.name or "")
    if (total := sum(shell.size for shell in shells)) > MOST_SATELLITES:
        yield Finding(("shells",), f"{total:,} satellites in all, {MOST_SATELLITES:,} at most")
