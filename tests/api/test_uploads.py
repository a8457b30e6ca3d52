"""Forms with files: read as they come, to the disk."""

import asyncio
import os
from io import BytesIO

import httpx
import pytest
from msgspec import Struct
from PIL import Image

from openai_api import uploads
from openai_api.errors import InvalidRequest, StorageFull
from openai_api.translation.forms import read_form as typed
from openai_api.uploads import Form, Upload, read_form


def encoded(data=None, files=None) -> tuple[str, bytes]:
    """As httpx, and so OpenAI's SDK, writes a form."""
    request = httpx.Request("POST", "http://castor", data=data or {}, files=files or {})
    return request.headers["content-type"], request.read()


async def pieces(body: bytes, size: int):
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def read(folder, content_type: str, body: bytes, *, size: int = 65_536) -> Form:
    return await read_form(content_type, pieces(body, size), folder)


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1000, 65_536])
async def test_a_form_is_read_however_it_is_cut(tmp_path, size):
    content = os.urandom(3000) + b"\r\n--" + b"\r\n" * 10
    sent = encoded({"model": "m", "n[]": ["1", "2"]}, [("image[]", ("a b.png", content, "image/png")), ("mask", ("m", b"", ""))])
    form = await read(tmp_path, *sent, size=size)
    assert form.fields == {"model": ["m"], "n[]": ["1", "2"]}
    [image, mask] = form.files
    assert (image.field, image.filename, image.content_type, image.size) == ("image[]", "a b.png", "image/png", len(content))
    assert image.read(0, 10_000) == content
    assert (mask.field, mask.size) == ("mask", 0)
    assert form.files_of("image") == [image]


async def test_a_file_is_read_from_several_places_at_once(tmp_path):
    form = await read(tmp_path, *encoded(files={"image": ("a.txt", b"0123456789")}))
    [file] = form.files
    first, second = file.open(), file.open()
    assert (first.read(3), second.read(5), file.read(8, 100), first.read()) == (b"012", b"01234", b"89", b"3456789")
    second.seek(-2, os.SEEK_END)
    assert second.read() == b"89"


async def test_pillow_reads_it(tmp_path):
    picture = BytesIO()
    Image.new("RGB", (40, 20), "red").save(picture, "PNG")
    form = await read(tmp_path, *encoded(files={"image": ("a.png", picture.getvalue())}))
    with Image.open(form.files[0].open()) as read_back:
        assert read_back.size == (40, 20)
        assert read_back.convert("RGB").getpixel((5, 5)) == (255, 0, 0)


async def test_nothing_lies_in_the_folder_under_a_name(tmp_path):
    form = await read(tmp_path, *encoded(files={"image": ("a.txt", b"x" * 100_000)}))
    assert form.files[0].size == 100_000
    assert list(tmp_path.iterdir()) == []


async def test_names_of_files_in_any_script(tmp_path):
    form = await read(tmp_path, *encoded(files={"file": ("Grüße 図.txt", b"x")}))
    assert "Gr" in form.files[0].filename


def numbered(count: int, *, as_files: bool) -> tuple[str, bytes]:
    if as_files:
        return encoded(files=[("image[]", (f"{number}.png", b"x")) for number in range(count)])
    return encoded({f"field{number}": "x" for number in range(count)}, {"file": ("a", b"x")})


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (numbered(uploads.MOST_FILES + 1, as_files=True), "more than 32 files"),
        (numbered(uploads.MOST_FIELDS + 1, as_files=False), "more than 2000 fields"),
        (encoded({"prompt": "x" * (uploads.MOST_TEXT + 1)}, {"file": ("a", b"x")}), "more than 1048576 bytes"),
        (("multipart/form-data", b"x"), "names no boundary"),
        (("multipart/form-data; boundary=abc", b"this is no form"), "no well-formed"),
        (("multipart/form-data; boundary=abc", b""), "breaks off"),
        (("multipart/form-data; boundary=abc", b'--abc\r\nContent-Disposition: form-data; name="a"\r\n\r\nx'), "breaks off"),
        (("multipart/form-data; boundary=abc", b"--abc\r\nContent-Disposition: form-data\r\n\r\nx\r\n--abc--\r\n"), "no name"),
    ],
)
async def test_what_is_no_form_is_refused_in_plain_words(tmp_path, sent, said):
    with pytest.raises(InvalidRequest, match=said):
        await read(tmp_path, *sent)


async def test_files_are_closed_when_the_form_is_refused_or_left(tmp_path, monkeypatch):
    made = []

    class Watched(Upload):
        def __init__(self, *given) -> None:
            super().__init__(*given)
            made.append(self)

    monkeypatch.setattr(uploads, "Upload", Watched)
    content_type, body = encoded(files={"file": ("a", b"x" * 1000)})
    with pytest.raises(InvalidRequest):
        await read(tmp_path, content_type, body[:-10])

    async def hanging():
        yield body[:500]
        await asyncio.sleep(60)

    leaving = asyncio.ensure_future(read_form(content_type, hanging(), tmp_path))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert [upload._file.closed for upload in made] == [True, True]


async def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Upload, "take", full)
    with pytest.raises(StorageFull, match="disk is full"):
        await read(tmp_path, *encoded(files={"file": ("a", b"x")}))


class Body(Struct):
    model: str
    n: int = 1
    temperature: float | None = None
    stream: bool = False
    include: list[str] = []


def test_texts_become_what_the_fields_are():
    notices = []
    fields = {"model": ["m"], "n": ["3"], "temperature": ["0.5"], "stream": ["true"], "include[]": ["a", "b"], "odd": ["x"]}
    assert typed(Body, fields, lists=("include",), notices=notices) == Body("m", 3, 0.5, True, ["a", "b"])
    assert [notice.field for notice in notices] == ["odd"]


def test_an_empty_field_was_not_sent():
    assert typed(Body, {"model": ["m"], "n": [""], "include": [""]}, lists=("include",), notices=[]) == Body("m")


@pytest.mark.parametrize(
    ("fields", "param"),
    [({}, "model"), ({"model": ["m"], "n": ["many"]}, "n"), ({"model": ["m", "o"]}, "model"), ({"model": [""]}, "model")],
)
def test_a_wrong_field_is_named(fields, param):
    with pytest.raises(InvalidRequest) as refused:
        typed(Body, fields, notices=[])
    assert refused.value.param == param
