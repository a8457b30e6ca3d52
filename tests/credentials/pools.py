"""Pools on plain memory, for tables of tests."""

from credentials.health import RestRules
from credentials.pool import Pool
from credentials.roster import Entry, Roster

NOON = 1_790_000_000.0
MINUTE = 60.0
FLASH = "gemini-3.8-flash"
PRO = "gemini-3.1-pro-preview"
KEYS = frozenset({"api_key"})


def key(number: int, *, kind: str = "api_key", **fields) -> Entry:
    fields.setdefault("group", f"key:{number}")
    return Entry(id=number, kind=kind, label=f"key {number}", secret=f"secret-{number}", **fields)


def pool_of(*entries: Entry, rules: RestRules | None = None) -> Pool:
    pool = Pool(rules)
    pool.install(Roster(entries=entries), {})
    return pool


def lease(pool: Pool, model: str = FLASH, *, at: float = NOON, tried: frozenset[int] = frozenset()):
    return pool.lease(model, at=at, kinds=KEYS, tried=tried)
