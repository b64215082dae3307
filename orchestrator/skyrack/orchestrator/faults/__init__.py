"""Faults of links and nodes: what they do and when, values only. The runtime carries them out (runtime/faults.py).

request (JSON) --request.py--> drafts --targets.py--> pairs and nodes --kinds/--> effects
                                                                                   |
fabric, routing, oracle <--- changes at instants <--- ledger.py (who acts when, composed) <---'
"""
