"""JSON objects as they come from a socket."""

import json
from typing import Any


def load_object(data: bytes, what: str, error: type[ValueError]) -> dict[str, Any]:
    """The object in `data`. Raises `error`, whose text begins with `what`, for anything else."""
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as cause:
        raise error(f"{what} is not JSON: {cause}") from cause
    if not isinstance(message, dict):
        raise error(f"{what} is a {type(message).__name__}, expected an object")
    return message
