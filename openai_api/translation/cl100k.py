"""Tokens of cl100k_base, OpenAI's vocabulary for embeddings, back to the text that they stand for.

Clients such as LangChain send tokens in place of text. Undoing them takes nothing but the vocabulary, which lies beside this
file: one byte of length for each token, then the tokens' bytes one after the other, all of it compressed by zlib.
Source: the file that tiktoken downloads (MIT licence); its SHA-256 stands in tiktoken_ext/openai_public.py.
"""

import zlib
from collections.abc import Iterable
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path

SIZE = 100_256
_FILE = Path(__file__).with_name("cl100k_base.bin")
_SPECIAL = {
    100_257: b"<|endoftext|>",
    100_258: b"<|fim_prefix|>",
    100_259: b"<|fim_middle|>",
    100_260: b"<|fim_suffix|>",
    100_276: b"<|endofprompt|>",
}


class UnknownToken(ValueError):
    def __init__(self, token: int) -> None:
        super().__init__(f"{token} is no token of cl100k_base")


def decode(tokens: Iterable[int]) -> str:
    """The text; a sign that was cut in two by whoever cut the tokens becomes U+FFFD. Raises UnknownToken."""
    vocabulary = read_vocabulary()
    return b"".join(_bytes_of(token, vocabulary) for token in tokens).decode(errors="replace")


def _bytes_of(token: int, vocabulary: list[bytes]) -> bytes:
    if 0 <= token < SIZE:
        return vocabulary[token]
    try:
        return _SPECIAL[token]
    except KeyError:
        raise UnknownToken(token) from None


@cache
def read_vocabulary() -> list[bytes]:
    """Every token's bytes, in order. Read when first asked for: most processes never are, and it takes some 6 MB."""
    held = zlib.decompress(_FILE.read_bytes())
    borders = accumulate(held[:SIZE], initial=SIZE)
    return [held[start:end] for start, end in pairwise(borders)]
