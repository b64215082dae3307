"""What surrounds the satellites, as a function of time. Pure."""
