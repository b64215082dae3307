"""Verdict: what `skyrack check` says of a kv history in figures follows from the raw files alone.

    python docs/design/recompute_history.py RUN_DIR                 prints the figures
    python docs/design/recompute_history.py RUN_DIR REPORT.json     and compares them with `skyrack check RUN_DIR -o json`

Reads history.jsonl (every operation) and events.jsonl (what broke when) and computes: operations by outcome, latencies from
the intended start, acknowledged writes lost (kv and register), shares and spans without answers, and how long after each
fault there were answers again. Imports nothing of Skyrack: the rules of docs/11-checks.md are written down here a second
time, on purpose, in the plainest way. Exit status 1 on a difference.
"""

import json
import math
import sys
from pathlib import Path

INFINITE = math.inf
# As docs/11-checks.md states them: how long an operation may have been under way when its cause began, how shortly before a gap
# a change is its likeliest cause, how long what has ended can be felt.
IN_FLIGHT_S, NEAR_S, FELT_S = 2.0, 3.0, 10.0


def lines(path):
    """JSON lines of a file; what cannot be read is the incomplete last one."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found


def operations_of(path):
    """Invocations with their ends: dicts with begin, end (infinite if unknown), outcome, value, result, answered, ended."""
    operations = {}
    for record in lines(path)[1:]:
        if record.get("type") == "invoke":
            operations[record["op"]] = {
                **{name: record[name] for name in ("op", "process", "node", "f", "key", "value")},
                "begin": record["time_s"],
                "intended": record["intended_s"],
                "end": INFINITE,
                "outcome": "unknown",
                "result": None,
                "answered": False,
                "ended": False,
            }
        elif "type" in record:
            operation = operations[record["op"]]
            operation["ended"] = True
            operation["outcome"] = record["type"]
            if record["type"] != "unknown":
                operation["end"] = record["time_s"]
            if record["type"] == "ok":
                operation["result"] = record["value"]
            operation["answered"] = record["type"] == "ok" or (
                record["type"] == "fail" and not record["error"]
            )
    return list(operations.values())


def nearest_rank(values, q):
    """The smallest value with at least a share q at or below it."""
    return sorted(values)[max(1, math.ceil(q * len(values) - 1e-9)) - 1] if values else None


def latencies(operations):
    """Of those that were answered ok, from when they should have started."""
    took = [o["end"] - o["intended"] for o in operations if o["outcome"] == "ok"]
    return {f"p{100 * q:g}": nearest_rank(took, q) for q in (0.5, 0.9, 0.99, 1.0)}


def written(operation):
    """What a write, compare-and-set or delete leaves."""
    if operation["f"] == "write":
        return operation["value"]
    return operation["value"][1] if operation["f"] == "cas" else None


def observed(operation):
    """What a read or a compare-and-set that matched found."""
    return operation["result"] if operation["f"] == "read" else operation["value"][0]


def lost_writes(operations):
    """Acknowledged writes w behind which somebody got something older, and of which nobody saw a trace from then on.

    A trace is a value that may have been written when that somebody asked, and not before w.
    """
    keys = {o["key"] for o in operations}
    acknowledged, lost = 0, []
    for key in keys:
        of_key = [o for o in operations if o["key"] == key]
        writes = [o for o in of_key if o["f"] in ("write", "cas", "delete") and o["outcome"] != "fail"]
        seen = [o for o in of_key if o["f"] in ("read", "cas") and o["outcome"] == "ok"]

        def latest_end(value, begun_by, writes=writes):
            """Of its writes that had begun by then; of what was never written nothing can be said."""
            ends = [x["end"] for x in writes if written(x) == value and x["begin"] <= begun_by]
            return max(ends, default=-INFINITE if value is None else INFINITE)

        for w in writes:
            if w["outcome"] != "ok":
                continue
            acknowledged += 1
            for o in seen:
                if o["begin"] <= w["end"] or latest_end(observed(o), o["end"]) >= w["begin"]:
                    continue
                later = {observed(x) for x in seen if x["begin"] >= o["begin"]}
                known = [
                    v for v in later if any(written(x) == v and x["begin"] <= o["begin"] for x in writes)
                ]
                if all(latest_end(value, o["begin"]) < w["begin"] for value in known):
                    lost.append(w["op"])
                    break
    return {"acknowledged": acknowledged, "lost": sorted(lost)}


def gaps_of(operations):
    """Runs of operations that were not answered: [begin, end, when the first answer behind it came]."""
    found, begin = [], None
    for o in sorted(operations, key=lambda o: (o["begin"], o["op"])):
        if not o["answered"]:
            begin = o["begin"] if begin is None else begin
        elif begin is not None:
            found.append([begin, o["begin"], o["end"]])
            begin = None
    return found + ([] if begin is None else [[begin, None, None]])


def common_gaps(per_node):
    """Spans in which every node is in a gap; a node counts from its first operation to its last, or on if that failed."""
    instants = sorted({o["begin"] for operations in per_node.values() for o in operations})
    of_node = {node: gaps_of(operations) for node, operations in per_node.items()}
    spans = {
        node: (min(o["begin"] for o in operations), max(o["begin"] for o in operations))
        for node, operations in per_node.items()
    }

    def state(node, at):
        for begin, end, _ in of_node[node]:
            if begin <= at and (end is None or at < end):
                return "down"
        return "up" if spans[node][0] <= at < spans[node][1] else None

    first = [min(operations, key=lambda o: (o["begin"], o["op"])) for operations in per_node.values()]
    found, begin = [], None
    for at in instants:
        states = [state(node, at) for node in per_node]
        turned_up = [gap[2] for gaps in of_node.values() for gap in gaps if gap[1] == at]
        turned_up += [o["end"] for o in first if o["answered"] and o["begin"] == at]
        if begin is None and "down" in states and "up" not in states:
            begin = at
        elif begin is not None and "up" in states:
            found.append([begin, at, min(turned_up)])
            begin = None
    return found + ([] if begin is None else [[begin, None, None]])


def causes_of(events):
    """Everything that may have made a gap: kind (0 injected, 1 process, 2 network, 3 orbital), begin, end, whom."""
    found, faults, ended = [], {}, {}
    for e in events:
        name, at = e["event"], e["run_s"]
        cause = None
        if name == "fault_began":
            cause = faults[e["fault"]] = {"rank": 0, "begin": at, "end": INFINITE, "fault": e["fault"]}
        elif name == "fault_ended" and e["fault"] in faults:
            faults[e["fault"]]["end"] = at
        elif name == "node_exited":
            cause = ended[e["node"]] = {"rank": 1, "begin": at, "end": INFINITE}
        elif name == "node_serving" and e["node"] in ended:
            ended.pop(e["node"])["end"] = at
        elif name in ("service_ended", "service_failed", "service_unready", "fabric_down"):
            cause = {"rank": 1, "begin": at, "end": at}
        elif name == "convergence" and e["change"] == "loss":
            cause = {"rank": 2, "begin": e["since_s"], "end": at}
        elif name == "node_dark":
            cause = {"rank": 2, "begin": at, "end": at}
        elif name == "handover":
            cause = {"rank": 3, "begin": at, "end": at, "node": e["node"]}
        if cause is not None:
            found.append(cause)
    return found


def cause_of(node, gap, causes):
    """The likeliest cause of a gap."""
    begin = gap[0]

    def is_near(cause):
        return any(-IN_FLIGHT_S <= begin - at <= NEAR_S for at in (cause["begin"], cause["end"]))

    fitting = [
        cause
        for cause in causes
        if cause["begin"] <= begin + IN_FLIGHT_S
        and cause["end"] + FELT_S >= begin
        and cause.get("node", node) == node
        and (cause["rank"] < 3 or is_near(cause))
    ]
    return max(
        fitting,
        key=lambda c: (is_near(c), -c["rank"], c["end"] >= begin, c["begin"]),
        default=None,
    )


def recovery(per_node, common, events):
    """Fault -> node ("" for everybody) -> seconds from its begin to the first answer behind its last gap, null if none."""
    causes = causes_of(events)
    found = {c["fault"]: {} for c in causes if "fault" in c}
    unexplained = 0
    listed = [("", gap) for gap in common]
    listed += [(node, gap) for node, operations in per_node.items() for gap in gaps_of(operations)]
    for node, gap in listed:
        cause = cause_of(node, gap, causes)
        if cause is None:
            unexplained += node != ""
        elif "fault" in cause:
            after = None if gap[2] is None else round(max(0.0, gap[2] - cause["begin"]), 6)
            found[cause["fault"]][node] = after
    return {"faults": found, "unexplained": unexplained}


def figures(directory):
    """All figures of a run directory."""
    operations = operations_of(directory / "history.jsonl")
    judged = [o for o in operations if o["ended"]]
    per_node = {
        node: [o for o in judged if o["node"] == node] for node in sorted({o["node"] for o in judged})
    }
    common = common_gaps(per_node)
    return {
        "operations": {
            outcome: sum(o["outcome"] == outcome for o in operations) for outcome in ("ok", "fail", "unknown")
        },
        "latency_s": latencies(operations),
        "writes": lost_writes(operations),
        "share": sum(o["answered"] for o in judged) / len(judged),
        "gaps": [gap[:2] for gap in common],
        "nodes": {
            node: {
                "share": sum(o["answered"] for o in of_node) / len(of_node),
                "gaps": [gap[:2] for gap in gaps_of(of_node)],
            }
            for node, of_node in per_node.items()
        },
        "recovery": recovery(per_node, common, lines(directory / "events.jsonl")),
    }


def differences(found, report):
    """Where `skyrack check -o json` says something else."""
    checks = {check["name"]: check for check in report["checks"]}
    said = checks["availability"]["figures"]
    pairs = [
        ("operations", found["operations"], report["operations"]),
        ("latency_s", found["latency_s"], said["latency_s"]),
        ("share", found["share"], said["share"]),
        ("gaps", found["gaps"], said["gaps"]),
        ("nodes", found["nodes"], said["nodes"]),
    ]
    lost = checks.get("no acknowledged write lost")
    if lost is not None and report["model"] in ("kv", "register"):
        pairs += [
            ("acknowledged writes", found["writes"]["acknowledged"], lost["figures"]["acknowledged"]),
            ("lost writes", len(found["writes"]["lost"]), lost["figures"]["lost"]),
        ]
    if "recovery" in checks:
        of_faults = {
            row["fault"]: {
                node: outage["recovered_after_s"]
                for node, outage in [
                    *([("", row["overall"])] if row["overall"] else []),
                    *row["nodes"].items(),
                ]
            }
            for row in report["recovery"]
            if "fault" in row
        }
        pairs += [
            ("recovery", found["recovery"]["faults"], of_faults),
            (
                "gaps without a cause",
                found["recovery"]["unexplained"],
                checks["recovery"]["figures"]["unexplained"],
            ),
        ]
    return [f"{name}: computed {mine}, reported {theirs}" for name, mine, theirs in pairs if mine != theirs]


def main():
    """Print the figures; compare them if there is something to compare with."""
    directory = Path(sys.argv[1])
    found = figures(directory)
    print(json.dumps(found, indent=1))
    if len(sys.argv) > 2:
        wrong = differences(found, json.loads(Path(sys.argv[2]).read_text()))
        print("\n".join(wrong) if wrong else "every figure as reported", file=sys.stderr)
        sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
