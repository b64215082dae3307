"""Which links exist: lasers by pattern and line of sight, ground links by elevation, in epochs. Pure."""
