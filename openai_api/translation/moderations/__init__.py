"""OpenAI's Moderations API: `read_request` takes a body in, a `Writer` puts the verdicts out; between them a model judges."""

from .judge import conversation_about, read_judgement
from .reader import Input, ModerationRequest, read_request
from .writer import Writer

__all__ = ["Input", "ModerationRequest", "Writer", "conversation_about", "read_judgement", "read_request"]
