"""Histories as clients keep them, and the one order in which Google takes them."""

import json

import pytest

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Conversation, Media, RemoteMedia, Text, ToolCall, ToolResult, Turn
from openai_api.translation.gemini.request import WrittenRequest, write_request
from tests.translation.google_rules import accepted

FLASH = "gemini-3.8-flash"
OLD = "gemini-2.5-flash"
DUMMY = "skip_thought_signature_validator"
# Google's other dummy, as base64: a signature that is good for every model.
SIGNATURE = "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv"
PNG = Media("image/png", "iVBORw0KGgo=")


def user(*texts: str) -> Turn:
    return Turn("user", tuple(map(Text, texts)))


def model(*parts: str | ToolCall) -> Turn:
    return Turn("model", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def call(call_id: str, name: str = "f", signature: str = "", **arguments) -> ToolCall:
    return ToolCall(call_id, name, arguments, signature)


def result(call_id: str, output: str = "ok", name: str = "f", *media: Media) -> Turn:
    return Turn("tool", (ToolResult(call_id, name, output, media),))


def write(*turns: Turn, to: str = FLASH) -> WrittenRequest:
    written = write_request(Conversation(to, turns))
    accepted(written.body, to)
    return written


def sketch(written: WrittenRequest) -> list[str]:
    """The contents in brief: `user: hello`, `model: f(a)`, `user: f(a)=ok`; the signed calls with a star."""
    return [
        f"{content['role']}: {' + '.join(map(_sketch_part, content['parts']))}"
        for content in json.loads(written.body)["contents"]
    ]


def _sketch_part(part: dict) -> str:
    if called := part.get("functionCall"):
        return f"{called['name']}({called.get('id', '')})" + "*" * ("thoughtSignature" in part)
    if answered := part.get("functionResponse"):
        files = "".join(f" [{file['inlineData']['mimeType']}]" for file in answered.get("parts", ()))
        return f"{answered['name']}({answered.get('id', '')})={'/'.join(map(str, answered['response'].values()))}{files}"
    return part["text"] if "text" in part else f"[{part['inlineData']['mimeType']}]"


BEGIN = "user: (The beginning of this conversation is not shown.)"
MISSING = "No result was given for this call."


@pytest.mark.parametrize(
    ("turns", "contents", "notices"),
    [
        pytest.param([user("a"), model("b"), user("c")], ["user: a", "model: b", "user: c"], 0, id="plain talk"),
        pytest.param([user("a"), user("b"), user("c", "d")], ["user: a + b + c + d"], 0, id="users in a row"),
        pytest.param(
            [user("a"), model("b"), model("c"), user("d")], ["user: a", "model: b + c", "user: d"], 0, id="models in a row"
        ),
        pytest.param([user("a"), model(""), user("")], ["user: a"], 0, id="empty texts"),
        pytest.param([user("a"), model(), user("b")], ["user: a + b"], 0, id="an empty turn between"),
        pytest.param([user("a"), model("b")], ["user: a", "model: b", "user: Continue."], 1, id="the model spoke last"),
        pytest.param([model("a"), user("b")], ["model: a", "user: b"], 0, id="a greeting first"),
        pytest.param(
            [user("a"), model(call("1")), result("1"), user("b")],
            ["user: a", "model: f(1)", "user: f(1)=ok", "user: b"],
            0,
            id="a call of an older turn needs no signature",
        ),
        pytest.param(
            [user("a"), model(call("1")), result("1")],
            ["user: a", "model: f(1)*", "user: f(1)=ok"],
            0,
            id="a call of this turn does",
        ),
        pytest.param(
            [user("a"), model("hm", call("1"), call("2", "g")), result("2", "two", "g"), result("1", "one")],
            ["user: a", "model: hm + f(1)* + g(2)", "user: f(1)=one + g(2)=two"],
            0,
            id="parallel calls answered the other way round",
        ),
        pytest.param(
            [user("a"), model(call("1")), model(call("2")), result("1"), result("2")],
            ["user: a", "model: f(1)* + f(2)", "user: f(1)=ok + f(2)=ok"],
            0,
            id="parallel calls in messages of their own",
        ),
        pytest.param(
            [user("a"), model(call("1")), result("1"), model(call("2")), result("2")],
            ["user: a", "model: f(1)*", "user: f(1)=ok", "model: f(2)*", "user: f(2)=ok"],
            0,
            id="calls one after the other",
        ),
        pytest.param(
            [user("a"), model(call("1")), user("hurry"), result("1")],
            ["user: a", "model: f(1)", "user: f(1)=ok", "user: hurry"],
            0,
            id="a text before the result",
        ),
        pytest.param(
            [user("a"), model(call("1"), call("2")), result("1"), user("hurry"), result("2"), user("now")],
            ["user: a", "model: f(1) + f(2)", "user: f(1)=ok + f(2)=ok", "user: hurry + now"],
            0,
            id="a text between results",
        ),
        pytest.param(
            [user("a"), model(call("1")), user("b"), model("c"), result("1"), user("d")],
            ["user: a", "model: f(1)", "user: f(1)=ok", "user: b", "model: c", "user: d"],
            0,
            id="a result that comes much later",
        ),
        pytest.param(
            [user("a"), model(call("1"), call("2")), result("2"), user("b")],
            ["user: a", "model: f(1) + f(2)", f"user: f(1)={MISSING} + f(2)=ok", "user: b"],
            1,
            id="a result that never came",
        ),
        pytest.param(
            [user("a"), model(call("1"))], ["user: a", "model: f(1)*", f"user: f(1)={MISSING}"], 1, id="a call at the end"
        ),
        pytest.param(
            [user("a"), model(call("1")), model("never mind"), user("b")],
            ["user: a", "model: f(1)", f"user: f(1)={MISSING}", "model: never mind", "user: b"],
            1,
            id="a call that the model talked past",
        ),
        pytest.param([user("a"), result("9", "x", "")], ["user: a + Result of 9: x"], 1, id="a result of no call"),
        pytest.param(
            [user("a"), model(call("1")), result("1"), result("1", "again")],
            ["user: a", "model: f(1)", "user: f(1)=ok", "user: Result of f: again"],
            1,
            id="a second result",
        ),
        pytest.param(
            [result("1"), model(call("1"))],
            ["user: Result of f: ok", "model: f(1)*", f"user: f(1)={MISSING}"],
            2,
            id="a result before its call",
        ),
        pytest.param([model(call("1")), result("1")], [BEGIN, "model: f(1)*", "user: f(1)=ok"], 1, id="a call first"),
        pytest.param(
            [user("a"), model(call("1")), result("1", "one"), user("b"), model(call("1")), result("1", "two")],
            ["user: a", "model: f(1)", "user: f(1)=one", "user: b", "model: f(1)*", "user: f(1)=two"],
            0,
            id="ids that begin anew in every turn",
        ),
        pytest.param(
            [user("a"), model(call("1", "f"), call("1", "g")), result("1", "one"), result("1", "two")],
            ["user: a", "model: f(1)* + g(1_2)", "user: f(1)=one + g(1_2)=two"],
            0,
            id="one id for two calls of a step",
        ),
        pytest.param(
            [user("a"), model(call("")), result("")], ["user: a", "model: f()*", "user: f()=ok"], 0, id="calls without ids"
        ),
        pytest.param(
            [user("a"), model("b", call("1"), "c"), result("1")],
            ["user: a", "model: b + c + f(1)*", "user: f(1)=ok"],
            0,
            id="a text after the call in one message",
        ),
    ],
)
def test_histories(turns, contents, notices):
    written = write(*turns)
    assert sketch(written) == contents
    assert [notice.field for notice in written.notices] == ["messages"] * notices


# --- Thought signatures ---------------------------------------------------------------------------------------------


def signatures(written: WrittenRequest) -> list[str | None]:
    contents = json.loads(written.body)["contents"]
    return [part.get("thoughtSignature") for content in contents for part in content["parts"] if "functionCall" in part]


@pytest.mark.parametrize(
    ("to", "given", "sent"),
    [
        (FLASH, [SIGNATURE, ""], [SIGNATURE, None]),
        (FLASH, ["", SIGNATURE], [None, SIGNATURE]),
        (FLASH, ["", ""], [DUMMY, None]),
        (FLASH, ["not base64!", ""], [DUMMY, None]),
        (FLASH, ["abcde", ""], [DUMMY, None]),
        ("gemini-4-argon", ["", ""], [DUMMY, None]),
        (OLD, ["", ""], [None, None]),
        (OLD, [SIGNATURE, ""], [None, None]),
        ("gemma-4-31b-it", ["", ""], [None, None]),
    ],
)
def test_the_signature_of_a_step_in_the_current_turn(to, given, sent):
    one, two = given
    assert signatures(write(user("a"), model(call("1", "f", one), call("2", "f", two)), result("1"), result("2"), to=to)) == sent


def test_signatures_of_older_turns_are_kept_where_there_are_any():
    written = write(user("a"), model(call("1", "f", SIGNATURE)), result("1"), user("b"), model(call("2")), result("2"))
    assert signatures(written) == [SIGNATURE, DUMMY]


# --- Pictures that the model has made ---------------------------------------------------------------------------------

PRO_IMAGE = "gemini-3-pro-image"
SIGNED_PNG = Media(PNG.mime_type, PNG.data, signature=SIGNATURE)


def marks(written: WrittenRequest) -> list[str | None]:
    """The signature of every part of whatever kind."""
    return [part.get("thoughtSignature") for content in json.loads(written.body)["contents"] for part in content["parts"]]


@pytest.mark.parametrize(
    ("to", "parts", "sent"),
    [
        (PRO_IMAGE, (SIGNED_PNG,), [SIGNATURE]),
        (PRO_IMAGE, (PNG,), [DUMMY]),
        (PRO_IMAGE, (Media(PNG.mime_type, PNG.data, signature="not base64!"),), [DUMMY]),
        (PRO_IMAGE, (Text("Here:"), SIGNED_PNG, PNG), [DUMMY, SIGNATURE, DUMMY]),
        (PRO_IMAGE, (Text("Here:", SIGNATURE), SIGNED_PNG), [SIGNATURE, SIGNATURE]),
        (PRO_IMAGE, (SIGNED_PNG, Text("There.")), [SIGNATURE, None]),
        (PRO_IMAGE, (Text("Which one?"),), [DUMMY]),
        ("gemini-3.1-flash-image", (SIGNED_PNG,), [SIGNATURE]),
        ("gemini-2.5-flash-image", (Text("Here:", SIGNATURE), SIGNED_PNG), [None, None]),
        (FLASH, (Text("Here:", SIGNATURE), SIGNED_PNG), [None, None]),
    ],
)
def test_every_turn_of_an_image_model_is_signed(to, parts, sent):
    again = Turn("user", (Text("Once more."), SIGNED_PNG))
    written = write(user("a fox"), Turn("model", parts), again, to=to)
    assert marks(written) == [None, *sent, None, None]


def test_a_picture_beside_a_call_is_signed_like_the_call():
    written = write(user("a fox"), Turn("model", (PNG, call("a"))), result("a"), to=PRO_IMAGE)
    assert marks(written) == [None, DUMMY, DUMMY, None]


def test_a_text_put_at_the_end_begins_a_new_turn():
    assert signatures(write(user("a"), model(call("1")), result("1"), model("done"))) == [None]


# --- Results --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "response"),
    [
        ("sunny", {"result": "sunny"}),
        ("", {"result": ""}),
        ('{"temp": 21, "ok": true}', {"temp": 21, "ok": True}),
        (' {"temp": 21.5}\n', {"temp": 21.5}),
        ("{}", {}),
        ("[1, 2]", {"result": "[1, 2]"}),
        ('"text"', {"result": '"text"'}),
        ("{broken", {"result": "{broken"}),
        ('{"n": NaN}', {"result": '{"n": NaN}'}),
        ('{"id": 12345678901234567890}', {"result": '{"id": 12345678901234567890}'}),
        ('{"a":' * 40 + "1" + "}" * 40, {"result": '{"a":' * 40 + "1" + "}" * 40}),
        ('{"a":' * 100_000, {"result": '{"a":' * 100_000}),
    ],
    ids=lambda value: str(value)[:30],
)
def test_results_are_objects(output, response):
    written = write(user("a"), model(call("1")), result("1", output))
    assert json.loads(written.body)["contents"][-1]["parts"][0]["functionResponse"]["response"] == response


