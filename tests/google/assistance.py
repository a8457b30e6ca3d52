"""What Code Assist remembers: how much of each day an account has used per model, and onboardings under way (4.4, 4.6)."""

import secrets
from collections import Counter
from typing import Any

from msgspec import Struct

from tests.google import faults_code_assist
from tests.google.accounts import User, rfc3339
from tests.google.clock import Clock
from tests.google.errors import Refusal
from tests.google.faults import Circumstances

SHOWN = (
    "gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro", "gemini-3-flash", "gemini-3-flash-preview",
    "gemini-3.1-flash-lite", "gemini-3.1-pro-preview", "gemini-3.8-flash",
)  # fmt: skip
"""The models of which retrieveUserQuota speaks, by Code Assist's names; and whichever else an account has used."""


class Operation(Struct, kw_only=True):
    """An onboarding."""

    email: str
    tier: str
    project: str
    polls_left: int


class Assistance:
    """Quota here is the user's own, per model and day, the day ending at midnight Pacific."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        self.operations: dict[str, Operation] = {}
        self._used: Counter[tuple[str, ...]] = Counter()

    # --- Quota ------------------------------------------------------------------------------------------------

    def take(self, user: User, model: str) -> Refusal | None:
        """Count one request, or say why there is none left."""
        now = self._clock.now()
        minute = (user.email, model, str(int(now.timestamp() // 60)))
        about = Circumstances(
            account=user.email, model=model, now=now, seconds=round(self._clock.seconds_to_pacific_midnight(), 3)
        )
        if self.left(user, model) <= 0:
            return faults_code_assist.FAULTS["quota_exhausted"](about)
        if user.requests_per_minute is not None and self._used[minute] >= user.requests_per_minute:
            seconds = round(60 - now.timestamp() % 60, 3)
            return faults_code_assist.FAULTS["rate_limit_exceeded"](Circumstances(model=model, now=now, seconds=seconds))
        self._used[minute] += 1
        self._used[self._today(user, model)] += 1
        return None

    def left(self, user: User, model: str) -> int:
        """Requests of today. What was gone at the start (`User.quota`) is gone on every day."""
        at_start = round(user.daily_requests * user.quota.get(model, 1.0))
        return max(0, at_start - self._used[self._today(user, model)])

    def buckets(self, user: User) -> list[dict[str, Any]]:
        resets_at = rfc3339(self._clock.now().timestamp() + self._clock.seconds_to_pacific_midnight())
        used = {key[1] for key in self._used if key[0] == user.email}
        return [
            {
                "resetTime": resets_at,
                "tokenType": "REQUESTS",
                "modelId": model,
                "remainingAmount": str(self.left(user, model)),
                "remainingFraction": round(self.left(user, model) / user.daily_requests, 6) if user.daily_requests else 0,
            }
            for model in sorted({*SHOWN, *used, *user.quota})
        ]

    def _today(self, user: User, model: str) -> tuple[str, ...]:
        return (user.email, model, self._clock.pacific_day())

    # --- Onboarding -------------------------------------------------------------------------------------------

    def begin(self, user: User, tier: str, project: str) -> str:
        """The name of the long-running operation."""
        name = f"operations/onboard.{secrets.token_hex(8)}"
        self.operations[name] = Operation(email=user.email, tier=tier, project=project, polls_left=user.polls)
        return name

    def look(self, name: str, user: User) -> dict[str, Any]:
        """How an operation stands; each look brings its end one nearer."""
        operation = self.operations[name]
        if operation.polls_left > 0:
            operation.polls_left -= 1
            return {"name": name, "done": False}
        if user.onboarding_error:
            return {"name": name, "done": True, "error": {"code": 9, "message": user.onboarding_error}}
        return {"name": name, "done": True, "response": self._settle(operation, user)}

    def _settle(self, operation: Operation, user: User) -> dict[str, Any]:
        user.tier = operation.tier
        if operation.tier == "free-tier" and not user.managed_project:
            user.managed_project = f"managed-{user.id[-6:]}"
        project = operation.project or user.managed_project
        return {
            "@type": "type.googleapis.com/google.internal.cloud.code.v1internal.OnboardUserResponse",
            "cloudaicompanionProject": {"id": project, "name": project, "projectNumber": user.id[:12]},
        }
