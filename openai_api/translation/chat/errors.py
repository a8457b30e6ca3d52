"""An error as OpenAI's clients expect it."""

import msgspec
from msgspec import Struct

from openai_api.errors import GatewayError

_ENCODER = msgspec.json.Encoder()


class _Error(Struct):
    message: str
    type: str
    param: str | None
    code: str | None


class _ErrorBody(Struct):
    error: _Error


def error_body(error: GatewayError) -> bytes:
    return _ENCODER.encode(_ErrorBody(_Error(error.message, error.kind, error.param, error.code)))
