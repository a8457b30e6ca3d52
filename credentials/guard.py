"""Tells a fault of one credential from a fault that all share, and keeps retries from multiplying the latter.

For each model it is remembered what has happened since anybody last answered. As long as answers come, retries are free
and whoever fails fails alone. Once nobody answers, retries are at most RESERVE or a fifth of the requests, and when half
of the quota groups have failed in a row the fault is shared: one alert, and no credential is blamed.
"""

from collections import OrderedDict

from msgspec import Struct, field

from credentials.roster import Entry

RESERVE = 3
SHARE = 0.2
FAILURES_BEFORE_ALERT = 3
SAID_AGAIN_AFTER = 300.0
_MOST_MODELS = 1_000
_MOST_LATELY = 8


class Silence(Struct):
    """What has happened to one model since it last answered, and who has answered lately."""

    requests: int = 0
    retries: int = 0
    failures: int = 0
    groups: set[str] = field(default_factory=set)
    """Those that have failed."""
    alerted_at: float | None = None
    lately: dict[int, None] = field(default_factory=dict)
    """The credentials that answered last, the latest last."""
    answered_by: int = 0
    answered_at: float = 0.0
    other_answered_at: float = 0.0
    """When somebody else than `answered_by` did last."""


class Guard:
    """Of one process: the shares are of what this process has seen."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, Silence] = OrderedDict()

    def begin(self, model: str) -> None:
        """A request asks for the first time."""
        self._of(model).requests += 1

    def may_retry(self, model: str) -> bool:
        silence = self._of(model)
        return silence.retries < max(RESERVE, int(SHARE * silence.requests))

    def retry(self, model: str) -> None:
        self._of(model).retries += 1

    def answered(self, model: str, credential_id: int, *, at: float) -> bool:
        """Somebody has answered. True if that ends a shared fault, or one that was noticed before this process began."""
        silence = self._of(model)
        over = silence.alerted_at is not None or not silence.answered_at
        if silence.answered_by != credential_id:
            silence.other_answered_at = silence.answered_at
            silence.answered_by = credential_id
        silence.answered_at = at
        silence.lately.pop(credential_id, None)
        silence.lately[credential_id] = None
        if len(silence.lately) > _MOST_LATELY:
            del silence.lately[next(iter(silence.lately))]
        silence.requests = silence.retries = 0
        if silence.failures:
            silence.failures, silence.alerted_at = 0, None
            silence.groups.clear()
        return over

    def failed(self, model: str, entry: Entry, *, groups: int, at: float) -> bool:
        """Somebody has failed in passing. True when half of all the `groups` have, and nobody was answered: the fault is shared.

        It is said once, and again every few minutes as long as it goes on.
        """
        silence = self._of(model)
        silence.failures += 1
        silence.groups.add(entry.group)
        if silence.failures < FAILURES_BEFORE_ALERT or 2 * len(silence.groups) < groups:
            return False
        return self._is_to_be_said(silence, at)

    def no_longer(self, model: str, credential_id: int) -> None:
        """It has answered lately, but not this time."""
        self._of(model).lately.pop(credential_id, None)

    def refused(self, model: str, *, at: float) -> bool:
        """The gateway itself is refused. True, once and then every few minutes, until somebody answers."""
        silence = self._of(model)
        silence.failures += 1
        return self._is_to_be_said(silence, at)

    def another_answered(self, model: str, credential_id: int, *, since: float) -> bool:
        """Whether anybody else has answered since then: what it takes to blame this one for a failure."""
        silence = self._of(model)
        by_others = silence.other_answered_at if silence.answered_by == credential_id else silence.answered_at
        return by_others > since

    def lately(self, model: str) -> list[int]:
        """The credentials that have answered lately, those first whose turn is longest ago."""
        return list(self._of(model).lately)

    @staticmethod
    def _is_to_be_said(silence: Silence, at: float) -> bool:
        if silence.alerted_at is not None and at < silence.alerted_at + SAID_AGAIN_AFTER:
            return False
        silence.alerted_at = at
        return True

    def _of(self, model: str) -> Silence:
        silence = self._models.get(model)
        if silence is None:
            if len(self._models) >= _MOST_MODELS:
                self._models.popitem(last=False)  # Model names come from callers: without a bound they could fill the memory.
            silence = self._models[model] = Silence()
        else:
            self._models.move_to_end(model)
        return silence
