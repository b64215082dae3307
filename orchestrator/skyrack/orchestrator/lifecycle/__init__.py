"""How satellites come and go: launches, avoidance manoeuvres, ageing. Pure; times are seconds of orbit time."""
