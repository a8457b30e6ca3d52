"""Who is asked for a model, as a table; and pools of servers that know nothing of each other's troubles."""

import pytest
from msgspec.structs import replace

from credentials.health import Outcome, State
from credentials.roster import ModelCard, Roster, Route, Server
from credentials.routing import Step, server_kind, steps
from tests.credentials.pools import FLASH, NOON, key, pool_of


def server(number: int, *models: str, **given) -> Server:
    cards = {model: ModelCard(model) for model in models}
    return Server(number, f"server {number}", cards, **{"has_credentials": True, **given})


SERVERS = (server(1, "llama", "both"), server(2, "both"))


def roster(*routes: Route, servers: tuple[Server, ...] = SERVERS, google: bool = True) -> Roster:
    entries = [key(1)] if google else []
    entries += [of_server(10 + one.id, one.id) for one in servers]
    return Roster(
        entries=tuple(entries),
        routes=routes,
        servers={one.id: one for one in servers},
        models={FLASH: ModelCard(FLASH)},
        aliases={"alias": FLASH, "llama": FLASH, "to-llama": "llama"},
    )


def of_server(number: int, server: int):
    return key(number, kind=server_kind(server), server=server, group=f"key:{number}", base_url="http://x/v1")


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        (FLASH, [Step(FLASH)]),
        ("gemini-9-unheard-of", [Step("gemini-9-unheard-of")]),
        ("gemma-9-27b", [Step("gemma-9-27b")]),
        ("imagen-9", [Step("imagen-9")]),
        ("llama", [Step("llama", 1)]),
        ("both", [Step("both", 1), Step("both", 2)]),
        ("unheard-of", [Step("unheard-of", 1), Step("unheard-of", 2)]),
    ],
)
def test_without_a_route_google_has_its_own_and_servers_the_rest(model, asked):
    assert steps(roster(), model) == asked


def test_without_a_server_what_is_not_googles_is_nobodys():
    assert steps(roster(servers=()), "llama") == []
    assert steps(roster(servers=(server(1, has_credentials=False),)), "unheard-of") == []


def test_a_server_that_lists_nothing_is_asked_first_for_what_nobody_lists_and_one_that_is_gone_last():
    servers = (server(1, "x"), server(2, unreachable=True), server(3))
    assert [step.server for step in steps(roster(servers=servers), "unheard-of")] == [3, 1, 2]


def test_googles_models_come_from_a_server_where_google_has_no_credential():
    servers = (server(1, FLASH),)
    assert steps(roster(servers=servers, google=False), FLASH) == [Step(FLASH, 1)]
    assert steps(roster(servers=servers), FLASH) == [Step(FLASH)]


def test_the_first_route_that_matches_decides():
    routed = roster(Route("llama-3*", 2), Route("llama*", 0), Route("*", 1))
    assert [steps(routed, model)[0].server for model in ("llama-3.1", "llama", FLASH)] == [2, 0, 1]


def test_models_that_stand_in_go_where_they_always_go_and_have_nobody_stand_in_for_them():
    routed = roster(Route("pro", 0, (FLASH, "to-llama", "both", "pro")), Route("both", 2, ("llama",)))
    assert [replace(step, route=None) for step in steps(routed, "pro")] == [
        Step("pro"),
        Step(FLASH, 0, FLASH),
        Step("llama", 1, "to-llama"),
        Step("both", 2, "both"),
    ]


def test_an_alias_leads_to_a_server_but_hides_nothing_that_one_has():
    assert roster().resolve("to-llama") == "llama"
    assert roster().resolve("llama") == "llama"
    assert roster(servers=()).resolve("llama") == FLASH


def test_a_name_with_a_prefix_is_taken_as_it_is_where_a_server_has_it_so():
    routed = roster(servers=(server(1, "google/gemma-3"),))
    assert (routed.resolve("google/gemma-3"), routed.resolve(f"google/{FLASH}")) == ("google/gemma-3", FLASH)


def pool_of_servers():
    pool = pool_of(key(1), of_server(11, 1), of_server(12, 1), of_server(21, 2))
    pool.renew(Roster(entries=pool.roster.entries, servers={1: server(1), 2: server(2)}))
    return pool


def kinds(number):
    return frozenset({server_kind(number)})


def test_each_server_has_a_pool_of_its_own():
    pool = pool_of_servers()
    asked = {n: {pool.lease("m", at=NOON, kinds=kinds(n)).entry.id for _ in range(6)} for n in (1, 2)}
    assert asked == {1: {11, 12}, 2: {21}}
    assert {pool.lease("m", at=NOON, kinds=frozenset({"api_key", "oauth"})).entry.id for _ in range(3)} == {1}


def test_keys_that_list_a_model_matter_only_among_their_own():
    pool = pool_of(key(1, models=frozenset({"m"})), of_server(11, 1))
    pool.renew(Roster(entries=pool.roster.entries, servers={1: server(1)}))
    assert pool.lease("m", at=NOON, kinds=kinds(1)).entry.id == 11


def test_dead_keys_of_one_server_do_not_put_another_servers_under_mere_suspicion():
    pool = pool_of_servers()
    for number in (1, 2):
        lease = pool.lease("m", at=NOON, kinds=kinds(number))
        pool.report(lease, Outcome.KEY_REJECTED, at=NOON)
        assert pool.rests.get((lease.entry.name, "")).state is State.INVALID


def test_each_step_knows_the_route_of_its_own_model():
    pro, llama = Route("pro", fallback=("llama-3.1", FLASH), stop_tags=("a",)), Route("llama*", server=1, stop_tags=("b",))
    assert [step.route for step in steps(roster(pro, llama), "pro")] == [pro, llama, None]
