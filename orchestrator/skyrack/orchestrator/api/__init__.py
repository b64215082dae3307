"""How commands, nodes and Prometheus talk to a run."""
