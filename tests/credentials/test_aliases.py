"""The aliases that are shipped: every chat name of OpenAI's own SDK leads somewhere, other kinds of model are left alone."""

from importlib import import_module
from typing import get_args

import pytest
from openai.types.audio.speech_model import SpeechModel
from openai.types.audio_model import AudioModel
from openai.types.embedding_model import EmbeddingModel
from openai.types.image_model import ImageModel
from openai.types.moderation_model import ModerationModel
from openai.types.shared.chat_model import ChatModel

from credentials.loading import load_roster
from credentials.models import ModelAlias
from credentials.roster import ModelCard, Roster

CHATS = import_module("credentials.migrations.0002_default_aliases").ALIASES
EMBEDDINGS = import_module("credentials.migrations.0007_embedding_aliases").ALIASES
MEDIA = import_module("credentials.migrations.0008_media_aliases").ALIASES
NOT_CHAT = ("audio", "search-preview")


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
    ("names", "target"),
    [
        (get_args(ImageModel), "-image"),
        (get_args(SpeechModel), "-tts"),
        (get_args(AudioModel), "-transcribe"),
        (get_args(ModerationModel), "-lite"),
    ],
)
def test_every_other_model_of_openai_leads_to_one_of_its_kind(roster, names, target):
    assert all(target in roster.resolve(name) for name in names)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("imagen-4.0-generate-001", "gemini-3.1-flash-image"),
        ("imagen-4.0-ultra-generate-001", "gemini-3-pro-image"),
        ("imagen-4.0-fast-generate-001", "gemini-3.1-flash-lite-image"),
        ("imagen-3.0-generate-002", "gemini-3.1-flash-image"),
        ("gpt-image-1-mini", "gemini-3.1-flash-lite-image"),
    ],
)
def test_imagen_leads_to_what_took_its_place(roster, name, target):
    assert roster.resolve(name) == target


def test_imagen_itself_answers_where_an_upstream_still_has_it(db):
    name = "imagen-4.0-generate-001"
    assert load_roster({name: ModelCard(name)}).resolve(name) == name


@pytest.mark.parametrize("name", ["gpt-realtime", "gpt-4o-realtime-preview", "gpt-4o-audio-preview"])
def test_what_castor_has_nothing_for_is_left_alone(roster, name):
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
    assert dict(ModelAlias.objects.filter(enabled=True).values_list("pattern", "target")) == CHATS | EMBEDDINGS | MEDIA
