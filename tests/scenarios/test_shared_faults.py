"""Faults that are nobody's: Google refuses everybody, or the client asks for nonsense. No credential suffers for either."""

from collections import Counter

import pytest

from tests.house.waiting import eventually
from tests.scenarios.load import Samples, burst, load
from tests.scenarios.scene import Scene

FORTY = {f"key-{number}": f"project-{number}" for number in range(40)}
RATE = 12.0
BEFORE = 4.0
AFTER = 5.0


@pytest.fixture(scope="module")
def scene(set_scene) -> Scene:
    return set_scene(with_worker=False)


@pytest.mark.parametrize(("fault", "seconds"), [("bare_429", 60.0), ("overloaded", 12.0)], ids=["bare_429", "503"])
def test_when_google_refuses_everybody_for_a_while_nobody_is_blamed(scene, fault, seconds):
    with scene.pool(FORTY):
        with load(scene.castor, rate=RATE, stream_every=3) as clients:
            clients.go_on(BEFORE)
            with scene.google.scripted(error=fault):
                began = clients.now
                clients.go_on(seconds)
            ended = clients.now
            clients.go_on(AFTER)
            views, stored, rests = scene.views(), scene.stored_states(), scene.rests()
            clients.go_on(1.0)
        requests = [sample for sample in clients.samples if sample.began < ended and sample.began + sample.took > began]
        attempts = [call for call in scene.calls() if call.refused]
        print(f"{len(requests)} requests, {len(attempts)} attempts; {clients.samples.statuses}")

        assert clients.samples.between(0, began - 1).failed == []
        assert clients.samples.between(ended, clients.now).failed == [], "Google would have answered"
        assert len(attempts) <= len(requests) * 1.2 + 3
        for states in [stored, *({key: seen.state for key, seen in view.items()} for view in views)]:
            assert Counter(states.values())["available"] >= 0.9 * len(FORTY)
            assert "invalid" not in states.values()
        unharmed = [sum(not seen.reasons for seen in view.values()) for view in views]
        assert min(unharmed) >= 0.9 * len(FORTY), "not even the last choice for it"
        assert len(rests) <= 0.1 * len(FORTY)
        assert len(scene.alerts()) == 1
        eventually(lambda: scene.alerts()[0]["ended_at"] is not None, "declared over")


@pytest.mark.parametrize("status", [200, 418], ids=["an_error_in_the_answer", "an_unknown_answer"])
def test_when_everybody_answers_what_nobody_understands_most_keys_stay_in_service(scene, status):
    keys = {f"odd-{number}": f"odd-{number}" for number in range(8)}
    with scene.pool(keys):
        with scene.google.scripted(status=status, body={"error": {"code": 418, "message": "I am a teapot", "status": "ODD"}}):
            assert burst(scene.castor, 60).statuses[200] == 0
        assert "invalid" not in {state for states in scene.states() for state in states.values()}
        eventually(lambda: not burst(scene.castor, 8).failed, "serving again", seconds=20)
        kept = "SELECT body FROM credentials_unknownerror WHERE body LIKE '%%I am a teapot%%'"
        eventually(lambda: len(scene.castor.rows(kept)) == 1, "kept once for an admin to see", seconds=10)


def test_a_thousand_requests_that_are_themselves_at_fault_change_no_state(scene):
    keys = {f"calm-{number}": f"calm-{number}" for number in range(5)}
    with scene.pool(keys):
        changes = "SELECT count(*) FROM credentials_statechange"
        answers = Samples()
        with scene.google.scripted(error="bad_request"):
            answers += burst(scene.castor, 500, at_once=16)
        with scene.google.scripted(error="too_long"):
            answers += burst(scene.castor, 200, at_once=16)
        assert len(scene.calls()) == 700, "no other credential is asked for the client's own fault"
        answers += burst(scene.castor, 300, at_once=16, temperature="hot")
        assert len(scene.calls()) == 700, "what Castor itself cannot read is asked of nobody"
        assert answers.statuses == {400: 1_000}
        assert not burst(scene.castor, 20).failed
        assert scene.states() == [dict.fromkeys(keys, "available")] * len(scene.workers)
        assert [view[key].reasons for view in scene.views() for key in keys] == [[]] * len(keys) * len(scene.workers)
        assert (scene.rests(), scene.castor.rows(changes)[0]["count"], scene.alerts()) == ([], 0, [])
        assert scene.castor.rows("SELECT max(failures) FROM credentials_credential")[0]["max"] == 0


def test_equal_keys_are_asked_equally_often(scene):
    keys = {f"equal-{number}": f"equal-{number}" for number in range(10)}
    with scene.pool(keys):
        assert not burst(scene.castor, 2_000, at_once=16).failed
        asked = scene.calls_by_key()
        assert sum(asked.values()) == 2_000
        assert {key for key in keys if abs(asked[key] - 200) > 0.05 * 200} == set(), asked


def test_a_key_of_three_times_the_weight_is_asked_three_times_as_often(scene):
    with scene.pool({"light": "light", "heavy": "heavy"}, heavy={"weight": 3}):
        assert not burst(scene.castor, 800, at_once=16).failed
        asked = scene.calls_by_key()
        assert abs(asked["heavy"] - 600) <= 30, asked
