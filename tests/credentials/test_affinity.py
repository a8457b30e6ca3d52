"""Conversations stay with one project, so that Google's implicit cache is met again, and no project gets more than its share."""

import random
from collections import Counter

import pytest

from credentials.affinity import BOUND, Homes
from credentials.health import Outcome
from credentials.learning import Evidence
from credentials.roster import Roster
from tests.credentials.pools import FLASH, KEYS, MINUTE, NOON, PRO, key, pool_of

CACHED_FOR = 5 * MINUTE
CONVERSATIONS = 50
TURNS = 20


class ImplicitCache:
    """Google's, as far as it is known: what a project has sent within the last minutes is cheap to send again."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, int], float] = {}
        self.hits = 0
        self.asked = 0

    def serve(self, group: str, prefix: int, at: float) -> None:
        self.asked += 1
        self.hits += at - self.seen.get((group, prefix), -CACHED_FOR) < CACHED_FOR
        self.seen[group, prefix] = at


TEN = tuple(key(number) for number in range(1, 11))


def pool_with_homes(entries=TEN):
    pool = pool_of(*entries)
    pool.homes = Homes()
    return pool


def prefixes(count=CONVERSATIONS, seed=7) -> list[int]:
    chance = random.Random(seed)
    return [chance.getrandbits(64) for _ in range(count)]


def ask(pool, prefix, *, at=NOON, model=FLASH, tried=frozenset()):
    return pool.lease(model, at=at, kinds=KEYS, prefix=prefix, tried=tried)


def serve(pool, prefix, *, at=NOON, model=FLASH):
    taken = ask(pool, prefix, at=at, model=model)
    pool.report(taken, Outcome.SERVED, at=at)
    return taken.entry


def talk(pool, cache, conversations, *, seed=1) -> Counter:
    """All conversations, their turns mixed; returns how many calls each credential had."""
    chance = random.Random(seed)
    order = [prefix for prefix in conversations for _ in range(TURNS)]
    chance.shuffle(order)
    calls = Counter()
    for number, prefix in enumerate(order):
        at = NOON + number / 4
        entry = serve(pool, prefix, at=at)
        cache.serve(entry.group, prefix, at)
        calls[entry.id] += 1
    return calls


def test_nine_of_ten_hits_that_one_key_would_have_are_met_and_no_key_has_half_more_than_its_share():
    ideal, met, missed = ImplicitCache(), ImplicitCache(), ImplicitCache()
    talk(pool_with_homes((key(1, max_concurrent=100),)), ideal, prefixes())
    calls = talk(pool_with_homes(), met, prefixes())
    talk(pool_of(*(key(number) for number in range(1, 11))), missed, prefixes())
    assert ideal.asked == met.asked == missed.asked == CONVERSATIONS * TURNS
    assert met.hits >= 0.9 * ideal.hits
    assert missed.hits < 0.7 * ideal.hits, "without affinity there is nothing to win, so this test would prove nothing"
    assert max(calls.values()) / (sum(calls.values()) / 10) <= 1.5


@pytest.mark.parametrize("count", [10, 50, 1_000])
@pytest.mark.parametrize("seed", range(3))
def test_no_project_is_home_to_many_more_conversations_than_its_share(count, seed):
    pool = pool_with_homes()
    homes = Counter(serve(pool, prefix).id for prefix in prefixes(count, seed))
    assert max(homes.values()) <= BOUND * count / 10 + 1


def test_a_conversation_stays_where_it_is_while_others_come_and_go():
    pool = pool_with_homes()
    at_home = {prefix: serve(pool, prefix).id for prefix in prefixes()}
    for other in prefixes(300, seed=8):
        serve(pool, other)
    assert {prefix: serve(pool, prefix).id for prefix in prefixes()} == at_home


def test_the_keys_of_one_project_are_one_home():
    entries = tuple(key(number, group=f"project:{number % 3}", max_concurrent=1) for number in range(9))
    pool = pool_with_homes(entries)
    [prefix] = prefixes(1)
    held = [ask(pool, prefix) for _ in range(3)]
    assert len({lease.entry.group for lease in held}) == 1
    assert len({lease.entry.id for lease in held}) == 3


@pytest.mark.parametrize("outcome", [Outcome.MINUTE_QUOTA, Outcome.DAY_QUOTA, Outcome.KEY_LEAKED, Outcome.UNEXPLAINED])
def test_a_home_that_rests_is_left_and_the_conversation_stays_at_the_new_one(outcome):
    pool = pool_with_homes()
    [prefix] = prefixes(1)
    lost = ask(pool, prefix)
    pool.report(lost, outcome, at=NOON, evidence=Evidence(asked_for=10))
    moved = [serve(pool, prefix, at=NOON + second).id for second in range(8)]
    assert len(set(moved)) == 1
    assert moved[0] != lost.entry.id
    assert serve(pool, prefix, at=NOON + 20).id == moved[0]


def test_all_conversations_of_a_home_that_rests_find_other_homes_that_are_not_one():
    pool = pool_with_homes()
    at_home = {prefix: serve(pool, prefix).id for prefix in prefixes(200)}
    [gone] = {one for one in at_home.values() if one == 1} or {at_home[prefixes(1)[0]]}
    others = frozenset(range(1, 11)) - {gone}
    pool.report(pool.lease(FLASH, at=NOON, kinds=KEYS, tried=others), Outcome.DAY_QUOTA, at=NOON)
    moved = Counter(serve(pool, prefix).id for prefix, home in at_home.items() if home == gone)
    assert gone not in moved
    assert len(moved) >= 5


def test_a_home_that_is_full_is_left_for_the_moment():
    pool = pool_with_homes(tuple(key(number, max_concurrent=1) for number in range(1, 4)))
    [prefix] = prefixes(1)
    held = [ask(pool, prefix) for _ in range(3)]
    assert len({lease.entry.id for lease in held}) == 3
    assert ask(pool, prefix) is None


def test_a_home_that_is_removed_is_left():
    pool = pool_with_homes()
    [prefix] = prefixes(1)
    home = serve(pool, prefix)
    pool.renew(Roster(entries=tuple(entry for entry in pool.roster.entries if entry.id != home.id)))
    assert len({serve(pool, prefix).id for _ in range(3)}) == 1


def test_one_that_has_failed_is_not_asked_again_for_being_home():
    pool = pool_with_homes()
    [prefix] = prefixes(1)
    home = serve(pool, prefix)
    assert ask(pool, prefix, tried=frozenset({home.id})).entry.id != home.id


def test_priorities_come_before_homes():
    pool = pool_with_homes((key(1, priority=1), *(key(number) for number in range(2, 11))))
    assert {serve(pool, prefix).id for prefix in prefixes()} == {1}


def test_a_conversation_of_another_model_has_another_home_record():
    pool = pool_with_homes()
    [prefix] = prefixes(1)
    home = serve(pool, prefix)
    others = frozenset(range(1, 11)) - {home.id}
    pool.report(pool.lease(PRO, at=NOON, kinds=KEYS, tried=others), Outcome.DAY_QUOTA, at=NOON)
    assert serve(pool, prefix, model=PRO).id != home.id
    assert serve(pool, prefix).id == home.id


def test_requests_without_a_prefix_take_turns_as_ever():
    pool = pool_with_homes()
    for prefix in prefixes():
        serve(pool, prefix)
    assert Counter(serve(pool, None).id for _ in range(100)) == Counter(dict.fromkeys(range(1, 11), 10))


def test_two_processes_find_the_same_home_for_most_conversations():
    one, other = pool_with_homes(), pool_with_homes()
    conversations = prefixes(500)
    mixed = random.Random(3).sample(conversations, len(conversations))
    homes = {prefix: serve(one, prefix).id for prefix in conversations}
    homes_elsewhere = {prefix: serve(other, prefix).id for prefix in mixed}
    assert sum(homes[prefix] == homes_elsewhere[prefix] for prefix in conversations) >= 0.6 * len(conversations)


def test_homes_do_not_fill_the_memory_and_the_ones_in_use_are_kept():
    pool = pool_with_homes()
    [kept] = prefixes(1)
    pool.report(ask(pool, kept), Outcome.MINUTE_QUOTA, at=NOON, evidence=Evidence(asked_for=10))
    moved_to = serve(pool, kept).id  # Where the ring alone would not lead it back to.
    for number, prefix in enumerate(prefixes(25_000, seed=9)):
        serve(pool, prefix, at=NOON + 20)
        if number % 1_000 == 0:
            assert serve(pool, kept, at=NOON + 20).id == moved_to
    assert len(pool.homes._homes) <= 10_000
    assert sum(pool.homes._guests.values()) == len(pool.homes._homes)


def test_when_nobody_near_home_is_free_somebody_far_from_it_is_asked():
    entries = tuple(key(number) for number in range(1, 201))
    pool = pool_with_homes(entries)
    for entry in entries[:-1]:
        pool.report(
            pool.lease(FLASH, at=NOON, kinds=KEYS, tried=frozenset(range(1, 201)) - {entry.id}), Outcome.DAY_QUOTA, at=NOON
        )
    assert {serve(pool, prefix).id for prefix in prefixes()} == {200}
