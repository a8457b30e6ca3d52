"""What each family of models can do, also under names that nobody has heard yet."""

import pytest

from openai_api.translation.gemini.capabilities import SHIPPED_MODELS, capabilities_of
from tests.google.models import MODELS

GENERATING = [model for model in MODELS.values() if model.kind in ("text", "image", "speech", "transcription")]
THREE = ("low", "medium", "high")
FOUR = ("minimal", *THREE)
# Its levels in the simulator are a guess, so that we set none.
KNOBS_UNKNOWN = {"gemini-robotics-er-2-preview"}


@pytest.mark.parametrize("model", GENERATING, ids=lambda model: model.id)
def test_the_table_says_what_the_simulator_does(model):
    can = capabilities_of(model.id)
    if model.id not in KNOBS_UNKNOWN:
        assert can.levels == tuple(level.lower() for level in model.levels)
        assert can.budgets == model.budget
    assert can.can_stop_thinking == model.can_stop_thinking
    assert can.strict_signatures or not model.checks_signatures
    assert can.output_limit == model.output_limit


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("gemini-3.8-flash-preview-12-2026", THREE),
        ("gemini-3.5-flash-lite-preview", FOUR),
        ("gemini-3.9-flash", THREE),
        ("gemini-3.10-flash", THREE),
        ("gemini-3.9-flash-lite", FOUR),
        ("gemini-3-pro-preview", THREE),
        ("gemini-4-hydrogen-preview", (*THREE, "xhigh")),
        ("gemini-4-neon", THREE),
        ("gemini-5-flash", THREE),
        ("gemini-5-pro-preview", THREE),
        ("gemini-12-ultra", THREE),
        ("gemini-pro-latest", THREE),
        ("models/gemini-5-flash", THREE),
        ("Gemini-3.8-Flash", THREE),
    ],
)
def test_new_names_get_what_their_generation_has(name, levels):
    can = capabilities_of(name)
    assert can.levels == levels
    assert can.budgets is None
    assert can.strict_signatures
    assert can.json_with_tools
    assert can.search_with_functions


@pytest.mark.parametrize(
    "name", ["gemini-2.5-flash-preview-09-2025", "gemini-2.5-pro-exp", "gemini-2.0-flash", "gemini-1.5-pro-002"]
)
def test_older_generations_know_no_levels_and_check_no_signatures(name):
    can = capabilities_of(name)
    assert can.levels == ()
    assert not can.strict_signatures
    assert not can.json_with_tools
    assert not can.search_with_functions
    assert not can.media_in_results


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("gemini-5-flash-image", ("TEXT", "IMAGE")),
        ("gemini-nano-banana-3", ("TEXT", "IMAGE")),
        ("gemini-5-flash-tts", ("AUDIO",)),
        ("gemini-2.5-pro-preview-tts", ("AUDIO",)),
        ("gemini-5-transcribe", ("TEXT",)),
    ],
)
def test_what_models_of_other_kinds_put_out(name, outputs):
    can = capabilities_of(name)
    assert can.outputs == outputs
    assert not can.json


def test_gemma_takes_instructions_since_its_fourth_generation():
    assert capabilities_of("gemma-3-27b-it").instruction == "as_text"
    assert capabilities_of("gemma-4-31b-it").instruction == "sent"
    assert capabilities_of("gemma-5-40b-it").instruction == "sent"


@pytest.mark.parametrize("name", ["", "gpt-4o", "learnlm-2", "tunedModels/x"])
def test_of_names_of_no_family_nothing_is_expected(name):
    can = capabilities_of(name)
    assert (can.levels, can.budgets, can.strict_signatures) == ((), None, False)


def test_shipped_models_are_the_listed_ones_that_generate_or_embed():
    retired = {"gemini-2.5-flash-image"}  # Since October 2026 by Google's docs; others say not yet.
    retired |= {"gemini-3.1-flash-tts-preview", "gemini-2.5-flash-preview-tts", "gemini-2.5-pro-preview-tts"}  # Since November.
    embedding = {model.id for model in MODELS.values() if model.kind == "embedding"}
    assert {model.name for model in SHIPPED_MODELS if "generateContent" in model.methods} == {m.id for m in GENERATING} - retired
    assert {model.name for model in SHIPPED_MODELS if "embedContent" in model.methods} == embedding
    assert all(model.methods and model.display_name for model in SHIPPED_MODELS)


@pytest.mark.parametrize("model", SHIPPED_MODELS, ids=lambda model: model.name)
def test_the_limits_of_shipped_models_are_googles(model):
    assert (model.input_limit, model.output_limit) == (MODELS[model.name].input_limit, MODELS[model.name].output_limit)
