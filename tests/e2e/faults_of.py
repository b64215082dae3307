"""Faults of the run `small` of a place, by its API."""

from __future__ import annotations

from typing import Any

import pytest

from skyrack.orchestrator.api.client import ApiClient, ApiError

from .place import PATIENCE_S, Place


class FaultsOf:
    """Enters and ends them."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.api = ApiClient(place.sockets / "small", PATIENCE_S)

    def add(self, kind: str, *where: str, **values: object) -> dict[str, Any]:
        """Enter one; what the run answers of it."""
        answer: dict[str, Any] = self.api.post(
            "/v1/faults", {"faults": [{"kind": kind, "nodes": list(where), **values}]}
        )
        return dict(answer["faults"][0])

    def refused(self, kind: str, where: str, **values: object) -> str:
        """Why it is."""
        with pytest.raises(ApiError) as error:
            self.add(kind, where, **values)
        return str(error.value)

    def remove(self, fault: dict[str, Any]) -> None:
        """End one."""
        self.api.delete(f"/v1/faults/{fault['id']}")
