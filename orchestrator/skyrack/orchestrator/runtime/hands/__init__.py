"""What lays hands on processes, data and clocks for faults: one way per runtime.

ledger --Change--> enactor.py --hold, kill, end--> Hands (composed.py of parts.py): local.py, contained.py
                       '--> events: fault_effect, fault_undone, fault_failed
"""
