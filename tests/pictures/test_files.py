"""Pictures by Pillow: what is taken for one, and how they change their format."""

import asyncio
import base64
import io
import threading
from contextlib import closing

import pytest
from PIL import Image

from openai_api.errors import InvalidRequest, UpstreamBroken
from openai_api.media_store import MediaStore
from openai_api.pictures.files import MOST_PIXELS, examined
from openai_api.pictures.masks import frame_for, retouch
from openai_api.pictures.studio import MOST_THREADS, Studio
from openai_api.translation.events import MediaDelta
from openai_api.translation.gemini.pictures import pixels
from openai_api.translation.images import Output
from openai_api.uploads import Form, Upload
from tests.google import media


def file_of(image: Image.Image, form: str = "PNG", **options) -> bytes:
    written = io.BytesIO()
    image.save(written, form, **options)
    return written.getvalue()


@pytest.fixture
def kept(tmp_path):
    with closing(Form(tmp_path)) as form:
        yield form


@pytest.fixture
def upload(kept):
    def upload(content: bytes, content_type: str = "image/png") -> Upload:
        upload = kept.add("image", "a", content_type)
        upload.take(content)
        return upload

    return upload


BLUE = Image.new("RGB", (30, 20), "blue")


@pytest.mark.parametrize("claimed", ["image/png", "image/jpeg", "", "application/octet-stream", "image/png; x=y"])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_an_image_is_what_its_bytes_say(upload, form, claimed):
    assert examined(upload(file_of(BLUE, form), claimed), "image").mime_type == f"image/{form.lower()}"


