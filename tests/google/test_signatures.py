"""Thought signatures: where they are issued, where they are needed, and what an odd one gets (sections 2.4 and 2.5)."""

import base64
import io

import pytest
from PIL import Image

from tests.google.asking import FLASH, FLASH_25, ask, call, configured, model, parts, result, saying, stream, tools, user

ASKED = user('call f {"x": 1} call g')
DECLARED = {"tools": tools({"name": "f"}, {"name": "g"})}
RAW_DUMMY = "skip_thought_signature_validator"
MISSING = "Function call is missing a thought_signature in functionCall parts."


def asked_again(google, history, model_id=FLASH):
    return ask(google, {"contents": history, **DECLARED}, model_id)


@pytest.fixture
def step(google):
    """The model's own content: two calls, the first of them signed."""
    return ask(google, {"contents": [ASKED], **DECLARED}).json()["candidates"][0]["content"]


def results_of(step):
    return user(*({"functionResponse": {**_named(part), "response": {}}} for part in step["parts"]))


def _named(part):
    return {name: part["functionCall"][name] for name in ("id", "name") if name in part["functionCall"]}


def test_only_the_first_call_of_a_step_is_signed(step):
    assert ["thoughtSignature" in part for part in step["parts"]] == [True, False]
    assert all(part["functionCall"]["id"] for part in step["parts"])


def test_each_step_of_a_turn_has_a_signature_of_its_own(google, step):
    again = ask(google, {"contents": [ASKED, step, results_of(step), user("call f")], **DECLARED}).json()
    assert again["candidates"][0]["content"]["parts"][0]["thoughtSignature"] != step["parts"][0]["thoughtSignature"]


def test_a_plain_answer_is_signed_on_its_last_part_and_in_a_stream_on_an_empty_one(google):
    whole = ask(google, saying()).json()["candidates"][0]["content"]["parts"]
    streamed = parts(stream(google, saying()))
    assert whole[-1]["text"] == "echo: hi"
    assert whole[-1]["thoughtSignature"]
    assert streamed[-1]["text"] == ""
    assert streamed[-1]["thoughtSignature"]


def test_2_5_neither_signs_nor_checks(google):
    step = ask(google, {"contents": [ASKED], **DECLARED}, FLASH_25).json()["candidates"][0]["content"]
    assert step["parts"] == [call("f", x=1), call("g")]
    assert asked_again(google, [ASKED, step, results_of(step)], FLASH_25).status_code == 200


def test_a_step_sent_back_unchanged_is_accepted(google, step):
    answer = asked_again(google, [ASKED, step, results_of(step)])
    assert answer.json()["candidates"][0]["content"]["parts"][0]["text"] == "f answered: {}\ng answered: {}"


def test_a_text_signature_sent_back_is_accepted(google):
    spoken = ask(google, saying()).json()["candidates"][0]["content"]
    assert asked_again(google, [user("hi"), spoken, user("call f")]).status_code == 200


@pytest.mark.parametrize("model_id", [FLASH, "gemini-3.1-pro-preview", "gemini-4-argon", "gemini-3.1-flash-lite"])
def test_a_missing_signature_in_the_current_turn_is_refused(google, model_id):
    error = asked_again(google, [ASKED, model(call("f", x=1)), user(result("f"))], model_id).json()["error"]
    assert error["status"] == "INVALID_ARGUMENT"
    assert error["message"].startswith(MISSING)
    assert "function call `default_api:f` , position 2." in error["message"]


def test_every_step_of_the_current_turn_is_checked(google, step):
    history = [ASKED, step, results_of(step), model(call("f")), user(result("f"))]
    assert "position 4." in asked_again(google, history).json()["error"]["message"]


def test_older_turns_are_not_checked(google):
    history = [ASKED, model(call("f", x=1)), user(result("f")), model("done"), user("thanks")]
    assert asked_again(google, history).status_code == 200


def test_the_turn_begins_anew_with_text_beside_a_function_response(google):
    assert asked_again(google, [ASKED, model(call("f", x=1)), user(result("f"), "and now?")]).status_code == 200


@pytest.mark.parametrize("raw", [RAW_DUMMY, "context_engineering_is_the_way_to_go"])
def test_the_dummies_are_accepted_raw_and_as_base64(google, raw):
    for signature in (raw, base64.b64encode(raw.encode()).decode()):
        history = [ASKED, model({**call("f", x=1), "thoughtSignature": signature}, call("g")), user(result("f"), result("g"))]
        assert asked_again(google, history).status_code == 200


@pytest.mark.parametrize("position", [0, 1])
def test_the_signature_may_stand_on_any_call_of_its_step(google, step, position):
    signature = step["parts"][0]["thoughtSignature"]
    bare = [{"functionCall": part["functionCall"]} for part in step["parts"]]
    bare[position]["thoughtSignature"] = signature
    assert asked_again(google, [ASKED, {"role": "model", "parts": bare}, results_of(step)]).status_code == 200


def changed(step, **fields):
    return {**step, "parts": [{**step["parts"][0], **fields}, *step["parts"][1:]]}


def test_an_altered_signature_is_refused(google, step):
    signature = step["parts"][0]["thoughtSignature"]
    altered = changed(step, thoughtSignature=signature[:-8] + "AAAAAAA=")
    error = asked_again(google, [ASKED, altered, results_of(step)]).json()["error"]
    assert (error["code"], error["message"]) == (400, "Corrupted thought signature.")


