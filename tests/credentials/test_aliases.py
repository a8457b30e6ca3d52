"""The aliases that are shipped: every chat name of OpenAI's own SDK leads somewhere, other kinds of model are left alone."""

from importlib import import_module
from typing import get_args

import pytest
from openai.types.audio_model import AudioModel
from openai.types.embedding_model import EmbeddingModel
from openai.types.image_model import ImageModel
from openai.types.moderation_model import ModerationModel
from openai.types.shared.chat_model import ChatModel

from credentials.loading import load_roster
from credentials.models import ModelAlias
from credentials.roster import Roster

CHATS = import_module("credentials.migrations.0002_default_aliases").ALIASES
EMBEDDINGS = import_module("credentials.migrations.0007_embedding_aliases").ALIASES
NOT_CHAT = ("audio", "search-preview")
OTHERS = ["gpt-4o-mini-tts", "tts-1-hd", "gpt-realtime", "gpt-4o-realtime-preview", "gpt-image-1", "omni-moderation-latest"]


@pytest.fixture
def roster(db) -> Roster:
    return load_roster({})


@pytest.mark.parametrize("name", [name for name in get_args(ChatModel) if not any(word in name for word in NOT_CHAT)])
def test_every_chat_model_of_openai_leads_to_a_gemini_model(roster, name):
    assert roster.resolve(name).startswith("gemini-3")


@pytest.mark.parametrize("name", get_args(EmbeddingModel))
def test_every_embedding_model_of_openai_leads_to_one_of_googles(roster, name):
    assert roster.resolve(name).startswith("gemini-embedding-")


@pytest.mark.parametrize(
    "name",
    sorted({*get_args(ImageModel), *get_args(AudioModel), *get_args(ModerationModel), *OTHERS}),
)
def test_models_for_images_and_sound_are_left_alone(roster, name):
    assert roster.resolve(name) == name


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("gpt-4o", "gemini-3.8-flash"),
        ("gpt-4o-mini", "gemini-3.5-flash-lite"),
        ("gpt-4o-mini-2024-07-18", "gemini-3.5-flash-lite"),
        ("gpt-4.1-nano-2025-04-14", "gemini-3.5-flash-lite"),
        ("gpt-5.4-mini-2026-03-17", "gemini-3.5-flash-lite"),
        ("gpt-5.2-pro", "gemini-3.8-flash"),
        ("claude-sonnet-4-5", "gemini-3.8-flash"),
        ("claude-haiku-4-5", "gemini-3.5-flash-lite"),
        ("gemini-3.1-pro-preview", "gemini-3.1-pro-preview"),
    ],
)
def test_small_models_lead_to_the_small_one(roster, name, target):
    assert roster.resolve(name) == target


@pytest.mark.django_db
def test_the_migration_shipped_every_alias_enabled():
    assert dict(ModelAlias.objects.filter(enabled=True).values_list("pattern", "target")) == CHATS | EMBEDDINGS
