"""Why the pool would choose as it does: who would be asked for a model, in which order, and why each other one is skipped."""

from msgspec import Struct

from credentials.health import State
from credentials.lines import Line
from credentials.loading import load_rests, load_roster, load_selection
from credentials.pool import Pool
from credentials.roster import Entry
from credentials.routing import Step, steps
from credentials.selection import KEYS


class Candidate(Struct, frozen=True):
    """`rank` 1 would be asked first; 0: it would not be asked. `why` is in an admin's words, empty where all is well."""

    entry: Entry
    rank: int
    why: str = ""
    until: float | None = None
    """When what stands in its way ends by itself."""
    last_resort: bool = False
    """It rests for a passing fault, or is only suspected: it would be asked after all others."""


def snapshot() -> Pool:
    """The pool as the database knows it, for whoever is no web process. Calls in flight are not known to it."""
    pool = Pool(selection=load_selection())
    read = load_rests()
    pool.install(load_roster({}, secrets=False), read.standing, rests_version=read.version)
    return pool


def explain(pool: Pool, model: str, *, kinds: frozenset[str] | None = None, at: float) -> list[Candidate]:
    """All credentials that may come into question, those that would be asked first: of who is asked for the model first of all.

    `kinds` leaves some of Google's out; None: none of them.
    """
    model = pool.roster.resolve(model)
    first = next(iter(steps(pool.roster, model)), Step(model))
    if first.server:
        kinds = first.kinds(pool.roster)
    elif kinds is None:
        kinds = pool.roster.googles
    allowed, group = kinds, ""
    if (route := first.route) is not None and not first.server:
        allowed, group = kinds & {route.kind} if route.kind else kinds, route.group
    line = pool.line(model, kinds=allowed, group=group)
    tiers = [[_judged(pool, entry, model, at) for entry in tier] for tier in line.tiers]
    chosen = [candidate for tier in tiers for candidate in tier]
    free = [candidate for candidate in chosen if not candidate.why]
    resorts = [candidate for tier in tiers for candidate in _last_resorts(tier, at)]
    ranked = [
        Candidate(found.entry, rank, found.why, found.until, found.last_resort)
        for rank, found in enumerate((*free, *resorts), start=1)
    ]
    skipped = [candidate for candidate in chosen if candidate.why and not candidate.last_resort]
    return [*ranked, *skipped, *_left_out(pool, line, model, kinds, narrowed=(allowed, group))]


def _last_resorts(tier: list[Candidate], at: float) -> list[Candidate]:
    """The first to come back is asked first; of several, the one that was added first."""
    resting = (candidate for candidate in tier if candidate.last_resort)
    return sorted(resting, key=lambda candidate: (candidate.until or at, candidate.entry.id))


def _judged(pool: Pool, entry: Entry, model: str, at: float) -> Candidate:
    block = pool.block(entry, model, at)
    if block is None:
        return Candidate(entry, 0)
    rests = [rest for rest in pool.rests.of(entry, model) if rest.is_in_force(at)]
    resting = max(rests, key=lambda rest: rest.until or at, default=None)
    if resting is not None:
        until = None if resting.state is State.INVALID else resting.until
        return Candidate(entry, 0, resting.reason.label, until, last_resort=block.soft and not block.busy)
    if not block.until:
        return Candidate(entry, 0, "has as many calls in flight as it may, or one that finds out whether its rest is over")
    if block.soft:
        return Candidate(entry, 0, "its rest is over; another process finds out whether it serves", last_resort=True)
    return Candidate(entry, 0, "a quota limit is reached", block.until)


def _left_out(
    pool: Pool, line: Line, model: str, kinds: frozenset[str], *, narrowed: tuple[frozenset[str], str]
) -> list[Candidate]:
    """`narrowed`: the kinds, and the quota group, that a route leaves."""
    entries = (entry for entry in pool.roster.entries if entry.id not in line and entry.kind in kinds)
    return [Candidate(entry, 0, _why_left_out(entry, model, *narrowed)) for entry in entries]


def _why_left_out(entry: Entry, model: str, kinds: frozenset[str], group: str) -> str:
    if entry.kind not in kinds or group not in ("", entry.group):
        return "the model's route leads to others"
    if entry.lacks(model):
        return "does not list the model"
    return "CREDENTIAL_MODE leaves keys out" if entry.kind in KEYS else "is not asked for this model"
