"""Which way packets go: shortest-delay trees, ideal paths, the plan, and the computed round-trip time. Pure."""
