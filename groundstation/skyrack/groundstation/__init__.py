"""What stands on the ground: stations, and the workloads that users run from them."""
