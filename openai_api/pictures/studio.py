"""The threads in which pictures are worked on, and what they do for a request."""

import asyncio
import os
from base64 import b64decode, b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from typing import ParamSpec, TypeVar

from openai_api.errors import UpstreamBroken
from openai_api.media_store import MediaStore
from openai_api.translation.events import DraftDelta, MediaDelta
from openai_api.translation.images import Output, Picture

from .files import Unreadable, encoded, format_of, opened
from .masks import Retouch

MOST_THREADS = 4
P = ParamSpec("P")
T = TypeVar("T")


class Studio:
    """As many threads as there are processors, up to four; what is more waits. Masks, and stored files, have one of their own."""

    def __init__(self, store: MediaStore) -> None:
        self.store = store
        self._threads = ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1), thread_name_prefix="castor-pictures")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="castor-media")
        # A picture and its mask, decoded, are a hundred megabytes and more: never two pairs of them at once.
        self._retouching = ThreadPoolExecutor(1, thread_name_prefix="castor-masks")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *args, **kwargs))

    async def read(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """For what is quick: it does not wait until pictures are converted, which takes seconds."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, partial(function, *args, **kwargs))

    async def retouch(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """For what takes a picture and its mask."""
        return await asyncio.get_running_loop().run_in_executor(self._retouching, partial(function, *args, **kwargs))

    async def develop(
        self, made: MediaDelta | DraftDelta, output: Output, *, folder: str = "", touch: Retouch | None = None
    ) -> Picture:
        """A picture of Google's as the caller wants it. `folder`: the URL of the store. Raises UpstreamBroken, StorageFull."""
        where = self.run if touch is None else self.retouch
        return await where(self._develop, made, output, folder, touch)

    def close(self) -> None:
        for threads in (self._threads, self._reading, self._retouching):
            threads.shutdown(wait=False, cancel_futures=True)

    def _develop(self, made: MediaDelta | DraftDelta, output: Output, folder: str, touch: Retouch | None) -> Picture:
        try:
            content = b64decode(made.data)
            with opened(BytesIO(content)) as image:
                form, size, is_same = format_of(image), image.size, touch is None
                wanted = output.format or (form if is_same else "png")
                if touch is not None:
                    retouched = touch.applied(image)
                    content, size = encoded(retouched, wanted, output.quality), retouched.size
                elif wanted != form or output.quality is not None:
                    content, is_same = encoded(image, wanted, output.quality), False
        except (Unreadable, ValueError) as error:
            raise UpstreamBroken("The upstream's picture cannot be read.") from error
        if output.as_url:
            return Picture(wanted, *size, url=folder + self.store.save(content, wanted))
        return Picture(wanted, *size, data=made.data if is_same else b64encode(content).decode())