@pytest.mark.parametrize(
    ("content", "claimed", "told"),
    [
        (b"", "image/png", "empty"),
        (b"no image", "image/png", "not a PNG"),
        (file_of(BLUE)[:50], "image/png", "broken"),
        (file_of(BLUE, "GIF"), "image/gif", "not a PNG"),
        (file_of(BLUE, "TIFF"), "image/tiff", "not a PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", "not a PNG"),
        (file_of(BLUE), "text/plain", "'text/plain'"),
        (file_of(BLUE), "application/pdf", "'application/pdf'"),
        (file_of(Image.new("1", (10_000, MOST_PIXELS // 10_000 + 1))), "image/png", "pixels"),
        (file_of(Image.new("1", (20_000, 20_000))), "image/png", "pixels|broken"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_image_is_named(upload, content, claimed, told):
    with pytest.raises(InvalidRequest, match=told) as caught:
        examined(upload(content, claimed), "mask")
    assert caught.value.param == "mask"


# --- Formats -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def studio(tmp_path):
    studio = Studio(MediaStore(tmp_path, hours=1))
    yield studio
    studio.close()


def made(image: Image.Image, form: str = "PNG", **options) -> MediaDelta:
    return MediaDelta(f"image/{form.lower()}", base64.b64encode(file_of(image, form, **options)).decode())


def opened(data: str) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    image.load()
    return image


@pytest.mark.parametrize("wanted", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("given", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA"])
async def test_every_format_becomes_every_other(studio, mode, given, wanted):
    source = Image.new("RGB", (30, 20), "blue").convert("RGBA" if mode in ("RGBA", "LA") else "RGB").convert(mode)
    if given == "JPEG":
        source = source.convert("RGB")
    picture = await studio.develop(made(source, given), Output(wanted))
    image = opened(picture.data)
    assert (picture.format, (picture.width, picture.height)) == (wanted, (30, 20))
    assert (image.format.lower(), image.size) == (wanted, (30, 20))


async def test_what_is_transparent_is_white_in_a_jpeg(studio):
    picture = await studio.develop(made(Image.new("RGBA", (8, 8), (255, 0, 0, 0))), Output("jpeg"))
    assert min(opened(picture.data).getpixel((4, 4))) > 250


async def test_a_picture_that_need_not_change_does_not(studio):
    jpeg = made(BLUE, "JPEG", quality=30)
    for output in (Output(), Output("jpeg")):
        assert (await studio.develop(jpeg, output)).data == jpeg.data


async def test_compression_counts(studio):
    noise = made(Image.effect_noise((200, 200), 90).convert("RGB"))
    for form in ("jpeg", "webp"):
        sizes = [len((await studio.develop(noise, Output(form, quality))).data) for quality in (0, 50, 100)]
        assert sizes == sorted(sizes)
        assert sizes[0] < sizes[2] / 4


async def test_a_picture_can_be_put_where_its_url_leads(studio, tmp_path):
    picture = await studio.develop(made(BLUE), Output("webp", as_url=True), folder="https://castor.example.com/media/")
    name = picture.url.removeprefix("https://castor.example.com/media/")
    assert picture.data == ""
    assert Image.open(tmp_path / name).size == (30, 20)


@pytest.mark.parametrize("data", ["", "!", "aGk=", media.picture()[:60]])
async def test_a_picture_that_cannot_be_read_is_googles_fault(studio, data):
    with pytest.raises(UpstreamBroken):
        await studio.develop(MediaDelta("image/png", data), Output("jpeg"))


async def test_a_stored_picture_is_read_while_others_are_converted(studio):
    is_read = threading.Event()
    converting = [asyncio.ensure_future(studio.run(is_read.wait, 30)) for _ in range(MOST_THREADS + 1)]
    await asyncio.sleep(0)  # They begin.
    await studio.read(is_read.set)
    assert await asyncio.gather(*converting) == [True] * len(converting)


# --- Masks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (30, 20), (20, 30), (4000, 100), (1024, 1024), (1264, 848), (999, 1001)])
def test_a_frame_has_the_shape_of_a_picture_and_holds_the_image(size):
    frame = frame_for(*size)
    across, down = pixels(frame.ratio, "1K")
    assert frame.image == size
    assert frame.canvas[0] >= size[0]
    assert frame.canvas[1] >= size[1]
    assert size[0] == frame.canvas[0] or size[1] == frame.canvas[1]
    assert abs(frame.canvas[0] * down - frame.canvas[1] * across) < max(across, down)
    left, top, right, bottom = frame.box_in(frame.canvas)
    assert (left, top) == frame.corner
    assert (right - left, bottom - top) == pytest.approx(size)


def hole(size: tuple[int, int], box: tuple[int, int, int, int], *, alpha: int = 0) -> Image.Image:
    mask = Image.new("RGBA", size, (9, 9, 9, 255))
    mask.paste((0, 0, 0, alpha), box)
    return mask


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA"])
def test_pixels_outside_of_the_mask_stay_whatever_the_mode(upload, kept, mode):
    original = Image.linear_gradient("L").resize((90, 60)).convert("RGBA" if mode in ("RGBA", "LA") else mode).convert(mode)
    touch = retouch(upload(file_of(original)), upload(file_of(hole((90, 60), (10, 10, 40, 30)))), kept)
    result = touch.applied(Image.new("RGB", (1264, 848), "red"))
    expected = original.convert(result.mode)
    expected.paste("red", (10, 10, 40, 30))
    assert result.mode == ("RGBA" if mode in ("RGBA", "LA") else "RGB")
    assert result.tobytes() == expected.tobytes()


def test_what_is_half_transparent_in_the_mask_is_half_painted(upload, kept):
    touch = retouch(upload(file_of(BLUE)), upload(file_of(hole(BLUE.size, (0, 0, 10, 10), alpha=128))), kept)
    red, _, blue = touch.applied(Image.new("RGB", (1264, 848), "red")).getpixel((5, 5))
    assert (red, blue) == pytest.approx((127, 128), abs=1)


def test_what_is_painted_lies_where_it_was_painted(upload, kept):
    """A picture of 4:1 is shown in the middle of a canvas of 21:9, and cut out of it again."""
    size = (400, 100)
    touch = retouch(upload(file_of(Image.new("RGB", size, "blue"))), upload(file_of(hole(size, (0, 0, *size)))), kept)
    painted = Image.new("RGB", (1584, 672), "black")
    left, top, right, bottom = (round(edge) for edge in touch.frame.box_in(painted.size))
    painted.paste("white", (left, top, (left + right) // 2, bottom))
    result = touch.applied(painted)
    assert result.getpixel((190, 50)) == (255, 255, 255)
    assert result.getpixel((210, 50)) == (0, 0, 0)
    assert result.getpixel((3, 3)) == (255, 255, 255)


def test_a_photo_is_taken_as_its_camera_was_held(upload, kept):
    exif = Image.Exif()
    exif[0x0112] = 6  # On its side.
    photo = upload(file_of(BLUE, "JPEG", exif=exif), "image/jpeg")
    assert retouch(photo, upload(file_of(hole((20, 30), (0, 0, 5, 5)))), kept).frame.image == (20, 30)


def test_a_palette_and_a_webp_may_be_masks(upload, kept):
    palette = hole(BLUE.size, (0, 0, 5, 5)).quantize(8)
    for mask in (file_of(palette), file_of(hole(BLUE.size, (0, 0, 5, 5)), "WEBP", lossless=True)):
        assert retouch(upload(file_of(BLUE)), upload(mask), kept).frame.image == BLUE.size


@pytest.mark.parametrize("size", [(1, 2_000_000), (2_000_000, 1), (4000, 3)])
def test_a_canvas_around_a_line_does_not_fill_the_memory(upload, kept, monkeypatch, size):
    image, mask = upload(file_of(Image.new("RGB", size, "blue"))), upload(file_of(hole(size, (0, 0, *size))))
    make = Image.new

    def make_bounded(mode: str, wanted: tuple[int, int], *given):
        assert wanted[0] * wanted[1] <= 3072**2
        return make(mode, wanted, *given)

    monkeypatch.setattr("openai_api.pictures.masks.Image.new", make_bounded)
    touch = retouch(image, mask, kept)
    monkeypatch.undo()
    shown = Image.open(touch.shown_image.file.open())
    assert max(shown.size) == 3072
    assert touch.applied(Image.new("RGB", pixels(touch.frame.ratio, "1K"), "red")).size == size
