"""OpenAI's Completions API, from the time before chats: `read_request` takes a body in, a `Writer` puts the answer out."""

from .reader import CompletionsRequest, read_request
from .writer import Writer

__all__ = ["CompletionsRequest", "Writer", "read_request"]
