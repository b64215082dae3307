"""Small words of the command line: a span that is none, one link and several."""

import pytest

from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.load_store import _span
from skyrack.orchestrator.cli.show import _links


@pytest.mark.parametrize("text", ["0", "0s", ""])
def test_a_load_of_no_time_is_refused_and_not_run(text: str) -> None:
    """Every operation of a load with `--timeout 0` is unknown, and one `--for 0` proves nothing."""
    with pytest.raises(Problem) as refused:
        _span("--timeout", text, 2.0)
    assert refused.value.status == USAGE
    assert _span("--timeout", None, 2.0) == 2.0
    assert _span("--timeout", "200ms", 2.0) == 0.2


def test_one_link_is_not_links() -> None:
    assert [_links(count, "ground link") for count in (0, 1, 2)] == [
        "0 ground links",
        "1 ground link",
        "2 ground links",
    ]
