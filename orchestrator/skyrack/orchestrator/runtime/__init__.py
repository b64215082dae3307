"""How a run comes to life on this machine: namespaces, processes, sockets, files."""
