"""The search for the worst minute: schedules of faults drawn, tried, shrunk, replayed and written down as a test. Pure.

world      what a scenario offers to break, and the state of its links at any instant
draw       schedules from a seed, new ones and mutated ones
coverage   which states of links the faults of a schedule meet: what has met new ones is mutated further
search     the hunt itself: asks for trials and is told their outcomes; starts nothing, reads no clock
shrink     the smallest schedule that still breaks (delta debugging)
report, pytest_file   what becomes of it
"""
