from collections.abc import AsyncGenerator
from typing import ClassVar

from django.core.exceptions import DisallowedHost
from django.http.response import HttpResponseBase
from msgspec.structs import replace
from rest_framework.request import Request

from openai_api.errors import InvalidRequest
from openai_api.gateway import gateway
from openai_api.orders.pictures import Pictures
from openai_api.pictures.delivery import Delivery
from openai_api.pictures.files import examined, refused
from openai_api.pictures.masks import INSTRUCTION, Retouch, retouch
from openai_api.streaming import AnswerStream
from openai_api.translation import images
from openai_api.translation.conversation import Notice, PictureWish, StoredMedia
from openai_api.translation.images import ImagesRequest
from openai_api.uploads import Form, Upload
from openai_api.views.base import GatewayView, json_response, unix_time

MOST_IMAGES = 16
MOST_BYTES = 70 * 1024 * 1024
"""Of all images together: Google takes 100 MB, of base64."""


class PicturesView(GatewayView):
    kind: ClassVar[str] = "image_generation"

    async def answer(self, asked: ImagesRequest, *, touch: Retouch | None = None) -> HttpResponseBase:
        folder = self._folder() if asked.output.as_url else ""  # What cannot be handed over is not made.
        exchange = self.exchange("images", stream=asked.stream)
        if asked.stream:
            self.keep_alive()
        await exchange.open(Pictures(asked.wanted), notices=asked.notices)
        prompt = asked.wanted.prompt if asked.styled else ""
        writer = images.Writer(kind=self.kind, created=unix_time(), quality=asked.quality, prompt=prompt)
        delivery = Delivery(gateway.studio, exchange, asked, folder=folder, touch=touch)
        if asked.wanted.drafts:
            return AnswerStream(delivery.live(writer), exchange)
        pictures = await delivery.pictures()
        if asked.stream:
            return AnswerStream(_at_once(writer.completed(pictures, delivery.usage, exchange.failures)), exchange)
        return json_response(writer.body(pictures, delivery.usage, exchange.failures))

    def _folder(self) -> str:
        try:
            return self.request.build_absolute_uri("/media/")
        except DisallowedHost as error:
            message = "This Castor does not know the host name that it was asked by (ALLOWED_HOSTS), so it can make no URL."
            raise InvalidRequest(message, param="response_format") from error


class GenerationsView(PicturesView):
    """POST /v1/images/generations"""

    passes_as = "images"

    async def post(self, request: Request) -> HttpResponseBase:
        return await self.answer(images.read_generation(request.body))


class _FormView(PicturesView):
    takes_forms = True

    async def images(self, most: int) -> tuple[StoredMedia, ...]:
        """Those of the form, looked at. Raises InvalidRequest."""
        sent = self.form.files_of("image")
        if not sent:
            raise InvalidRequest("Missing required parameter: 'image'.", param="image", code="missing_required_parameter")
        if len(sent) > most:
            raise refused("image", f"at most {most} can be sent, but there are {len(sent)}", code="array_above_max_length")
        if sum(file.size for file in sent) > MOST_BYTES:
            raise refused("image", f"all together have more than {MOST_BYTES:,} bytes", code="image_too_large")
        return tuple([await gateway.studio.run(examined, file, "image") for file in sent])

    def unknown_files(self, *known: str) -> tuple[Notice, ...]:
        names = dict.fromkeys(file.field for file in self.form.files)
        return tuple(Notice(name, "unknown") for name in names if name.removesuffix("[]") not in known)


class EditsView(_FormView):
    """POST /v1/images/edits"""

    passes_as = "images"
    kind = "image_edit"

    async def post(self, request: Request) -> HttpResponseBase:
        asked = images.read_edit(self.form.fields)
        sources = await self.images(MOST_IMAGES)
        asked = _told(asked, self.unknown_files("image", "mask"))
        masks = self.form.files_of("mask")
        if not masks:
            return await self.answer(_with(asked, sources))
        if len(masks) > 1:
            raise refused("mask", f"one can be sent, but there are {len(masks)}")
        touch = await gateway.studio.retouch(_retouch, self.form.files_of("image")[0], masks[0], self.form)
        return await self.answer(_masked(asked, sources, touch), touch=touch)


class VariationsView(_FormView):
    """POST /v1/images/variations"""

    passes_as = "images"

    async def post(self, request: Request) -> HttpResponseBase:
        asked = images.read_variation(self.form.fields)
        sources = await self.images(1)
        return await self.answer(_with(_told(asked, self.unknown_files("image")), sources))


async def _at_once(whole: bytes) -> AsyncGenerator[bytes, None]:
    yield whole


def _retouch(image: Upload, mask: Upload, form: Form) -> Retouch:
    examined(mask, "mask")
    return retouch(image, mask, form)


def _told(asked: ImagesRequest, notices: tuple[Notice, ...]) -> ImagesRequest:
    return replace(asked, notices=asked.notices + notices)


def _with(asked: ImagesRequest, sources: tuple[StoredMedia, ...]) -> ImagesRequest:
    return replace(asked, wanted=replace(asked.wanted, sources=sources))


def _masked(asked: ImagesRequest, sources: tuple[StoredMedia, ...], touch: Retouch) -> ImagesRequest:
    """The picture keeps the size of the first image, so that what is not painted anew stays as it is."""
    wish, own = asked.wanted.wish, []
    if (wish.width, wish.height) not in ((0, 0), touch.frame.image):
        own.append("size")
    own += [field for field, given in (("aspect_ratio", wish.aspect_ratio), ("image_size", wish.size)) if given]
    told = _told(asked, tuple(Notice(field, "a picture with a mask keeps its size") for field in own))
    width, height = touch.frame.canvas
    wanted = replace(
        asked.wanted,
        prompt=f"{asked.wanted.prompt}\n\n{INSTRUCTION}",
        sources=(touch.shown_image, *sources[1:], touch.shown_mask),
        wish=PictureWish(width, height, quality=wish.quality, is_hint=True),
    )
    return replace(told, wanted=wanted)
