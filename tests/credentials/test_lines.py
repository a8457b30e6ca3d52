"""A line by itself: who stands in it, who sleeps, who is woken. The pool's own judgement is played by the tests."""

from collections import Counter

import pytest

from credentials.lines import BUSY, TRIED, Block, Line, Ring, Strategy
from tests.credentials.pools import key

AT = 1_000.0


class Judge:
    """`blocks` says what stands in whose way; everybody else is free."""

    def __init__(self, **blocks: Block) -> None:
        self.blocks = {int(name.removeprefix("key")): block for name, block in blocks.items()}

    def __call__(self, entry) -> Block | None:
        return self.blocks.get(entry.id)


def line_of(*tiers, strategy=Strategy.ROUND_ROBIN, due=None) -> Line:
    return Line(tiers, strategy, due=due or {})


def pick(line, judge, at=AT):
    entry = line.pick(at, judge, lambda entry: 0)
    return entry.id if entry is not None else None


def firm(seconds) -> Block:
    return Block(until=AT + seconds)


def soft(seconds) -> Block:
    return Block(until=AT + seconds, soft=True)


THREE = (key(1), key(2), key(3))


def test_nobody_stands_in_an_empty_line():
    line = line_of()
    judge = Judge()
    assert pick(line, judge) is None
    assert line.pick_last_resort(AT, judge) is None
    assert line.earliest(judge) is None
    assert not line.has_busy(judge)
    assert not line.may_serve()
    assert (len(line), line.tiers, line.due) == (0, [], {})


def test_whoever_rests_is_back_at_the_very_moment():
    line, judge = line_of(THREE), Judge(key1=firm(10))
    assert [pick(line, judge) for _ in range(3)] == [2, 3, 2]
    judge.blocks.clear()
    assert 1 not in {pick(line, judge, AT + 9.99) for _ in range(4)}
    assert pick(line, judge, AT + 10) == 1


def test_whoever_still_rests_when_its_time_is_over_is_laid_aside_anew():
    line, judge = line_of(THREE), Judge(key1=firm(10))
    pick(line, judge)
    judge.blocks[1] = firm(50)
    assert 1 not in {pick(line, judge, AT + 20) for _ in range(4)}
    judge.blocks.clear()
    assert 1 not in {pick(line, judge, AT + 49) for _ in range(4)}
    assert 1 in {pick(line, judge, AT + 50) for _ in range(4)}


def test_whoever_is_woken_before_its_time_serves_at_once_and_stands_in_line_only_once():
    line, judge = line_of(THREE), Judge(key1=firm(10))
    pick(line, judge)
    judge.blocks.clear()
    line.wake("key:1")
    line.wake("key:1")
    assert [pick(line, judge, AT + 20) for _ in range(5)] == [1, 3, 1, 2, 3]


def test_a_rest_that_became_shorter_counts_from_when_it_is_woken():
    line, judge = line_of(THREE), Judge(key1=firm(1_000))
    pick(line, judge)
    judge.blocks[1] = firm(10)
    line.wake("key:1")
    assert {pick(line, judge) for _ in range(3)} == {2, 3}
    judge.blocks.clear()
    assert 1 in {pick(line, judge, AT + 11) for _ in range(3)}


def test_a_project_is_woken_as_a_whole():
    line = line_of([key(1, group="project:p"), key(2, group="project:p"), key(3, group="project:q")])
    judge = Judge(key1=firm(10), key2=firm(10), key3=firm(10))
    assert pick(line, judge) is None
    judge.blocks.clear()
    line.wake("project:p")
    assert {pick(line, judge) for _ in range(4)} == {1, 2}


def test_waking_somebody_who_is_not_in_line_changes_nothing():
    line = line_of(THREE)
    line.wake("key:9")
    line.wake("project:nobody")
    assert [pick(line, Judge()) for _ in range(3)] == [1, 2, 3]


def test_a_block_may_be_looked_at_again_before_it_ends():
    line, judge = line_of(THREE), Judge(key1=Block(until=AT + 60, look_again=AT + 1))
    pick(line, judge)
    judge.blocks.clear()
    assert pick(line, judge, AT + 1) == 1


def test_the_earliest_return_is_that_of_the_block_not_of_the_next_look():
    line, judge = line_of(THREE[:1]), Judge(key1=Block(until=AT + 60, look_again=AT + 1))
    assert pick(line, judge) is None
    assert line.earliest(judge) == AT + 60


# --- Busy, tried ----------------------------------------------------------------------------------------------------------


def test_busy_and_tried_ones_are_passed_over_and_keep_standing_in_line():
    line, judge = line_of(THREE), Judge(key1=BUSY, key2=TRIED)
    assert [pick(line, judge) for _ in range(2)] == [3, 3]
    judge.blocks.clear()
    assert [pick(line, judge) for _ in range(2)] == [1, 2]


