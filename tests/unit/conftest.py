"""How properties are tried: the same examples on every host, however slow it is."""

from hypothesis import HealthCheck, settings

# A search for counterexamples that nobody has seen yet: `pytest tests/unit --hypothesis-profile=search`.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("skyrack", settings.get_profile("search"), derandomize=True)
settings.load_profile("skyrack")
