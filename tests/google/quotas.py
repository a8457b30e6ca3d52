"""Requests per minute and per day, counted as Google counts: per project and model, not per key (section 6.3)."""

import math
from collections import Counter

from msgspec import Struct

from tests.google.clock import Clock
from tests.google.errors import Refusal
from tests.google.faults import Circumstances, quota_exceeded, zero_quota

REQUESTS = ("generate_content", "requests")
PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel"
PER_DAY = "GenerateRequestsPerDayPerProjectPerModel"
ANY = "*"


class Quota(Struct, frozen=True, kw_only=True):
    """None is no limit; 0 is a model that the project is not entitled to. `paid` decides how the quota is called."""

    rpm: int | None = None
    rpd: int | None = None
    paid: bool = False

    @property
    def is_zero(self) -> bool:
        return self.rpm == 0 or self.rpd == 0


class Quotas:
    """No limit stands until one is set."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limits: dict[tuple[str, str], Quota] = {}
        self._used: Counter[tuple[str, ...]] = Counter()

    def set(
        self, *, project: str = ANY, model: str = ANY, rpm: int | None = None, rpd: int | None = None, paid: bool = False
    ) -> None:
        self._limits[project, model] = Quota(rpm=rpm, rpd=rpd, paid=paid)

    def reset(self) -> None:
        self._limits.clear()
        self._used.clear()

    def of(self, project: str, model: str) -> Quota:
        """The most particular quota that was set."""
        places = [(project, model), (project, ANY), (ANY, model), (ANY, ANY)]
        return next((self._limits[place] for place in places if place in self._limits), Quota())

    def used_today(self, project: str, model: str) -> int:
        return self._used[project, model, self._clock.pacific_day()]

    def is_day_used_up(self, project: str, model: str) -> bool:
        """Whether the next request would be refused until midnight."""
        quota = self.of(project, model)
        return quota.rpd is not None and self.used_today(project, model) >= quota.rpd

    def take(self, project: str, model: str, key: str) -> Refusal | None:
        """Count one request, or say why there is none left. A refused request does not count."""
        quota = self.of(project, model)
        circumstances = Circumstances(key=key, project=project, model=model, paid=quota.paid)
        if quota.is_zero:
            return zero_quota(circumstances)
        minute = (project, model, str(self._minute()))
        day = (project, model, self._clock.pacific_day())
        used_up = self._used_up(quota, self._used[minute], self._used[day])
        if used_up:
            return self._refuse(circumstances, quota, used_up)
        self._used[minute] += 1
        self._used[day] += 1
        return None

    def _used_up(self, quota: Quota, minute: int, day: int) -> list[str]:
        used_up = [PER_DAY] if quota.rpd is not None and day >= quota.rpd else []
        return used_up + ([PER_MINUTE] if quota.rpm is not None and minute >= quota.rpm else [])

    def _refuse(self, circumstances: Circumstances, quota: Quota, used_up: list[str]) -> Refusal:
        """A day's retryDelay says seconds too: on the wire it is as misleading as the minute's (section 6.3)."""
        limit = quota.rpd if PER_DAY in used_up else quota.rpm
        seconds = 60 - self._clock.now().timestamp() % 60
        told = Circumstances(
            key=circumstances.key, project=circumstances.project, model=circumstances.model, paid=circumstances.paid,
            limit=limit or 0, seconds=max(1.0, math.ceil(seconds * 100) / 100),
        )  # fmt: skip
        return quota_exceeded(told, [(*REQUESTS, quota_id) for quota_id in used_up])

    def _minute(self) -> int:
        return int(self._clock.now().timestamp() // 60)
