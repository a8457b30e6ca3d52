"""OpenAI's audio transcriptions and translations: `read_request` takes a form in, a `Writer` puts the answer out."""

from .reader import TranscriptionRequest, read_request
from .writer import Writer

__all__ = ["TranscriptionRequest", "Writer", "read_request"]
