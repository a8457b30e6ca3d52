"""Limits that quota groups have at Google for a model, and whether another request would run into one. Plain memory.

One event loop uses it, on the hot path: a question costs a look into a dict and a few comparisons. Where several processes
share the limits, `permits.py` leases from Redis what this one may use.
"""

from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase

from msgspec import Struct

from credentials.budget import NUMBERS, Budget, Window, day_at, minute_at, share

MOST_METERS = 50_000
"""Places that are kept: names of models come from callers, who could fill the memory with them."""


class Limit(Struct, frozen=True):
    """What a quota group may use of the models that match; None: not limited. Neither project nor credential: any group, each
    for itself. `learned`: named by Google in an error, rather than typed in by an admin.
    """

    project: str = ""
    credential: int | None = None
    model: str = "*"
    rpm: int | None = None
    tpm: int | None = None
    """Tokens of input a minute."""
    rpd: int | None = None
    max_concurrent: int | None = None
    learned: bool = False

    @property
    def group(self) -> str:
        """The one that it names, or nothing."""
        if self.project:
            return f"project:{self.project}"
        return f"key:{self.credential}" if self.credential is not None else ""


class Pacer:
    def __init__(self) -> None:
        self.has_limits = False
        self.counts_tokens = False
        self.processes = 1
        """How many share each limit where they cannot agree."""
        self.leased = False
        """Whether only permits count that `permits.py` has leased; else this process keeps to its share."""
        self.wanting: dict[Budget, None] = {}
        """Those that need more permits, the longest waiting first."""
        self.refused: dict[Budget, None] = {}
        """Those that Redis had nothing for, which ask again in a while."""
        self.call: Callable[[], None] = _nobody_to_call
        """Says that somebody is `wanting`."""
        self._rules = _Rules(())
        self._meters: dict[tuple[str, str], _Meter] = {}
        self._minute = minute_at(0.0)
        self._day = day_at(0.0)

    def install(self, limits: Iterable[Limit]) -> None:
        """Take in all limits that apply; what was used so far still counts."""
        rows = tuple(limits)
        self.has_limits = bool(rows)
        self.counts_tokens = any(row.tpm is not None for row in rows)
        if rows != self._rules.rows:
            self._rules = _Rules(rows)

    def blocked_until(self, group: str, model: str, *, at: float, tokens: int = 0) -> float | None:
        """Whether another request would run into a limit. None: it may go. `tokens`: the estimate of its input.

        A moment after `at` is the end of the minute or day whose limit is used up. `at` itself says that it is only busy: it may
        go as soon as a call of the group has ended, or permits arrive, which is a matter of milliseconds.
        """
        meter = self._meter(group, model, at)
        until = 0.0
        busy = meter.in_flight >= share(meter.most_in_flight, self.processes) if meter.most_in_flight is not None else False
        for budget in meter.budgets:
            amount = tokens if budget.counts_tokens else 1
            if not self.leased:
                if not budget.fits_share(amount, self.processes):
                    until = max(until, budget.window.ends)
            elif not budget.fits_permits(amount):
                self._want(budget, budget.demand(amount, most=budget.limit))
                if budget.full:
                    until = max(until, budget.window.ends)
                busy = True
        return until or (at if busy else None)

    def begin(self, group: str, model: str, *, at: float, tokens: int = 0) -> None:
        """A request goes out; it is counted, whatever becomes of it, and so is the estimate of its input."""
        meter = self._meter(group, model, at)
        meter.in_flight += 1
        for budget in meter.budgets:
            budget.used += tokens if budget.counts_tokens else 1
            if self.leased and not budget.refusals and budget.granted - budget.used <= budget.block(self.processes) // 2:
                self._want(budget, 0)

    def end(
        self, group: str, model: str, *, at: float, reserved: int = 0, used: int | None = None, began: float | None = None
    ) -> None:
        """The request is over. `reserved`: what `begin` was told; `used`: the tokens of input that Google counted, where known.

        `began`: when it began, as its tokens count in that minute; None: within this one.
        """
        meter = self._meter(group, model, at)
        meter.in_flight = max(0, meter.in_flight - 1)
        if used is None:
            return
        for budget in meter.budgets:
            if budget.counts_tokens and (began is None or budget.window.holds(began)):
                budget.used = max(0, budget.used + used - reserved)

    def enter(self, budget: Budget, at: float) -> None:
        """Bring a budget into the window of this moment."""
        window = self._windows(at)[budget.is_daily]
        if budget.window is not window:
            budget.enter(window)

    def budgets(self) -> Iterator[Budget]:
        return (budget for meter in self._meters.values() for budget in meter.budgets)

    def _want(self, budget: Budget, need: int) -> None:
        budget.need = max(budget.need, need)
        if budget.refusals:
            self.refused[budget] = None
        elif budget not in self.wanting:
            self.wanting[budget] = None
            self.call()

    def _meter(self, group: str, model: str, at: float) -> "_Meter":
        meter = self._meters.get((group, model))
        if meter is None or meter.rules is not self._rules:
            meter = self._resolve(group, model, meter, at)
        if meter.budgets:
            windows = self._windows(at)
            for budget in meter.budgets:
                if budget.window is not windows[budget.is_daily]:
                    budget.enter(windows[budget.is_daily])
        return meter

    def _windows(self, at: float) -> tuple[Window, Window]:
        """The minute and the day."""
        if not self._minute.holds(at):
            self._minute = minute_at(at)
            if not self._day.holds(at):
                self._day = day_at(at)
        return self._minute, self._day

    def _resolve(self, group: str, model: str, known: "_Meter | None", at: float) -> "_Meter":
        meter = known or _Meter()
        if known is None:
            if len(self._meters) >= MOST_METERS:
                self._make_room()
            self._meters[group, model] = meter
        windows = self._windows(at)
        before = {budget.number: budget for budget in meter.budgets}
        numbers = self._rules.numbers(group, model)
        budgets = []
        for number in NUMBERS:
            if (limit := getattr(numbers, number)) is not None:
                budget = before.get(number) or Budget(group, model, number, windows[number == "rpd"])
                budget.limit_to(limit)
                budgets.append(budget)
        meter.budgets = tuple(budgets)
        meter.most_in_flight = numbers.max_concurrent
        meter.rules = self._rules
        return meter

    def _make_room(self) -> None:
        """Forget the fifth of the places that were used least: names that callers make up are used once."""
        by_use = sorted(self._meters.items(), key=lambda item: (item[1].in_flight > 0, sum(b.used for b in item[1].budgets)))
        self._meters = dict(by_use[MOST_METERS // 5 :])


class _Meter:
    """A group and model: what is limited there and how much of it is used. `rules`: those that it was made by."""

    __slots__ = ("budgets", "in_flight", "most_in_flight", "rules")

    def __init__(self) -> None:
        self.rules: _Rules | None = None
        self.budgets: tuple[Budget, ...] = ()
        self.most_in_flight: int | None = None
        self.in_flight = 0


class _Rules:
    """The limits, and which of them decides."""

    def __init__(self, rows: tuple[Limit, ...]) -> None:
        self.rows = rows
        self._by_group: dict[str, list[Limit]] = {}
        for row in rows:
            self._by_group.setdefault(row.group, []).append(row)

    def numbers(self, group: str, model: str) -> Limit:
        """For each number the one of the most particular limit that has it."""
        about = [*self._by_group.get(group, ()), *self._by_group.get("", ())]
        rows = sorted((row for row in about if fnmatchcase(model, row.model)), key=lambda row: _rank(row, model))

        def decided(name: str) -> int | None:
            return next((number for row in rows if (number := getattr(row, name)) is not None), None)

        return Limit(rpm=decided("rpm"), tpm=decided("tpm"), rpd=decided("rpd"), max_concurrent=decided("max_concurrent"))


def _rank(row: Limit, model: str) -> tuple[bool, bool, bool, int]:
    """An admin's word counts before what was learned; then the named group, the exact name, the longer pattern."""
    return row.learned, not row.group, row.model != model, -len(row.model)


def _nobody_to_call() -> None:
    """Without Redis there are no permits to wait for."""
