"""Grafana dashboards, one file each, described with `builder`."""
