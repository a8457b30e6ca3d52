"""OpenAI's speech: requests in, sound or events out."""

from .formats import FORMATS, SoundFormat, tempo
from .reader import SpeechRequest, read_request
from .writer import EventWriter, SoundWriter, Writer

__all__ = ["FORMATS", "EventWriter", "SoundFormat", "SoundWriter", "SpeechRequest", "Writer", "read_request", "tempo"]
