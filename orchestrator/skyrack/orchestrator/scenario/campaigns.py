"""Campaigns that are asked for while a run is up, as the scenario has them."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from skyrack.orchestrator.faults.campaign import Campaign as CampaignDraw
from skyrack.orchestrator.faults.problem import FaultProblem

from .model.faults import Campaign


def read_campaign(body: Mapping[str, Any]) -> CampaignDraw:
    """What a request's body says. Raises FaultProblem."""
    try:
        return Campaign.model_validate(body).draw()
    except ValidationError as error:
        told = []
        for details in error.errors():
            where = ".".join(str(step) for step in details["loc"])
            told.append(f"{where}: {details['msg']}" if where else details["msg"])
        raise FaultProblem("campaign: " + "; ".join(told)) from error
