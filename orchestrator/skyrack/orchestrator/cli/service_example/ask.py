"""python ask.py p0s03:50051 STEPS: have a counter count, from wherever this runs."""

import sys
import time

import counter_pb2
import counter_pb2_grpc
import grpc


def add(target: str, steps: int) -> tuple[int, float]:
    """The total, and the round trip of the call in seconds."""
    with grpc.insecure_channel(target) as channel:
        counter = counter_pb2_grpc.CounterStub(channel)
        counter.Add(counter_pb2.AddRequest(), timeout=5)  # connects
        began = time.monotonic()
        answer = counter.Add(counter_pb2.AddRequest(steps=steps), timeout=5)
        return answer.total, time.monotonic() - began


if __name__ == "__main__":
    total, took_s = add(sys.argv[1], int(sys.argv[2]))
    print(f"{total} after {took_s * 1e3:.1f} ms")
