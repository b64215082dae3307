"""Checkers of histories: what a service promised, and whether it kept it. Values in, values out."""
