"""Checkers of histories: what a service promised, and whether it kept it. Values in, values out."""

from skyrack.check.checking import check
from skyrack.check.report import Check, Report
from skyrack.check.search import MOST_STATES
from skyrack.check.shapes import CheckError

__all__ = ["MOST_STATES", "Check", "CheckError", "Report", "check"]
