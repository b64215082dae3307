"""Writes files that other programs read: compose projects, and the configuration of broker, Prometheus and Grafana. Pure."""
