"""Workload generators: open-loop clients that run inside the nodes they load from, in the words of Jepsen histories.

supervisor (one thread, no gRPC channel) --fork into node--> worker per source node: asyncio, grpc.aio
     |  <------------- completed operations, one JSON line each -------------'
     '--> stdout: every planned operation exactly once, as ok, fail or unknown
"""
