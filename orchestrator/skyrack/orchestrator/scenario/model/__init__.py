"""The scenario as values: one module per section, frozen pydantic models, units in every name."""
