"""OpenAI's audio transcriptions and translations: `read_request` takes a form in, a `Writer` puts the answer out."""

from .reader import TranscriptionRequest, read_request
from .writer import Writer, check_whole

__all__ = ["TranscriptionRequest", "Writer", "check_whole", "read_request"]
