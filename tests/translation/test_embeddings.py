"""Embeddings, pure: bodies in, batches for Google, and Google's answers back out as OpenAI's."""

import base64
import hashlib
import json
import math
import struct
from array import array

import pytest
import tiktoken
import tiktoken_ext.openai_public
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_api.errors import InvalidRequest
from openai_api.translation import cl100k, embeddings
from openai_api.translation.conversation import EMBEDDING_TASKS, Notice, TextsToEmbed
from openai_api.translation.events import Finished, Usage, UsageReport, Vectors
from openai_api.translation.gemini.embeddings import read_vectors, write_batches
from openai_api.translation.gemini.response import MalformedAnswer
from openai_api.translation.texts import read_texts

FIRST, SECOND = "gemini-embedding-001", "gemini-embedding-2"


def read(given="a", **fields):
    return embeddings.read_request(json.dumps({"model": SECOND, "input": given, **fields}).encode())


def refused(given="a", **fields) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read(given, **fields)
    return caught.value


def written(*texts: str, model: str = FIRST, **fields) -> list[dict]:
    """The requests of the only batch."""
    [batch] = write_batches(TextsToEmbed(model, texts or ("a",), **fields))
    return json.loads(batch.body)["requests"]


# --- What the caller asks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("a beaver", ("a beaver",)),
        (["a", "b"], ("a", "b")),
        ([64], ("a",)),
        ([9906, 1917], ("Hello world",)),
        ([[9906], [1917, 0]], ("Hello", " world!")),
        ([100257], ("<|endoftext|>",)),
        (" ", (" ",)),
        (["a"] * 2048, ("a",) * 2048),
    ],
    ids=lambda value: str(value)[:30],
)
def test_every_form_of_input_becomes_texts(given, texts):
    assert read(given).wanted.texts == texts


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ("", "input"),
        ([], "input"),
        (["a", ""], "input[1]"),
        ([[64], []], "input[1]"),
        (None, "input"),
        (7, "input"),
        ({"text": "a"}, "input"),
        (["a", 1], "input[1]"),
        ([1, "a"], "input[1]"),
        (["a", None], "input[1]"),
        ([[1], "a"], "input[1]"),
        ([[1, "a"]], "input[0][1]"),
        ([1.5], "input[0]"),
        ([100256], "input"),
        ([[64], [-1]], "input[1]"),
        ([200_000], "input"),
        (["a"] * 2049, "input"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_input_that_cannot_be_embedded_is_refused_by_its_place(given, param):
    error = refused(given)
    assert (error.status, error.param) == (400, param)


def test_who_sends_unknown_tokens_is_told_how_to_send_text():
    assert "check_embedding_ctx_length=False" in refused([199_999]).message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": "many"}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"task_type": "GUESSING"}, "task_type"),
        ({"task_type": 1}, "task_type"),
        ({"title": "Beavers"}, "title"),
        ({"title": "Beavers", "task_type": "RETRIEVAL_QUERY"}, "title"),
        ({"google": {"task_type": 7}}, "google.task_type"),
        ({"extra_body": {"google": 7}}, "extra_body.google"),
    ],
    ids=str,
)
def test_a_wrong_field_is_named(fields, param):
    error = refused(**fields)
    assert (error.status, error.param) == (400, param)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"model":"m"}', b"[" * 100_000])
def test_a_body_that_is_none_is_refused(body):
    with pytest.raises(InvalidRequest):
        embeddings.read_request(body)


@pytest.mark.parametrize(
    ("fields", "encoding"),
    [({}, "float"), ({"encoding_format": None}, "float"), ({"encoding_format": "base64"}, "base64")],
    ids=str,
)
def test_vectors_come_as_numbers_unless_base64_is_asked_for(fields, encoding):
    assert read(**fields).encoding == encoding


@pytest.mark.parametrize(
    ("model", "dimensions", "wanted"),
    [
        ("text-embedding-3-small", None, 1536),
        ("text-embedding-ada-002", None, 1536),
        ("text-embedding-3-small", 512, 512),
        ("text-embedding-3-large", None, None),
        (FIRST, None, None),
    ],
)
def test_openais_names_give_vectors_of_openais_length(model, dimensions, wanted):
    assert read(model=model, dimensions=dimensions).wanted.dimensions == wanted


