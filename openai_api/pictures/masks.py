"""A mask, which Gemini has no idea of: the model is shown it as a picture, and what it painted outside of it is thrown away.

The picture that comes back has the original's size and, wherever the mask is opaque, the original's very pixels.
"""

from math import ceil

from msgspec import Struct
from PIL import Image

from openai_api.errors import UpstreamBroken
from openai_api.translation.conversation import StoredMedia
from openai_api.translation.gemini.pictures import nearest_ratio, pixels
from openai_api.uploads import Form, Upload

from .files import Unreadable, encoded, opened, refused, upright

MOST_PIXELS = 20_000_000
"""Of an image that is decoded: several copies of it lie in memory while it is worked on."""
INSTRUCTION = (
    "The last image is a mask of the first one. Paint anew only what is white in it; everything that is black must stay "
    "exactly as it is, and where it is. Answer with the whole first image, of the same shape."
)

_LONGEST_SHOWN = 3072
"""Pixels of the longer side of what the model is shown."""
_GREY = (127, 127, 127)
_FITS = 0.02
"""How far the shape of the answer may be from the one that was asked for."""


class Frame(Struct, frozen=True):
    """An image in the middle of a canvas, which has the shape of a picture that models make. Sizes are (width, height)."""

    image: tuple[int, int]
    canvas: tuple[int, int]
    ratio: str

    @property
    def corner(self) -> tuple[int, int]:
        return (self.canvas[0] - self.image[0]) // 2, (self.canvas[1] - self.image[1]) // 2

    def box_in(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """Where the image lies in a picture of the whole canvas of this size."""
        across, down = size[0] / self.canvas[0], size[1] / self.canvas[1]
        left, top = self.corner
        return left * across, top * down, (left + self.image[0]) * across, (top + self.image[1]) * down


class Retouch(Struct, frozen=True):
    """What is to be done to the first image, and with what the model paints."""

    image: Upload
    mask: Upload
    frame: Frame
    shown_image: StoredMedia
    shown_mask: StoredMedia

    def applied(self, painted: Image.Image) -> Image.Image:
        """The original with what was painted within the mask. Raises UpstreamBroken where that does not fit."""
        across, down = pixels(self.frame.ratio, "1K")
        if abs(painted.width * down / (painted.height * across) - 1) > _FITS:
            raise UpstreamBroken("The model answered with a picture of another shape, which the mask does not fit.")
        original, keep = _decoded(self.image), _kept(self.mask)
        fitted = painted.convert(original.mode).resize(
            self.frame.image, Image.Resampling.LANCZOS, box=self.frame.box_in(painted.size)
        )
        result = Image.composite(original, fitted, keep)
        result.info = dict(original.info)
        return result


def frame_for(width: int, height: int) -> Frame:
    ratio = nearest_ratio(width, height)
    across, down = pixels(ratio, "1K")
    if width * down > height * across:
        return Frame((width, height), (width, ceil(width * down / across)), ratio)
    return Frame((width, height), (ceil(height * across / down), height), ratio)


def retouch(image: Upload, mask: Upload, form: Form) -> Retouch:
    """Both have been examined; what the model is shown is put beside them, into `form`. Raises InvalidRequest for no mask."""
    try:
        original = _decoded(image)
    except Unreadable as error:
        raise refused("image", str(error)) from error
    try:
        keep = _kept(mask)
    except Unreadable as error:
        raise refused("mask", str(error)) from error
    if keep.size != original.size:
        sizes = "it is {}x{}, and the image {}x{}".format(*keep.size, *original.size)
        raise refused("mask", f"it must have the size of the (first) image, but {sizes}")
    if keep.getextrema()[0] == 255:
        raise refused("mask", "nothing in it is transparent, so there is nothing to paint")
    frame = frame_for(*original.size)
    paint = keep.point(lambda alpha: 255 - alpha)
    shown_image = StoredMedia("image/png", form.keep(_shown(original, frame, _GREY)))
    shown_mask = StoredMedia("image/png", form.keep(_shown(paint.convert("RGB"), frame, (0, 0, 0))))
    return Retouch(image, mask, frame, shown_image, shown_mask)


def _decoded(upload: Upload) -> Image.Image:
    with upload.open() as file, opened(file, most_pixels=MOST_PIXELS) as image:
        return upright(image)


def _kept(mask: Upload) -> Image.Image:
    """255 where the original stays, 0 where it is painted over."""
    alpha = _decoded(mask)
    if alpha.mode != "RGBA":
        raise refused("mask", "it has no alpha channel; what is transparent in it is painted anew")
    return alpha.getchannel("A")


def _shown(image: Image.Image, frame: Frame, around: tuple[int, int, int]) -> bytes:
    """A PNG of the image on its canvas, never in the canvas's own size: around one row of pixels that may be millions."""
    scale = min(1.0, _LONGEST_SHOWN / max(frame.canvas))
    width, height, left, top = (_scaled(length, scale) for length in (*frame.canvas, *frame.corner))
    image = image.resize((max(1, _scaled(image.width, scale)), max(1, _scaled(image.height, scale))), Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", (width, height), around)
    canvas.paste(image, (left, top), image if image.mode == "RGBA" else None)
    return encoded(canvas, "png")


def _scaled(length: int, scale: float) -> int:
    return round(length * scale)
