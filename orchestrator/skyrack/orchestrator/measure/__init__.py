"""How Skyrack measures itself: probes against the computed delay, the host beside them, and a verdict on both.

prober process --probes-->  +----------+
host process  --windows-->  | echo run | --> fidelity --> verdict --> result.json, report.html
generator     --operations->+----------+        ^
                                 API: computed RTT, fabric counters, events
"""
