"""The simulator's time of day, which tests move; only quotas and day boundaries look at it."""

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

# Day quotas end at midnight there, daylight saving included (section 6.3).
PACIFIC = ZoneInfo("America/Los_Angeles")


class Clock:
    """Runs with the real time from wherever it was last set to."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)

    def set(self, moment: datetime) -> None:
        """`moment` carries its time zone."""
        self._ahead += moment - self.now()

    def reset(self) -> None:
        self._ahead = timedelta()

    def pacific_day(self) -> str:
        return self.now().astimezone(PACIFIC).date().isoformat()

    def seconds_to_pacific_midnight(self) -> float:
        now = self.now().astimezone(PACIFIC)
        midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), PACIFIC)
        return (midnight.astimezone(UTC) - now.astimezone(UTC)).total_seconds()
