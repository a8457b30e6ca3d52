"""Texts on their way into the request log, without what must not be kept."""

import json
import re
from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl, quote, urlsplit

from credentials.crypto import mask, redact

_MORE_SHAPES = re.compile(
    r"(?<=Bearer )[\w.~+/=-]{8,}"
    r"|1\\/\\/[\w-]{8,}"  # Google's refresh tokens, as some encoders of JSON write them
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]|-(?!----))*+(-----END [A-Z ]*PRIVATE KEY-----)?",
    re.IGNORECASE,
)
_SHORTEST = 8
"""Letters of which a secret is masked within words too."""
_LONG = 48
"""Letters of which a secret's beginning is its own: an excerpt may have shortened the rest."""
LEFT_OUT = "…"
"""In place of a parameter's value."""
_HARMLESS = {"alt", "limit", "order", "purpose", "after", "stream"}

Clean = Callable[[str], str]


def cleaner(secrets: Iterable[str]) -> Clean:
    """What takes these very secrets out of a text, and all that looks like one."""
    masks = {form: mask(secret) for secret in secrets if secret for form in _forms(secret)}
    # The longest first: one may stand in another.
    known = re.compile("|".join(map(_pattern, sorted(masks, key=len, reverse=True)))) if masks else None

    def clean(text: str) -> str:
        if known is not None:
            text = known.sub(lambda match: masks[match.group()], text)
        return _storable(redact(_MORE_SHAPES.sub(lambda match: mask(match.group()), text)))

    return clean


def _pattern(secret: str) -> str:
    """Servers of one's own often take "x" or "none" for a key: what is so short is masked as a word, not within others."""
    return re.escape(secret) if len(secret) >= _SHORTEST else rf"(?:(?<!\w)|(?<=\\[nrt])){re.escape(secret)}(?!\w)"


def _storable(text: str) -> str:
    """No database takes half a pair of surrogates, and PostgreSQL no NUL."""
    return text.replace("\0", "�").encode(errors="replace").decode()


def shown_url(url: str) -> str:
    """Without a name and password, and without the values of parameters, which give access at some addresses."""
    try:
        parts = urlsplit(url)
    except ValueError:  # An address that nobody can be asked at, of which nothing can be told apart.
        return LEFT_OUT
    given = parse_qsl(parts.query, keep_blank_values=True)
    query = "&".join(f"{quote(name)}={quote(value) if name in _HARMLESS else LEFT_OUT}" for name, value in given)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query).geturl()


def _forms(secret: str) -> set[str]:
    """As it is, as it stands in JSON and in addresses, and as far as it is left of a long word."""
    in_json = json.dumps(secret)[1:-1]
    forms = {secret, in_json, in_json.replace("/", "\\/"), quote(secret, safe="")}
    return forms | {secret[:40]} if len(secret) > _LONG else forms
