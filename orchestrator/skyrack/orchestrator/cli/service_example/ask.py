"""python ask.py p0s03:50051 STEPS: have a counter count, from wherever this runs."""

import sys
import time

import counter_pb2
import counter_pb2_grpc
import grpc


def add(channel: grpc.Channel, steps: int) -> tuple[int, float]:
    """The total, and how long the call took in seconds."""
    grpc.channel_ready_future(channel).result(timeout=60)
    began = time.monotonic()
    answer = counter_pb2_grpc.CounterStub(channel).Add(counter_pb2.AddRequest(steps=steps), timeout=60)
    return answer.total, time.monotonic() - began


if __name__ == "__main__":
    with grpc.insecure_channel(sys.argv[1]) as channel:
        total, took_s = add(channel, int(sys.argv[2]))
        print(f"{total} after {took_s * 1e3:.1f} ms")
