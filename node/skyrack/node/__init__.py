"""What flies: one process per satellite, with its own network, PID, mount and host name namespaces."""
