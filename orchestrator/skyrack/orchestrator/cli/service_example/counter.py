"""A satellite that counts, and goes on where it was when it is started again."""

import counter_pb2
import counter_pb2_grpc

from skyrack.service import Node


class Counter(counter_pb2_grpc.CounterServicer):
    async def run(self, node: Node) -> None:
        self.node = node
        self.file = node.data_dir / "total"
        self.total = int(self.file.read_text()) if self.file.exists() else 0
        counter_pb2_grpc.add_CounterServicer_to_server(self, node.grpc_server)
        node.ready()
        while True:
            here = node.position()
            node.log.info("at %d over %.1f, %.1f", self.total, here.lat_deg, here.lon_deg)
            await node.clock.sleep(10)

    async def Add(self, request, context):
        self.total += request.steps * int(self.node.options["STEP"])
        self.file.write_text(str(self.total))
        return counter_pb2.AddResponse(total=self.total, node=self.node.name)
