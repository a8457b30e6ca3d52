"""OpenAI's Images API: `read_…` takes a body in, an `Album` tells what became of it, a `Writer` puts the answer out."""

from .album import Album
from .reader import ImagesRequest, Output, read_edit, read_generation, read_variation
from .writer import Picture, Writer

__all__ = ["Album", "ImagesRequest", "Output", "Picture", "Writer", "read_edit", "read_generation", "read_variation"]
