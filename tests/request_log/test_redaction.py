"""What never gets into the request log."""

import json

import pytest

from openai_api.request_log.redaction import cleaner, shown_url

SECRETS = [
    "AIzaSyC0123456789abcdefghijklmnopqrstu",
    "AQ.Ab8RN6I0123456789abcdefghijk",
    "ya29.a0AfH6SMB0123456789-abcdef",
    "1//0gABCDEFGHIJKLMNOPQRST",
    "GOCSPX-0123456789abcdefgh",
    "sk-proj-0123456789abcdefghij",
    "castor-0123456789abcdefghijklmnop",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "text", ["{}", '{{"key": "{}"}}', "a\\n{}\\nb", "Authorization: Bearer {}", "?key={}&x=1", "„{}“"], ids=range(6)
)
def test_what_looks_like_a_secret_is_masked_wherever_it_stands(secret, text):
    cleaned = cleaner(())(text.format(secret))
    assert secret not in cleaned
    assert secret[6:-5] not in cleaned


def test_a_refresh_token_whose_slashes_are_escaped_is_masked():
    assert "gABCDEFGHIJ" not in cleaner(())(json.dumps({"refresh_token": SECRETS[3]}).replace("/", "\\/"))


def test_a_private_key_is_masked():
    pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nBAQEFAASC\n-----END PRIVATE KEY-----\n"
    assert "MIIEvQ" not in cleaner(())(pem)
    assert "BAQEFAASC" not in cleaner(())(json.dumps(pem))


def test_a_private_key_is_masked_behind_what_stands_at_its_head():
    head = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,A0\n\n"
    pem = f"-----BEGIN RSA PRIVATE KEY-----\n{head}MIIEvQIBADANBgkqhkiG9w0\n-----END RSA PRIVATE KEY-----"
    assert cleaner(())(f"{pem} and-more") == "-----…---- and-more"


@pytest.mark.parametrize("secret", ["team", 'with "quotes" / and \\ signs', "x" * 900], ids=["short", "odd", "long"])
def test_a_secret_that_looks_like_none_is_masked_where_it_is_known(secret):
    clean = cleaner([secret, ""])
    assert secret not in clean(f"it is {secret}.")
    in_json = json.dumps({"it": secret})
    assert in_json[8:-2] not in clean(in_json)
    assert in_json[8:-2].replace("/", "\\/") not in clean(in_json.replace("/", "\\/"))


@pytest.mark.parametrize("key", ["x", "none", "ollama"])
def test_a_key_that_is_hardly_one_is_masked_as_a_word_only(key):
    clean = cleaner([key])
    assert clean(f"Bearer {key} a\\n{key}\\n") == "Bearer … a\\n…\\n"
    assert clean(f'{{"text": "a{key}b {key}_1"}}') == f'{{"text": "a{key}b {key}_1"}}'


def test_a_known_secret_is_masked_in_an_address_too():
    assert "a%2Fb%3D" not in cleaner(["a/b=" * 5])(f"https://server/?key={'a%2Fb%3D' * 5}")


def test_a_known_secret_of_which_only_the_beginning_is_left_is_masked():
    secret = "k" * 40 + "rest" * 100
    assert "k" * 40 not in cleaner([secret])(f"{secret[:40]}… (440 characters)")


@pytest.mark.parametrize(
    "text", ["risk-assessment and task-management of a desk-research", "see the FAQ. Really", "http://a/b", "bearer of news"]
)
def test_words_are_left_alone(text):
    assert cleaner(["no such secret"])(text) == text


def test_nothing_that_a_database_refuses_is_left():
    assert "\0" not in cleaner(())("a\0b")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://g.co/v1beta/models/m:stream?alt=sse", "https://g.co/v1beta/models/m:stream?alt=sse"),
        ("https://g.co/upload?upload_id=secret&alt=json", "https://g.co/upload?upload_id=…&alt=json"),
        ("http://user:password@server:8080/v1/chat", "http://server:8080/v1/chat"),
        ("https://g.co/v1?key=AIza", "https://g.co/v1?key=…"),
        ("http://[bad/v1", "…"),
    ],
)
def test_addresses_are_shown_without_what_gives_access(url, shown):
    assert shown_url(url) == shown
