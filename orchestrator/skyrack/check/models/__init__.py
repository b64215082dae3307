"""Sequential objects, one file each."""

from __future__ import annotations

from skyrack.check.model import Model
from skyrack.check.models.append import APPEND
from skyrack.check.models.bank import BANK
from skyrack.check.models.echo import ECHO
from skyrack.check.models.queue import QUEUE
from skyrack.check.models.register import KV, REGISTER
from skyrack.check.models.set import SET

MODELS: dict[str, Model] = {model.name: model for model in (REGISTER, KV, QUEUE, SET, APPEND, BANK, ECHO)}
