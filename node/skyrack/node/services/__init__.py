"""User software on a node: started, probed, started again, reported and ended. Imported only where there is some."""
