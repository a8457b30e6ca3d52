from collections.abc import AsyncGenerator
from pathlib import Path

from rest_framework.request import Request

from openai_api.errors import PathNotFound
from openai_api.gateway import gateway
from openai_api.streaming import ByteStream
from openai_api.views.service import PublicView

PIECE = 256 * 1024


class MediaView(PublicView):
    """GET /media/<name>: a file that Castor has stored. Its name, which nobody can guess, is all that it takes."""

    async def get(self, request: Request, name: str) -> ByteStream:
        file = await gateway.studio.read(gateway.studio.store.find, name)
        if file is None:
            raise PathNotFound("There is no such file, or not any more.")
        headers = {
            "Content-Length": str(file.size),
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": f"private, max-age={file.seconds_left}, immutable",
        }
        return ByteStream(_pieces(file.path), content_type=file.content_type, headers=headers)


async def _pieces(path: Path) -> AsyncGenerator[bytes, None]:
    read = gateway.studio.read
    file = await read(path.open, "rb")
    try:
        while piece := await read(file.read, PIECE):
            yield piece
    finally:
        file.close()
