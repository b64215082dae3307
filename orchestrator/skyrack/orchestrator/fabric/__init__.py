"""The laser mesh: one process, one event loop, one clock, one heap.

node's mesh0 --read--> ingress --> [hop heap] --> link queue --> [hop heap] ... --> [delivery heap] --write--> mesh0
                        real time     virtual time from here on                       lateness = actual - due
"""
