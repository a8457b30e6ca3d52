"""From the answers of an exchange to the pictures that its caller gets, whole or as they come."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing

from openai_api.errors import GatewayError, InvalidRequest
from openai_api.exchange import Exchange
from openai_api.translation.events import Usage
from openai_api.translation.images import Album, ImagesRequest, Picture, Writer

from .masks import Retouch
from .studio import Studio


class Delivery:
    """`folder`: the URL below which stored pictures are found."""

    def __init__(
        self, studio: Studio, exchange: Exchange, asked: ImagesRequest, *, folder: str = "", touch: Retouch | None = None
    ) -> None:
        self._studio = studio
        self._exchange = exchange
        self._asked = asked
        self._folder = folder
        self._touch = touch
        self._album = Album(asked.wanted.count)

    @property
    def usage(self) -> Usage | None:
        return self._album.usage

    async def pictures(self) -> list[Picture]:
        """One at least; what became of the others is told in the exchange's failures. Raises GatewayError where there is none."""
        async with self._exchange:
            async for index, events in self._exchange.events():
                self._album.take(index, events)
            return await self._developed()

    async def live(self, writer: Writer) -> AsyncGenerator[bytes, None]:
        """The stream of one picture, with its drafts as they come."""
        left = self._asked.partial_images
        async with self._exchange, aclosing(self._exchange.events()) as arriving:
            try:
                async for index, events in arriving:
                    for draft in self._album.take(index, events)[:left]:
                        left -= 1
                        yield writer.partial(await self._studio.develop(draft, self._asked.output, touch=self._touch))
                yield writer.completed(await self._developed(), self.usage)
            except GatewayError as error:
                self._exchange.failed(error)
                yield writer.error(error)

    async def _developed(self) -> list[Picture]:
        results = await asyncio.gather(
            *(
                self._studio.develop(made, self._asked.output, folder=self._folder, touch=self._touch)
                for made in self._album.pictures
            ),
            return_exceptions=True,
        )
        pictures = [result for result in results if isinstance(result, Picture)]
        failures = [*self._exchange.failures, *self._album.failures, *_errors(results)]
        if not pictures:
            # What is wrong with the request says more than that an upstream had a bad moment besides.
            raise next((error for error in failures if isinstance(error, InvalidRequest)), failures[0])
        self._exchange.failures = failures
        return pictures


def _errors(results: Iterable[Picture | BaseException]) -> Iterator[GatewayError]:
    """Raises what is a fault of ours."""
    for result in results:
        if isinstance(result, GatewayError):
            yield result
        elif isinstance(result, BaseException):
            raise result