def test_files_of_a_result_stand_inside_it():
    written = write(user("a"), model(call("1")), result("1", "shot", "f", PNG))
    assert sketch(written)[-1] == "user: f(1)=shot [image/png]"


def test_files_of_a_result_follow_it_where_the_model_is_older():
    written = write(user("a"), model(call("1")), result("1", "shot", "f", PNG), to=OLD)
    assert sketch(written)[-2:] == ["user: f(1)=shot", "user: Files that f returned: + [image/png]"]


def test_files_of_a_result_without_call_are_kept():
    written = write(user("a"), result("1", "shot", "f", PNG))
    assert sketch(written) == ["user: a + Result of f: shot + [image/png]"]


def test_calls_of_functions_with_odd_names_keep_them_in_their_results():
    written = write(user("a"), model(call("1", "2fa")), result("1", "ok", "2fa"))
    assert sketch(written) == ["user: a", "model: _2fa(1)*", "user: _2fa(1)=ok"]
    assert written.names == {"_2fa": "2fa"}


# --- Files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("image/png", "image/png"),
        ("image/jpg", "image/jpeg"),
        ("IMAGE/JPEG", "image/jpeg"),
        ("image/heic", "image/heic"),
        ("application/pdf", "application/pdf"),
        ("application/x-pdf", "application/pdf"),
        ("audio/mp3", "audio/mp3"),
        ("audio/mpeg", "audio/mpeg"),
        ("audio/x-wav; codecs=1", "audio/wav"),
        ("audio/mp4", "audio/m4a"),
        ("audio/L16;rate=16000", "audio/l16;rate=16000"),
        ("video/quicktime", "video/mov"),
        ("video/mp4", "video/mp4"),
        ("text/csv; charset=utf-8", "text/csv"),
        ("application/json", "text/plain"),
        ("image/svg+xml", "text/plain"),
    ],
)
def test_types_of_files(given, sent):
    written = write(Turn("user", (Text("Look:"), Media(given, "AAAA"))))
    assert json.loads(written.body)["contents"][0]["parts"][1] == {"inlineData": {"mimeType": sent, "data": "AAAA"}}


@pytest.mark.parametrize(
    "media", [Media("image/gif", "R0lG"), Media("application/zip", "UEsD"), Media("", "AAAA"), Media("image/png", "")], ids=str
)
def test_files_that_google_does_not_take_are_refused(media):
    with pytest.raises(InvalidRequest) as refusal:
        write(Turn("user", (media,)))
    assert refusal.value.param == "messages"


def test_a_file_left_remote_is_for_google_to_fetch():
    video = RemoteMedia("https://www.youtube.com/watch?v=abc", "messages[0]")
    written = write(Turn("user", (Text("Sum it up."), video)))
    assert json.loads(written.body)["contents"][0]["parts"][1] == {"fileData": {"fileUri": video.url}}
