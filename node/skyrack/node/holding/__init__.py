"""Holds processes for faults: stops them, slows them down, kills them, flips bits. Not the node, which may be one of them.

asks --skyrack.v1.holding--> holder.py --+--> steps.py     what takes time, while all else goes on
                                         +--> members.py   which processes that is, from /proc
                                         +--> memory.py, files.py   a bit of theirs is turned over
                                         +--> budget.py    when those that share a part of a core have to stop
                                         '--> quota.py     a control group that sees to that instead

In a run of its own processes it is a process beside them (`python -m skyrack.node.holding`); in a node's container its
init forks one. However the asking side ends, all is let go of: the end of its connection is noticed here.
"""
