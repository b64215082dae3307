"""Grafana dashboards, one file each, described with `model` and written by `builder`."""
