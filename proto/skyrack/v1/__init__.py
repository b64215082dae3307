"""What nodes, ground stations and the orchestrator share: the protobuf contract, the attach wire format and
the namespace calls. Nothing here knows any of them."""
