"""Table 2.2 row by row: which model takes which level or budget, and what its thoughts cost."""

import pytest

from tests.google import thinking
from tests.google.asking import ask, configured, saying
from tests.google.errors import Refusal
from tests.google.models import MODELS

LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")


def takes(model_id, **config):
    try:
        thinking.check(config, MODELS[model_id])
    except Refusal as refusal:
        return refusal.code != 400
    return True


@pytest.mark.parametrize(
    ("model_id", "levels"),
    [
        ("gemini-3-flash-preview", "MINIMAL LOW MEDIUM HIGH"),
        ("gemini-3.1-pro-preview", "LOW MEDIUM HIGH"),
        ("gemini-3.1-flash-lite", "MINIMAL LOW MEDIUM HIGH"),
        ("gemini-3.5-flash-lite", "MINIMAL LOW MEDIUM HIGH"),
        ("gemini-3.5-flash", "MINIMAL LOW MEDIUM HIGH"),
        ("gemini-3.6-flash", "MINIMAL LOW MEDIUM HIGH"),
        ("gemini-3.7-flash", "LOW MEDIUM HIGH"),
        ("gemini-3.8-flash", "LOW MEDIUM HIGH"),
        ("gemini-flash-latest", "LOW MEDIUM HIGH"),
        ("gemini-3.1-flash-image", "MINIMAL HIGH"),
        ("gemini-3-pro-image", ""),
        ("gemini-4-argon", "LOW MEDIUM HIGH"),
        ("gemini-4-carbon", "LOW MEDIUM HIGH"),
        ("gemini-4-hydrogen", "LOW MEDIUM HIGH XHIGH"),
        ("gemini-2.5-pro", ""),
        ("gemini-2.5-flash", ""),
    ],
)
def test_a_model_takes_its_own_levels_and_no_other(model_id, levels):
    assert [level for level in LEVELS if takes(model_id, thinkingLevel=level)] == levels.split()


@pytest.mark.parametrize(
    ("model_id", "good", "bad"),
    [
        ("gemini-2.5-pro", (-1, 128, 32_768), (0, 127, 32_769, -2)),
        ("gemini-2.5-flash", (-1, 0, 1, 24_576), (24_577, -2)),
        ("gemini-2.5-flash-lite", (-1, 0, 512, 24_576), (1, 511, 24_577)),
        ("gemini-3.8-flash", (), (-1, 0, 1024)),
        ("gemini-4-argon", (), (-1, 0, 1024)),
    ],
)
def test_only_2_5_takes_a_budget_and_only_in_its_range(model_id, good, bad):
    assert [budget for budget in (*good, *bad) if takes(model_id, thinkingBudget=budget)] == list(good)


def test_level_and_budget_together_are_refused():
    assert not takes("gemini-3.8-flash", thinkingLevel="LOW", thinkingBudget=-1)


def test_a_model_that_does_not_think_takes_no_thinking_config():
    with pytest.raises(Refusal, match=r"Thinking is not enabled for models/gemini-2\.5-flash-image"):
        thinking.check({"includeThoughts": True}, MODELS["gemini-2.5-flash-image"])


@pytest.mark.parametrize(
    ("model_id", "config", "tokens"),
    [
        ("gemini-3.8-flash", {}, 16),
        ("gemini-3.8-flash", {"thinkingLevel": "LOW"}, 8),
        ("gemini-3.5-flash", {"thinkingLevel": "MINIMAL"}, None),
        ("gemini-4-hydrogen", {"thinkingLevel": "XHIGH"}, 64),
        ("gemini-2.5-flash", {}, 16),
        ("gemini-2.5-flash", {"thinkingBudget": 0}, None),
        ("gemini-2.5-flash-lite", {}, None),
        ("gemini-2.5-flash-lite", {"thinkingBudget": -1}, 16),
    ],
)
def test_thoughts_are_counted_beside_the_answer(google, model_id, config, tokens):
    usage = ask(google, configured(thinkingConfig=config), model_id).json()["usageMetadata"]
    assert usage.get("thoughtsTokenCount") == tokens
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"] + (tokens or 0)


def test_thoughts_come_first_and_only_when_asked_for(google):
    plain = ask(google, saying()).json()["candidates"][0]["content"]["parts"]
    told = ask(google, configured(thinkingConfig={"includeThoughts": True})).json()["candidates"][0]["content"]["parts"]
    assert [part.get("thought", False) for part in plain] == [False]
    assert [part.get("thought", False) for part in told] == [True, False]


def test_a_low_cap_is_eaten_by_thinking_and_leaves_no_text(google):
    answer = ask(google, configured(maxOutputTokens=10)).json()
    assert answer["candidates"] == [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}]
    assert answer["usageMetadata"]["thoughtsTokenCount"] == 10