def test_a_signature_of_another_call_is_refused(google, step):
    other = changed(step, functionCall={**step["parts"][0]["functionCall"], "args": {"x": 2}})
    assert asked_again(google, [ASKED, other, results_of(step)]).json()["error"]["message"] == "Corrupted thought signature."


def test_arguments_that_protobuf_cannot_tell_apart_keep_the_signature_good(google, step):
    same = changed(step, functionCall={**step["parts"][0]["functionCall"], "args": {"x": 1.0}})
    assert asked_again(google, [ASKED, same, results_of(step)]).status_code == 200


def test_a_signature_of_another_model_is_refused(google, step):
    error = asked_again(google, [ASKED, step, results_of(step)], "gemini-3.7-flash").json()["error"]
    assert (error["code"], error["message"]) == (400, "Invalid thought signature.")


def test_an_alias_takes_the_signatures_of_its_target(google, step):
    assert asked_again(google, [ASKED, step, results_of(step)], "gemini-flash-latest").status_code == 200


def test_3_1_flash_lite_drops_a_bad_signature_silently(google, step):
    assert asked_again(google, [ASKED, step, results_of(step)], "gemini-3.1-flash-lite").status_code == 200


# --- Image models -----------------------------------------------------------------------------------------------------

IMAGE = "gemini-3-pro-image"


@pytest.fixture
def drawing(google):
    """What an image model says and draws: a text and a picture, both signed."""
    google.script(text="Here.", pictures=1)
    return ask(google, saying("a fox"), IMAGE).json()["candidates"][0]["content"]


def drawn_again(google, *parts, model_id=IMAGE):
    return ask(google, {"contents": [user("a fox"), model(*parts), user("in blue")]}, model_id)


def bare(part):
    return {name: value for name, value in part.items() if name != "thoughtSignature"}


def test_an_image_model_signs_its_pictures_and_what_comes_first(google, drawing):
    assert [list(part) for part in drawing["parts"]] == [["text", "thoughtSignature"], ["inlineData", "thoughtSignature"]]
    google.script(text="Here you are, with pleasure.", pictures=2)
    streamed = parts(stream(google, saying("a fox"), IMAGE))
    assert ["thoughtSignature" in part for part in streamed] == [True] + [False] * (len(streamed) - 3) + [True, True]


def test_the_older_image_model_signs_nothing_and_checks_nothing(google):
    made = ask(google, saying("a fox"), "gemini-2.5-flash-image").json()["candidates"][0]["content"]["parts"]
    assert [list(part) for part in made] == [["inlineData"]]
    assert drawn_again(google, *made, model_id="gemini-2.5-flash-image").status_code == 200


def test_a_drawing_sent_back_unchanged_is_accepted(google, drawing):
    assert drawn_again(google, *drawing["parts"]).status_code == 200


def test_an_unsigned_picture_is_refused_in_turns_that_are_over_too(google, drawing):
    text, picture = drawing["parts"]
    for sent, words in (
        ((text, bare(picture)), "Image part is missing a thought_signature in content position 2, part position 2."),
        ((bare(text), picture), "Text part is missing a thought_signature in content position 2, part position 1."),
    ):
        error = drawn_again(google, *sent).json()["error"]
        assert (error["code"], error["message"].partition(" Please")[0]) == (400, words)


def test_leniently_an_unsigned_picture_passes_and_a_wrong_one_does_not(google, drawing):
    google.lenient_pictures = True
    assert drawn_again(google, *map(bare, drawing["parts"])).status_code == 200
    assert drawn_again(google, {**drawing["parts"][1], "thoughtSignature": "AAAA"}).status_code == 400


def test_the_signature_of_another_picture_or_model_is_refused(google, drawing):
    signature = drawing["parts"][1]["thoughtSignature"]
    google.script(pictures=2)
    other = ask(google, saying("a fox"), IMAGE).json()["candidates"][0]["content"]["parts"][1]
    altered = drawn_again(google, {**other, "thoughtSignature": signature}).json()["error"]["message"]
    foreign = drawn_again(google, drawing["parts"][1], model_id="gemini-3.1-flash-image").json()["error"]["message"]
    assert (altered, foreign) == ("Corrupted thought signature.", "Invalid thought signature.")


def test_pictures_take_the_dummy_too(google, drawing):
    assert drawn_again(google, *({**part, "thoughtSignature": RAW_DUMMY} for part in drawing["parts"])).status_code == 200


def test_a_picture_that_the_user_sends_needs_no_signature(google, drawing):
    assert ask(google, {"contents": [user("change this", bare(drawing["parts"][1]))]}, IMAGE).status_code == 200


@pytest.mark.parametrize(
    ("ratio", "size", "pixels"), [("", "", (1024, 1024)), ("16:9", "2K", (2752, 1536)), ("1:8", "512", (192, 1536))]
)
def test_pictures_are_of_the_shape_and_size_that_were_asked_for(google, ratio, size, pixels):
    wanted = {name: value for name, value in (("aspectRatio", ratio), ("imageSize", size)) if value}
    made = parts([ask(google, configured(imageConfig=wanted), "gemini-3.1-flash-image").json()])[0]["inlineData"]
    with Image.open(io.BytesIO(base64.b64decode(made["data"]))) as picture:
        picture.load()
        assert (picture.format, picture.size) == ("PNG", pixels)
