"""What the satellites are called, in node order, without computing an orbit."""

from collections import Counter

from .catalogue import Record, read_catalogue
from .model.scenario import Scenario
from .names import LONGEST_NAME, slug


def satellite_names(scenario: Scenario) -> tuple[str, ...]:
    """Return the names of all satellites in node order: shells (plane, slot), then TLE files, then OMM files.

    Raises CatalogueError when an orbit file cannot be read.
    """
    several = len(scenario.shells) > 1
    names = [name for shell in scenario.shells for name in shell.names(shell.prefix if several else "")]
    return (*names, *catalogue_names(catalogue(scenario)))


def catalogue(scenario: Scenario) -> tuple[Record, ...]:
    """Return the satellites of the scenario's TLE files, then of its OMM files; raises CatalogueError."""
    return tuple(record for path in (*scenario.tle, *scenario.omm) for record in read_catalogue(path))


def catalogue_names(records: tuple[Record, ...]) -> list[str]:
    """Return node names: the title as a slug, the catalogue number where there is none, both where titles repeat."""
    titles = [slug(record.title) for record in records]
    count = Counter(titles)
    names = []
    for title, record in zip(titles, records, strict=True):
        number = slug(record.number)
        if not title:
            names.append(number)
        elif count[title] > 1:
            names.append(f"{title[: LONGEST_NAME - len(number) - 1].rstrip('-')}-{number}")
        else:
            names.append(title)
    return names
