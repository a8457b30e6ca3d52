# Placeholder of the lead so that imports work: H5 overwrites this file.
from msgspec import Struct


class CliPrompt(Struct, frozen=True):
    text: str
    system: str


def write_prompt(conversation):
    return ()
