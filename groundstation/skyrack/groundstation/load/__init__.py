"""Workload generators: clients that run inside the nodes they load from, in the words of Jepsen histories.

supervisor (one thread, no gRPC channel) --fork into node--> worker per source node: asyncio, clients of a service
     |  ^                                                        |  ^
     |  '---------------- answers, one JSON line each -----------'  |
     |------------------- requests, one JSON line each -------------'
     '--> history.jsonl; stdout: every operation when it has ended
"""
