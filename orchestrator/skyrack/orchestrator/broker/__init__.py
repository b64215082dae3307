"""The message broker of the telemetry bus: who may do what on it, and the broker that Skyrack brings along."""
