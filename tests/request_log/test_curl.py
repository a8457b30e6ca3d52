"""A recorded request as a command, which somebody pastes into a terminal without having read it."""

import os
import subprocess

import pytest

from openai_api.request_log.curl import as_curl, is_faithful
from openai_api.request_log.kept import File, Kept, Text

SHOW = 'curl() { printf "%s\\n" "$@"; echo "--"; case "$*" in *"@-"*) cat;; esac; }\n'
"""In place of curl: what it would have been told, and what it would have read."""


def told(kept: Kept, path: str = "/v1/chat/completions", tmp=None) -> tuple[list[str], str]:
    script = SHOW + as_curl("POST", f"http://castor{path}", kept)
    env = {"PATH": os.environ["PATH"], "CASTOR_TOKEN": "my-token", "HOME": "/nowhere"}
    result = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=True, timeout=20)
    assert result.stderr == ""
    words, _, body = result.stdout.partition("--\n")
    return words.splitlines(), body


def body_of(text: str, **given) -> Kept:
    return Kept(request=Text(text, len(text.encode()), media_type="application/json", **given))


NASTY = ["$(touch /tmp/x)", "`id`", "it's", '"quoted"', "\\", "$HOME", "EOF", "EOF\nEOF\nEOF_", "!!", "'", "a\n'EOF'\nb", "* ? ~"]


@pytest.mark.parametrize("text", NASTY)
def test_whatever_a_body_holds_arrives_as_it_is(text):
    words, body = told(body_of(text))
    assert body == f"{text}\n"
    assert "Authorization: Bearer my-token" in words


@pytest.mark.parametrize("text", [text for text in NASTY if "\n" not in text])
def test_whatever_stands_elsewhere_arrives_as_it_is(text):
    kept = Kept(headers=[("X-Castor-Stop-Tags", text)], is_form=True, fields=[("prompt", text)])
    words, _ = told(kept, path=f"/v1/{text}")
    assert f"X-Castor-Stop-Tags: {text}" in words
    assert f"prompt={text}" in words
    assert f"http://castor/v1/{text}" in words


@pytest.mark.parametrize("text", ["\x03rm -rf ~\n", "\x1b[201~id\n", "a\rb", "\x9b201~"])
def test_nothing_in_it_steers_the_terminal(text):
    kept = Kept(headers=[("X-Castor-A", text)], request=Text(text, len(text), media_type=text))
    command = as_curl("POST", f"http://castor/{text}", kept)
    assert not any(letter in command for letter in "\x03\x1b\r\x9b")


@pytest.mark.parametrize(
    ("filename", "given"),
    [
        ("talk.wav", 'file=@"talk.wav"'),
        ("/etc/passwd", 'file=@"passwd"'),
        ("../../.ssh/id", 'file=@"id"'),
        ('a"b', 'file=@"a\\"b"'),
    ],
)
def test_files_are_taken_from_where_the_command_runs_whatever_path_they_had(filename, given):
    words, _ = told(Kept(is_form=True, files=[File("file", filename, "audio/wav", 1)]))
    assert f"{given};type=audio/wav" in words


def test_a_fields_name_names_no_other_file():
    words, _ = told(Kept(is_form=True, files=[File("file=@/etc/passwd;filename=x", "a", "", 1)]))
    assert 'file_@/etc/passwd;filename_x=@"a"' in words


@pytest.mark.parametrize("kind", ["", "audio/wav;filename=/etc/passwd", "a b", "x"])
def test_a_type_that_is_none_is_left_out(kind):
    words, _ = told(Kept(is_form=True, files=[File("file", "a", kind, 1)]))
    assert 'file=@"a"' in words


def test_headers_of_the_program_that_asked_are_left_out():
    kept = body_of("{}")
    kept.headers = [("User-Agent", "his"), ("X-Request-ID", "r-1"), ("Accept", "*/*"), ("X-Stainless-Lang", "js")]
    words, _ = told(kept)
    assert "Accept: */*" in words
    assert not any(name in " ".join(words) for name in ("User-Agent", "X-Request-ID", "X-Stainless"))


@pytest.mark.parametrize(
    ("kept", "faithful"),
    [
        (body_of("é"), True),
        (Kept(request=Text("{", 99, cut=True)), False),
        (Kept(request=Text("iVBOR… (9 characters)", 99)), False),
        (Kept(is_form=True), False),
        (Kept(), True),
        (body_of('{"a": 1}\r\n'), True),
        (body_of('"\x85"'), False),
    ],
)
def test_it_is_told_when_the_command_sends_something_else(kept, faithful):
    assert is_faithful("/v1/chat/completions", kept) is faithful


def test_it_is_told_when_something_is_left_out_of_the_address():
    assert is_faithful("/v1/files?limit=2", Kept())
    assert not is_faithful("/v1/files?key=…", Kept())
