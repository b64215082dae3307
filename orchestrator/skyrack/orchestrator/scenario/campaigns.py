"""Campaigns that are asked for while a run is up, as the scenario has them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from skyrack.orchestrator.faults.campaign import Campaign as CampaignDraw
from skyrack.orchestrator.faults.problem import FaultProblem

from .explain import Rejected, explain
from .model.faults import Campaign
from .reading.parse import parse
from .reading.source import decode

_IN_SCENARIO = ("faults", "campaigns", 0)


def read_campaign(body: Mapping[str, Any]) -> CampaignDraw:
    """What a request's body says. Raises FaultProblem."""
    try:
        return Campaign.model_validate(body).draw()
    except ValidationError as error:
        raise FaultProblem("campaign: " + "; ".join(_told(body, error))) from error


def _told(body: Mapping[str, Any], error: ValidationError) -> list[str]:
    """What is wrong, in the words in which a scenario's author is told."""
    file = json.dumps({"faults": {"campaigns": [body]}}).encode()
    tree, _ = parse(decode(file, "request", Path()))
    assert tree is not None
    problems = []
    for details in error.errors():
        rejected = Rejected.of(details)
        rejected = replace(rejected, loc=(*_IN_SCENARIO, *rejected.loc))
        problem = explain(tree, rejected)
        message = problem.message.removesuffix(" in item 1 of campaigns")
        problems.append(f"{message} ({problem.hint})" if problem.hint else message)
    return problems
