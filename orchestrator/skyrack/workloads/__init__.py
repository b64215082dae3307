"""Workloads: schema, generator, client and checker of each in one file."""
