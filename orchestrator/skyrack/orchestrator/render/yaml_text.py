"""Texts in a compose file, whatever they look like: a satellite may be called `1e3` or `no`, an argument hold `$HOME`."""

from __future__ import annotations

import json
from collections.abc import Iterable


def quoted(text: str) -> str:
    """A YAML string that compose fills nothing into."""
    return json.dumps(text).replace("$", "$$")


def quoted_list(texts: Iterable[str]) -> str:
    """A YAML list of such strings, on one line."""
    return f"[{', '.join(map(quoted, texts))}]"
