import pytest

from openai_api import signatures
from openai_api.signatures import MOST_BYTES, Kept, SignatureStore
from openai_api.translation.conversation import Conversation, Media, Text, ToolCall, ToolResult, Turn
from openai_api.translation.events import MediaDelta

FLASH, LITE = "gemini-3.8-flash", "gemini-3.5-flash-lite"


def conversation(*calls: ToolCall, model=FLASH) -> Conversation:
    results = tuple(ToolResult(call_id=call.id, name=call.name, output="ok") for call in calls)
    return Conversation(model=model, turns=(Turn("user", (Text("hi"),)), Turn("model", calls), Turn("tool", results)))


def call(id="call_1", signature="") -> ToolCall:
    return ToolCall(id=id, name="look", arguments={}, signature=signature)


class Database:
    """Stands in for the table; counts how often it is asked."""

    def __init__(self, rows=None):
        self.rows = rows or {}
        self.asked = []

    async def look_up(self, owner, call_ids):
        self.asked.append((owner, call_ids))
        return {key: kept for key, kept in self.rows.items() if key[0] == owner and key[1] in call_ids}


async def restored(store, owner, *calls, model=FLASH) -> list[str]:
    whole = await store.restore(conversation(*calls, model=model), owner)
    return [part.signature for turn in whole.turns for part in turn.parts if isinstance(part, ToolCall)]


async def test_a_signature_that_the_client_dropped_is_restored_from_memory():
    database = Database()
    store = SignatureStore(database.look_up)
    store.remember(1, "call_1", model=FLASH, signature="sig")
    assert await restored(store, 1, call()) == ["sig"]
    assert database.asked == []


async def test_another_process_finds_it_in_the_database_and_asks_only_once():
    database = Database({(1, "call_1"): Kept(FLASH, "sig")})
    store = SignatureStore(database.look_up)
    assert await restored(store, 1, call()) == ["sig"]
    assert await restored(store, 1, call()) == ["sig"]
    assert database.asked == [(1, ["call_1"])]


async def test_nobody_gets_the_signatures_of_another_owner():
    database = Database({(1, "call_1"): Kept(FLASH, "sig")})
    store = SignatureStore(database.look_up)
    store.remember(1, "call_2", model=FLASH, signature="sig")
    assert await restored(store, 2, call("call_1"), call("call_2")) == ["", ""]


async def test_a_signature_of_another_model_is_taken_off_even_if_the_client_kept_it():
    store = SignatureStore(Database().look_up)
    store.remember(1, "call_1", model=FLASH, signature="sig")
    assert await restored(store, 1, call(signature="sig"), model=LITE) == [""]


async def test_a_signature_that_the_client_kept_is_left_alone():
    database = Database()
    assert await restored(SignatureStore(database.look_up), 1, call(signature="own")) == ["own"]
    assert database.asked == []


async def test_the_database_is_not_asked_for_turns_that_are_over():
    database = Database()
    over = conversation(call())
    later = Conversation(model=FLASH, turns=(*over.turns, Turn("model", (Text("done"),)), Turn("user", (Text("next"),))))
    await SignatureStore(database.look_up).restore(later, 1)
    assert database.asked == []


