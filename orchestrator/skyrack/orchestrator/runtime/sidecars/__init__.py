"""Services that are containers beside their nodes: their data directories, and their return after their node's."""
