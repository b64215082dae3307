"""What several tests of this directory start."""

import os
from collections.abc import Iterator

import pytest

from .contained_run import Parts, open_parts


@pytest.fixture
def parts() -> Iterator[Parts]:
    """The parts of a run, to be started in any order."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("needs a writable /dev/net/tun")
    with open_parts() as found:
        yield found
