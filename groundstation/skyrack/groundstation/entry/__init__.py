"""In from outside: connections into the mesh that enter it at a node on the ground and pay its delays.

    browser, curl, psql, ...                                                          p0s03
      | 127.0.0.1:8801                                                                  |
      proxy.py (one process for a run) <=== TCP socket of london's network ============>|
      | nodes/london.entry.sock: connect to p0s03:2379                 through the mesh
      station.py (in london's process)

The station makes the connection and hands its descriptor over; bytes pass the proxy only.
"""
