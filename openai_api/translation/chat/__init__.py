"""OpenAI's Chat Completions, in and out."""

from .errors import error_body
from .reader import ChatRequest, read_request
from .writer import Writer

__all__ = ["ChatRequest", "Writer", "error_body", "read_request"]
