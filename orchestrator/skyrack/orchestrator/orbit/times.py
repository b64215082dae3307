"""UTC instants as the split Julian dates that SGP4 wants.

UTC is counted without leap seconds inside a run, as POSIX time is. UT1 is taken equal to UTC: they differ by at most
0.9 s (ITU-R TF.460), which turns the Earth by at most 419 m at the equator, the same for every station.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from skyrack.orchestrator.orbit.constants import SECONDS_PER_DAY

J2000_JD = 2451545.0
_MIDNIGHT_2000 = datetime(2000, 1, 1, tzinfo=UTC)
_MIDNIGHT_2000_JD = 2451544.5


def as_utc(instant: datetime) -> datetime:
    """The same instant in UTC; a datetime without a zone is taken to be UTC already."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def julian_date(instant: datetime) -> tuple[float, float]:
    """(jd, fraction): Julian date of the UTC midnight before `instant`, and the day's fraction after it.

    Split so that the fraction keeps its precision: a day's fraction resolves 1e-11 s, a whole Julian date 4e-5 s.
    """
    since = as_utc(instant) - _MIDNIGHT_2000
    return _MIDNIGHT_2000_JD + since.days, (since.seconds + since.microseconds / 1e6) / SECONDS_PER_DAY


def from_julian_date(jd: float, fraction: float) -> datetime:
    """The UTC instant of a split Julian date, to the microsecond."""
    days = (jd - _MIDNIGHT_2000_JD) + fraction
    whole = int(days // 1)
    return _MIDNIGHT_2000 + timedelta(days=whole, microseconds=round((days - whole) * SECONDS_PER_DAY * 1e6))


def iso_utc(instant: datetime) -> str:
    """`2026-01-01T00:00:00Z`, with microseconds only when there are some."""
    return as_utc(instant).isoformat().replace("+00:00", "Z")