@pytest.mark.parametrize(
    "fields",
    [
        {"task_type": "RETRIEVAL_DOCUMENT", "title": "Beavers"},
        {"google": {"taskType": "RETRIEVAL_DOCUMENT", "title": "Beavers"}},
        {"extra_body": {"google": {"task_type": "RETRIEVAL_DOCUMENT", "title": "Beavers"}}},
        {"extra_body": {"task_type": "RETRIEVAL_DOCUMENT", "title": "Beavers"}},
        {"title": "Beavers", "task_type": "RETRIEVAL_DOCUMENT", "google": {"title": "Bears", "task_type": "CLUSTERING"}},
    ],
    ids=str,
)
def test_googles_options_are_taken_wherever_they_stand(fields):
    asked = read(**fields)
    assert (asked.wanted.task, asked.wanted.title, asked.notices) == ("RETRIEVAL_DOCUMENT", "Beavers", ())


def test_fields_that_nobody_knows_are_named():
    asked = read(priority=1, nothing=None, user="ada", google={"task_type": "CLUSTERING", "depth": 3})
    assert asked.notices == (Notice("priority", "unknown"), Notice("google.depth", "unknown"))


# --- Tokens ------------------------------------------------------------------------------------------------------------


def test_the_vocabulary_is_the_one_that_tiktoken_would_download():
    source = "\n".join(f"{base64.b64encode(token).decode()} {rank}" for rank, token in enumerate(cl100k.read_vocabulary())) + "\n"
    digest = hashlib.sha256(source.encode()).hexdigest()
    assert digest in tiktoken_ext.openai_public.cl100k_base.__code__.co_consts


@pytest.fixture(scope="module")
def tokenizer() -> tiktoken.Encoding:
    """OpenAI's own, on our vocabulary: its own loader would ask the network for it."""
    ranks = {token: rank for rank, token in enumerate(cl100k.read_vocabulary())}
    return tiktoken.Encoding("cl100k", pat_str=r"\p{L}+|\s+|[^\s\p{L}]+", mergeable_ranks=ranks, special_tokens={})


@settings(max_examples=50)
@given(text=st.text(min_size=1, max_size=200))
def test_what_openais_tokenizer_makes_of_a_text_becomes_the_text_again(tokenizer, text):
    assert cl100k.decode(tokenizer.encode(text)) == text


def test_a_sign_that_was_cut_in_two_does_not_spoil_the_rest(tokenizer):
    tokens = tokenizer.encode("bon 🦫")
    assert cl100k.decode(tokens[:-1]).startswith("bon \ufffd")


# --- What Google is asked ----------------------------------------------------------------------------------------------


def test_a_batch_says_the_model_in_every_request():
    assert written("a", "b", dimensions=768) == [
        {"model": f"models/{FIRST}", "outputDimensionality": 768, "content": {"parts": [{"text": text}]}} for text in "ab"
    ]


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])])
def test_a_batch_holds_a_hundred_texts(count, sizes):
    batches = list(write_batches(TextsToEmbed(FIRST, tuple(f"text {number}" for number in range(count)))))
    texts = [one["content"]["parts"][0]["text"] for batch in batches for one in json.loads(batch.body)["requests"]]
    assert [batch.size for batch in batches] == sizes
    assert texts == [f"text {number}" for number in range(count)]


@pytest.mark.parametrize("task", EMBEDDING_TASKS)
def test_the_first_generation_is_told_its_task_in_a_field(task):
    [one] = written(task=task)
    assert (one["taskType"], one["content"]["parts"][0]["text"]) == (task, "a")


@pytest.mark.parametrize(
    ("task", "title", "text"),
    [
        ("", "", "a"),
        ("RETRIEVAL_QUERY", "", "task: search result | query: a"),
        ("RETRIEVAL_DOCUMENT", "", "title: none | text: a"),
        ("RETRIEVAL_DOCUMENT", "Beavers", "title: Beavers | text: a"),
        ("SEMANTIC_SIMILARITY", "", "task: sentence similarity | query: a"),
        ("CLASSIFICATION", "", "task: classification | query: a"),
        ("CLUSTERING", "", "task: clustering | query: a"),
        ("QUESTION_ANSWERING", "", "task: question answering | query: a"),
        ("FACT_VERIFICATION", "", "task: fact checking | query: a"),
        ("CODE_RETRIEVAL_QUERY", "", "task: code retrieval | query: a"),
    ],
)
def test_the_second_generation_is_told_its_task_in_the_text(task, title, text):
    [one] = written(model=SECOND, task=task, title=title)
    assert one == {"model": f"models/{SECOND}", "content": {"parts": [{"text": text}]}}


def test_a_title_goes_to_the_first_generation_as_it_is():
    [one] = written(task="RETRIEVAL_DOCUMENT", title="Beavers")
    assert (one["taskType"], one["title"]) == ("RETRIEVAL_DOCUMENT", "Beavers")


