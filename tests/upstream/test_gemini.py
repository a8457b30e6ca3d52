"""Which kinds of credential can serve what is asked, and which way each of them opens."""

import pytest

from credentials.roster import ModelCard, Roster
from openai_api.errors import InvalidRequest, NoCredential
from openai_api.shortage import nothing_free
from openai_api.translation.cli_prompt import CliPrompt
from openai_api.translation.conversation import Conversation, Notice, Text, TextsToEmbed, TextToSpeak, Tool, Turn
from openai_api.upstream.gemini import Gemini
from openai_api.upstream.gemini_cli import NOT_INSTALLED
from tests.credentials.pools import FLASH, NOON, key, pool_of


class Way:
    """One way to Gemini; `installed` matters to the CLI only."""

    def __init__(self, *, installed: bool = True) -> None:
        self.installed = installed
        self.asked: list[str] = []

    def ask(self, prepared, entry, **given):
        self.asked.append(entry.kind)


def asked(model=FLASH, **more) -> Conversation:
    return Conversation(model, (Turn("user", (Text("hi"),)),), **more)


def prepared(*kinds: str, installed: bool = True, **more):
    roster = Roster(entries=tuple(key(number, kind=kind) for number, kind in enumerate(kinds)))
    return Gemini(Way(), Way(), Way(installed=installed)).prepare(asked(**more), roster)


EMBEDDING = "gemini-embedding-2"
EVERY = ("api_key", "oauth", "code_assist", "gemini_cli")


def test_plain_text_may_go_to_every_kind():
    made = prepared(*EVERY)
    assert made.kinds == frozenset(EVERY)
    assert made.unfit == ()
    assert isinstance(made.prompt, CliPrompt)


def test_where_there_are_keys_only_nothing_is_prepared_for_others():
    made = prepared("api_key")
    assert (made.kinds, made.prompt) == (frozenset({"api_key", "oauth"}), None)


def test_the_cli_does_not_serve_who_wants_to_know_why_something_is_blocked():
    roster = Roster(entries=tuple(key(number, kind=kind) for number, kind in enumerate(EVERY)))
    made = Gemini(Way(), Way(), Way()).prepare(asked(), roster, rated=True)
    assert (made.rated, made.kinds) == (True, frozenset(EVERY) - {"gemini_cli"})
    assert [notice.field for notice in made.unfit] == [""]
    assert prepared(*EVERY).rated is False


@pytest.mark.parametrize(
    ("more", "field"),
    [({"cached_content": "cachedContents/1"}, "cached_content"), ({"service_tier": "flex"}, "service_tier")],
)
def test_what_code_assist_has_no_word_for_goes_to_the_gemini_api(more, field):
    made = prepared("api_key", "code_assist", **more)
    assert made.kinds == {"api_key", "oauth"}
    assert [notice.field for notice in made.unfit] == [field]


def test_pictures_are_made_by_the_gemini_api_alone():
    made = prepared(*EVERY, model="gemini-3-pro-image", modalities=("TEXT", "IMAGE"))
    assert made.kinds == {"api_key", "oauth"}
    assert ["no pictures" in notice.reason for notice in made.unfit] == [True, True]


def test_tools_do_not_go_to_the_cli():
    made = prepared("code_assist", "gemini_cli", tools=(Tool("look_up"),))
    assert made.kinds == {"api_key", "oauth", "code_assist"}
    assert [notice.field for notice in made.unfit] == ["tools"]


def test_without_the_cli_its_credentials_are_out():
    made = prepared("gemini_cli", installed=False)
    assert made.kinds == {"api_key", "oauth"}
    assert made.unfit == (Notice("", NOT_INSTALLED),)


def test_the_cli_is_not_asked_to_count():
    roster = Roster(entries=(key(1), key(2, kind="gemini_cli")))
    made = Gemini(Way(), Way(), Way()).prepare(asked(), roster, counts=True)
    assert made.kinds == {"api_key", "oauth"}
    assert [notice.field for notice in made.unfit] == [""]


@pytest.mark.parametrize(
    ("kind", "way"), [("api_key", 0), ("oauth", 0), ("code_assist", 1), ("gemini_cli", 2)], ids=lambda value: str(value)
)
def test_each_kind_goes_its_way(kind, way):
    ways = [Way(), Way(), Way()]
    Gemini(*ways).ask(None, key(1, kind=kind), new_call_id=str, seconds=1)
    assert [len(each.asked) for each in ways] == [int(number == way) for number in range(3)]


