"""Sequential objects, one file each."""

from __future__ import annotations

from skyrack.check.model import Model
from skyrack.check.models.register import KV, REGISTER

MODELS: dict[str, Model] = {model.name: model for model in (REGISTER, KV)}
