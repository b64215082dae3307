"""Files of JSON lines that somebody still writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def whole_records(data: bytes | bytearray) -> list[dict[str, Any]]:
    """What has been written to the end of its line; lines of anything but an object are left out."""
    return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines() if line.startswith(b"{")]


def read_records(path: Path) -> list[dict[str, Any]]:
    """Those of a file; none where there is no file yet."""
    return whole_records(path.read_bytes()) if path.exists() else []
