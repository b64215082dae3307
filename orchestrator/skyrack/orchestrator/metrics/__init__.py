"""What a run tells Prometheus about itself: the families of skyrack.v1.metrics that orchestrator, fabric and load fill."""
