"""What a PromQL expression reads: for tests."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import promql_parser as promql

# Grafana fills these in before Prometheus sees them.
VARIABLES = {"$__rate_interval": "20s", "$node": "london", "$src": ".*", "$workload": "echo"}


@dataclass
class Reads:
    """Series by name, and labels that selectors, aggregations and joins name."""

    series: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)


def parse(expr: str) -> Reads:
    """Raises ValueError for what is no PromQL, also for a variable that is not known."""
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    if "$" in expr:
        raise ValueError(f"unknown variable in {expr}")
    reads = Reads()

    def visit(node: promql.Expr) -> None:
        if isinstance(node, promql.MatrixSelector):
            node = node.vector_selector
        if isinstance(node, promql.VectorSelector):
            assert node.name, f"a selector without a name in {expr}"
            reads.series.add(node.name)
            reads.labels.update(matcher.name for matcher in node.matchers.matchers)
        elif isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            reads.labels.update(node.modifier.labels)
        elif isinstance(node, promql.BinaryExpr) and node.modifier is not None:
            for labels in (node.modifier.matching, node.modifier.group_labels):
                reads.labels.update(
                    labels.labels if isinstance(labels, promql.LabelModifier) else labels or ()
                )

    promql.walk(promql.parse(expr), visit)
    return reads


def placeholders(template: str) -> set[str]:
    """Labels in a legend such as `{{src}} > {{dst}}`."""
    return set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", template))