async def test_the_memory_is_bounded_and_forgets_the_oldest():
    store = SignatureStore(Database().look_up)
    big = "x" * (MOST_BYTES // 3)
    for number in range(4):
        store.remember(1, f"call_{number}", model=FLASH, signature=big)
    assert await restored(store, 1, *(call(f"call_{number}") for number in range(4))) == ["", "", big, big]


# --- Pictures -------------------------------------------------------------------------------------------------------

IMAGE, OTHER_IMAGE = "gemini-3-pro-image", "gemini-3.1-flash-image"
MADE = MediaDelta("image/png", "aGVsbG8=", signature="of picture", text_signature="of text")


def drawn(*parts: Media | Text, role="model") -> Turn:
    return Turn(role, parts)


async def signed(store, *turns: Turn, owner=1, model=IMAGE) -> list[str]:
    """The signatures of every text and picture of the conversation, once restored."""
    whole = await store.restore(Conversation(model=model, turns=turns), owner)
    return [part.signature for turn in whole.turns for part in turn.parts]


def having_made(made=MADE, database=None) -> SignatureStore:
    store = SignatureStore((database or Database()).look_up)
    store.remember_picture(1, made, model=IMAGE)
    return store


@pytest.mark.parametrize("data", ["aGVsbG8=", "aGVsbG8"])
async def test_a_picture_is_known_by_its_content_and_so_is_the_text_before_it(data):
    later = drawn(Text("once more"), role="user")
    assert await signed(having_made(), drawn(Text("Here:"), Media("image/png", data)), later) == ["of text", "of picture", ""]


async def test_a_picture_that_the_user_sends_is_not_signed():
    assert await signed(having_made(), drawn(Text("change this"), Media("image/png", "aGVsbG8="), role="user")) == ["", ""]


@pytest.mark.parametrize(
    ("part", "asked", "sent"),
    [
        (Media("image/png", "b3RoZXI="), {}, ""),
        (Media("image/png", "aGVsbG8="), {"owner": 2}, ""),
        (Media("image/png", "aGVsbG8="), {"model": OTHER_IMAGE}, ""),
        (Media("image/png", "aGVsbG8=", signature="own"), {"model": OTHER_IMAGE}, ""),
        (Media("image/png", "aGVsbG8=", signature="own"), {}, "own"),
        (Media("image/png", "b3RoZXI=", signature="own"), {}, "own"),
        (Media("image/png", "aGVsbG8="), {"model": FLASH}, ""),
    ],
)
async def test_whose_signature_a_picture_gets(part, asked, sent):
    assert await signed(having_made(), drawn(part), **asked) == [sent]


async def test_another_process_finds_the_signatures_of_a_picture_in_the_database():
    database = Database(having_made().take_unsaved())
    store = SignatureStore(database.look_up)
    history = (drawn(Text("Here:"), Media("image/png", "aGVsbG8=")), drawn(Text("more"), role="user"))
    assert await signed(store, *history) == await signed(store, *history) == ["of text", "of picture", ""]
    assert len(database.asked) == 1


async def test_nothing_is_kept_of_an_unsigned_picture_and_nobody_is_asked_without_one():
    database = Database()
    store = having_made(MediaDelta("image/png", "aGVsbG8="), database)
    assert store.take_unsaved() == {}
    assert await signed(store, drawn(Text("hello")), drawn(Text("hi"), role="user")) == ["", ""]
    assert database.asked == []


@pytest.mark.django_db
def test_the_ids_of_pictures_fit_into_the_database(owner):
    store = SignatureStore(Database().look_up)
    store.remember_picture(owner.pk, MADE, model=IMAGE)
    unsaved = store.take_unsaved()
    signatures.save(unsaved)
    assert signatures.look_up(owner.pk, [id for _, id in unsaved]) == unsaved
    assert sorted(kept.signature for kept in unsaved.values()) == ["of picture", "of text"]


@pytest.mark.django_db
def test_signatures_are_saved_and_found_again_until_they_expire(owner, settings):
    signatures.save({(owner.pk, "call_1"): Kept(FLASH, "sig"), (999, "call_2"): Kept(FLASH, "of nobody")})
    signatures.save({(owner.pk, "call_1"): Kept(FLASH, "newer")})
    assert signatures.look_up(owner.pk, ["call_1", "call_2"]) == {(owner.pk, "call_1"): Kept(FLASH, "newer")}
    settings.SIGNATURE_DAYS = -1
    signatures.save({(owner.pk, "call_1"): Kept(FLASH, "old")})
    assert signatures.look_up(owner.pk, ["call_1"]) == {}


@pytest.mark.django_db
@pytest.mark.parametrize("id", ["x" * 101, "nul\0"])
async def test_a_call_whose_id_the_database_cannot_hold_is_remembered_in_memory_alone(id):
    store = SignatureStore(Database().look_up)
    store.remember(1, id, model=FLASH, signature="sig")
    assert await restored(store, 1, call(id)) == ["sig"]
    assert store.take_unsaved() == {}


def test_signatures_that_cannot_be_saved_pile_up_no_higher_than_the_memory_of_them():
    store = SignatureStore(Database().look_up)
    big = "x" * (MOST_BYTES // 3)
    for number in range(9):
        store.remember(1, f"call_{number}", model=FLASH, signature=big)
        store.put_back(store.take_unsaved())
    assert [id for _, id in store.take_unsaved()] == ["call_7", "call_8"]
