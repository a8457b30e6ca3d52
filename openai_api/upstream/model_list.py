"""Asks the Gemini API which models a credential may see: free of charge, and so the first question of every check."""

import time

import msgspec
from msgspec import Struct

from credentials.listing import ListedModel
from openai_api.upstream.blocking import failed
from openai_api.upstream.sessions import Session

_SECONDS = 30.0
"""For one whole listing, however slowly it trickles in."""
_PAGE_SIZE = "1000"  # the most that Google allows
_MOST_PAGES = 20


class _Model(Struct, rename="camel"):
    name: str
    display_name: str = ""
    input_token_limit: int = 0
    output_token_limit: int = 0
    supported_generation_methods: tuple[str, ...] = ()


class _Page(Struct, rename="camel"):
    models: tuple[_Model, ...] = ()
    next_page_token: str = ""


_read_page = msgspec.json.Decoder(_Page, strict=False).decode


def list_models(session: Session) -> list[ListedModel]:
    """Every model that the credential's listing names. Raises UpstreamRefused."""
    listed: list[ListedModel] = []
    deadline = time.monotonic() + _SECONDS
    page_token = ""
    for _ in range(_MOST_PAGES):
        page = _get_page(session, page_token, deadline)
        listed += map(_listed, page.models)
        page_token = page.next_page_token
        if not page_token:
            break
    return listed


def _get_page(session: Session, page_token: str, deadline: float) -> _Page:
    query = {"pageSize": _PAGE_SIZE} | ({"pageToken": page_token} if page_token else {})
    body = session.fetch("GET", "/v1beta/models", deadline=deadline, params=query)
    try:
        return _read_page(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise failed("The answer is not a list of models. Is GOOGLE_GEMINI_BASE_URL right?") from error


def _listed(model: _Model) -> ListedModel:
    return ListedModel(
        name=model.name.removeprefix("models/"),
        display_name=model.display_name,
        input_limit=model.input_token_limit,
        output_limit=model.output_token_limit,
        methods=model.supported_generation_methods,
    )
