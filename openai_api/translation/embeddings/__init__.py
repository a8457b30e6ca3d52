"""OpenAI's Embeddings API: `read_request` takes a body in, a `Writer` puts the answer out."""

from .reader import EmbeddingsRequest, read_request
from .writer import Writer

__all__ = ["EmbeddingsRequest", "Writer", "read_request"]