@pytest.mark.parametrize("model", [FIRST, SECOND])
@pytest.mark.parametrize("dimensions", [127, 3073])
def test_a_length_that_the_model_does_not_have_is_refused(model, dimensions):
    with pytest.raises(InvalidRequest) as caught:
        written(model=model, dimensions=dimensions)
    assert (caught.value.status, caught.value.param) == (400, "dimensions")


@pytest.mark.parametrize(("model", "dimensions"), [(FIRST, 128), (SECOND, 3072), ("gemini-embedding-3", 64)])
def test_what_the_model_may_have_is_asked_for(model, dimensions):
    assert written(model=model, dimensions=dimensions)[0]["outputDimensionality"] == dimensions


# --- What Google answers -----------------------------------------------------------------------------------------------


def answer(*vectors: list[float], **more) -> bytes:
    return json.dumps({"embeddings": [{"values": vector} for vector in vectors], **more}).encode()


def test_vectors_come_with_their_tokens():
    events = read_vectors(answer([1.0, 0.0], [0.0, -1.0], usageMetadata={"promptTokenCount": 7}), size=2, tokens=99)
    vectors = (array("d", [1.0, 0.0]), array("d", [0.0, -1.0]))
    assert events == [Vectors(vectors), UsageReport(Usage(prompt=7, total=7)), Finished("stop")]


@pytest.mark.parametrize("more", [{}, {"usageMetadata": None}, {"usageMetadata": {}}], ids=str)
def test_tokens_that_google_does_not_count_are_estimated(more):
    assert UsageReport(Usage(prompt=99, total=99)) in read_vectors(answer([1.0], **more), size=1, tokens=99)


@settings(max_examples=50)
@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20).filter(lambda values: math.hypot(*values) > 1e-150))
def test_every_vector_is_of_length_one(values):
    [vectors, *_] = read_vectors(answer(values), size=1, tokens=1)
    assert math.hypot(*vectors.vectors[0]) == pytest.approx(1, abs=1e-4)


def test_a_vector_that_is_of_length_one_is_left_as_it_is():
    values = [0.6000001, -0.7999999]
    [vectors, *_] = read_vectors(answer(values), size=1, tokens=1)
    assert vectors.vectors[0].tolist() == values


def test_nothing_has_no_direction():
    [vectors, *_] = read_vectors(answer([0.0, 0.0]), size=1, tokens=1)
    assert vectors.vectors[0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"null", b"\xff", answer(), answer([1.0]), answer([1.0], []), answer([1.0], ["a"]), b"[" * 100_000],
    ids=lambda body: str(body)[:30],
)
def test_an_answer_without_every_vector_is_none(body):
    with pytest.raises(MalformedAnswer):
        read_vectors(body, size=2, tokens=1)


# --- What the caller is answered ---------------------------------------------------------------------------------------


def events_of(*vectors: list[float], tokens: int = 1) -> list:
    return [Vectors(tuple(array("d", vector) for vector in vectors)), UsageReport(Usage(prompt=tokens, total=tokens))]


def test_batches_are_put_back_in_order_and_their_tokens_added_up():
    writer = embeddings.Writer("float", model=FIRST)
    writer.take(1, events_of([0.0, 1.0], tokens=3))
    writer.take(0, events_of([1.0, 0.0], [-1.0, 0.0], tokens=4))
    assert json.loads(writer.answer()) == {
        "object": "list",
        "model": FIRST,
        "data": [
            {"object": "embedding", "index": 0, "embedding": [1.0, 0.0]},
            {"object": "embedding", "index": 1, "embedding": [-1.0, 0.0]},
            {"object": "embedding", "index": 2, "embedding": [0.0, 1.0]},
        ],
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


def test_base64_holds_little_endian_floats_of_four_bytes():
    writer = embeddings.Writer("base64", model=FIRST)
    writer.take(0, events_of([0.5, -0.25]))
    [one] = json.loads(writer.answer())["data"]
    assert base64.b64decode(one["embedding"], validate=True) == struct.pack("<2f", 0.5, -0.25)


@pytest.mark.parametrize("given", [[1] * 1_048_577, [[1] * 524_289] * 2])
def test_more_tokens_than_any_model_reads_are_refused_before_they_are_decoded(given):
    with pytest.raises(InvalidRequest, match="1,048,576 tokens") as refused:
        read_texts(given, "input", most=2048)
    assert refused.value.param == "input"