def test_only_a_busy_one_is_worth_waiting_for():
    line = line_of(THREE[:2])
    for judge, expected in ((Judge(key1=TRIED, key2=firm(5)), False), (Judge(key1=BUSY, key2=TRIED), True)):
        line = line_of(THREE[:2])
        assert pick(line, judge) is None
        assert line.has_busy(judge) is expected


# --- Last resorts ---------------------------------------------------------------------------------------------------------


def test_the_last_resort_is_whoever_comes_back_first():
    line, judge = line_of(THREE), Judge(key1=soft(30), key2=soft(10), key3=firm(5))
    assert pick(line, judge) is None
    assert line.pick_last_resort(AT, judge).id == 2


def test_a_better_tier_is_the_better_last_resort_too():
    line, judge = line_of([key(1)], [key(2)]), Judge(key1=soft(30), key2=soft(10))
    assert pick(line, judge) is None
    assert line.pick_last_resort(AT, judge).id == 1


@pytest.mark.parametrize("block", [firm(90), BUSY, TRIED])
def test_a_last_resort_that_has_become_something_else_is_none(block):
    line, judge = line_of(THREE[:1]), Judge(key1=soft(30))
    assert pick(line, judge) is None
    judge.blocks[1] = block
    assert line.pick_last_resort(AT, judge) is None


def test_a_busy_last_resort_is_worth_waiting_for():
    line, judge = line_of(THREE[:1]), Judge(key1=soft(30))
    assert pick(line, judge) is None
    judge.blocks[1] = BUSY
    assert line.has_busy_last_resort(judge)
    assert not line.has_busy(judge)


# --- When the next one comes back -----------------------------------------------------------------------------------------


def test_the_earliest_return_counts_firm_and_soft_ones_and_leaves_out_those_tried():
    line, judge = line_of(THREE), Judge(key1=firm(30), key2=soft(10), key3=firm(20))
    assert pick(line, judge) is None
    assert line.earliest(judge) == AT + 10
    assert line.earliest(judge, without={2}) == AT + 20
    assert line.earliest(judge, without={1, 2, 3}) is None


def test_the_earliest_return_is_told_as_things_are_now():
    line, judge = line_of(THREE[:2]), Judge(key1=firm(10), key2=firm(30))
    assert pick(line, judge) is None
    judge.blocks[1] = firm(90)
    assert line.earliest(judge) == AT + 30


# --- Renewal --------------------------------------------------------------------------------------------------------------


def test_turns_go_on_in_the_line_that_takes_anothers_place():
    line = line_of(THREE)
    assert [pick(line, Judge()) for _ in range(2)] == [1, 2]
    follower = line_of((*THREE, key(4)), due=line.due)
    assert [pick(follower, Judge()) for _ in range(4)] == [3, 4, 1, 2]


def test_what_was_asleep_is_looked_at_anew_in_the_line_that_takes_anothers_place():
    line, judge = line_of(THREE), Judge(key1=firm(10))
    pick(line, judge)
    follower = line_of(THREE, due=line.due)
    assert 1 in {pick(follower, Judge()) for _ in range(3)}


def test_groups_are_counted_once():
    assert line_of([key(1, group="project:p"), key(2, group="project:p")], [key(3)]).groups == 2


# --- The ring -------------------------------------------------------------------------------------------------------------


def test_the_ring_is_the_same_whatever_the_order_and_goes_round():
    groups = [f"project:{number}" for number in range(20)]
    one, other = Ring(groups), Ring(reversed(groups))
    for point in (0, 2**63, 2**64 - 1):
        assert one.near(point, 20) == other.near(point, 20)
        assert sorted(one.near(point, 50)) == sorted(groups)
    assert one.near(2**63, 3) == one.near(2**63, 20)[:3]


def test_a_group_that_leaves_the_ring_moves_few_but_those_that_lived_there():
    groups = [f"project:{number}" for number in range(20)]
    points = [number * 2**54 for number in range(1_000)]
    before, after = Ring(groups), Ring(groups[1:])
    moved = [point for point in points if before.near(point, 1) != after.near(point, 1)]
    assert sum(before.near(point, 1) != [groups[0]] for point in moved) <= 50


@pytest.mark.parametrize("count", [2, 10, 100])
def test_each_of_few_groups_has_about_the_same_share_of_the_ring(count):
    ring = Ring(f"project:{number}" for number in range(count))
    shares = Counter(ring.near(number * 2**50, 1)[0] for number in range(2**14))
    assert max(shares.values()) <= 2 * 2**14 / count
