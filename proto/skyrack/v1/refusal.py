"""How a call that the orchestrator has refused differs from one that has broken: it carries this as trailing metadata."""

REFUSAL = "skyrack-refusal"
