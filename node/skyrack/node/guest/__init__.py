"""What a node tells the programs that run on it: identity, time, peers, forecast, environment, alerts."""