def refused(*unfit: Notice):
    return nothing_free(pool_of(key(1, kind="gemini_cli")), FLASH, kinds=frozenset({"api_key"}), at=NOON, unfit=unfit)


def test_what_no_credential_can_do_is_refused_by_name():
    error = refused(Notice("tools", "the Gemini CLI takes none"))
    assert isinstance(error, InvalidRequest)
    assert (error.status, error.param) == (400, "tools")
    assert "the Gemini CLI takes none" in str(error)


def test_a_cli_that_is_not_there_is_no_fault_of_the_request():
    error = refused(Notice("", NOT_INSTALLED))
    assert isinstance(error, NoCredential)
    assert NOT_INSTALLED in str(error)


def embeddings(model: str, *kinds: str, cards: tuple[ModelCard, ...] = ()):
    roster = Roster(
        entries=tuple(key(number, kind=kind) for number, kind in enumerate(kinds)), models={card.name: card for card in cards}
    )
    return Gemini(Way(), Way(), Way()).prepare_embeddings(TextsToEmbed(model, ("a",)), roster)


def test_embeddings_are_left_to_those_who_have_them():
    [made] = embeddings(EMBEDDING, *EVERY)
    assert made.kinds == {"api_key", "oauth"}
    assert [notice.field for notice in made.unfit] == ["", ""]


@pytest.mark.parametrize(("kind", "name"), [("code_assist", "Code Assist"), ("gemini_cli", "The Gemini CLI")])
def test_who_has_no_embeddings_is_named_and_what_would_help(kind, name):
    [made] = embeddings(EMBEDDING, kind)
    error = nothing_free(pool_of(key(1, kind=kind)), EMBEDDING, kinds=made.kinds, at=NOON, unfit=made.unfit)
    assert isinstance(error, NoCredential)
    assert error.message.startswith(f"{name} makes no embeddings")
    assert "API key" in error.message


CHATS, EMBEDS = ModelCard("gemini-9"), ModelCard("gemini-vectors", methods=("embedContent",))


@pytest.mark.parametrize(
    ("model", "is_asked"),
    [("gemini-vectors", True), ("gemini-embedding-99", True), ("gemini-9", False), ("gemini-8", False)],
)
def test_only_models_that_embed_are_asked_to(model, is_asked):
    if is_asked:
        assert embeddings(model, "api_key", cards=(CHATS, EMBEDS))
    else:
        with pytest.raises(InvalidRequest) as caught:
            embeddings(model, "api_key", cards=(CHATS, EMBEDS))
        assert caught.value.param == "model"


@pytest.mark.parametrize("counts", [False, True])
def test_a_model_that_does_not_chat_is_only_asked_to_count(counts):
    def prepare():
        roster = Roster(entries=(key(1),), models={EMBEDS.name: EMBEDS})
        conversation = Conversation(EMBEDS.name, (Turn("user", (Text("hi"),)),))
        return Gemini(Way(), Way(), Way()).prepare(conversation, roster, counts=counts)

    if counts:
        assert prepare().model == EMBEDS.name
    else:
        with pytest.raises(InvalidRequest) as caught:
            prepare()
        assert caught.value.param == "model"


def speech(model: str, *kinds: str):
    roster = Roster(entries=tuple(key(number, kind=kind) for number, kind in enumerate(kinds)))
    return Gemini(Way(), Way(), Way()).prepare_speech(TextToSpeak(model, "Hello.", "alloy"), roster)


SPEAKS = "gemini-3.8-flash-tts"


def test_speech_is_left_to_those_who_speak():
    made = speech(SPEAKS, *EVERY)
    assert (made.kinds, made.tokens) == ({"api_key", "oauth"}, 2)
    assert [notice.field for notice in made.unfit] == ["", ""]


@pytest.mark.parametrize(("kind", "name"), [("code_assist", "Code Assist"), ("gemini_cli", "The Gemini CLI")])
def test_who_does_not_speak_is_named_and_what_would_help(kind, name):
    made = speech(SPEAKS, kind)
    error = nothing_free(pool_of(key(1, kind=kind)), SPEAKS, kinds=made.kinds, at=NOON, unfit=made.unfit)
    assert isinstance(error, NoCredential)
    assert error.message.startswith(f"{name} does not speak")
    assert "API key" in error.message


@pytest.mark.parametrize("model", ["gemini-3.8-flash", "gemini-3.5-transcribe", "gemini-embedding-2", "gpt-9"])
def test_only_models_that_speak_are_asked_to(model):
    with pytest.raises(InvalidRequest) as caught:
        speech(model, "api_key")
    assert (caught.value.param, caught.value.code) == ("model", "model_not_supported")
