"""Flight software: battery, heat, and what is granted to the services. Imported only in satellites that have it.

Sky (shadow)   CPU use, declared loads        pure: array, battery, wear, thermal, load, governor, craft, sky, reckoning
     |                  |                     I/O:  pilot, usage, memory, report
     v                  v
Craft: battery, wear, temperature ---> Governor: nominal, throttled, safe ---> services, pace, orchestrator, guests
"""
