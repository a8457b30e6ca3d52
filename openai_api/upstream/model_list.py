"""Asks Google which models a key may see: free of charge, and so the way to find out whether a key is alive."""

import time

import httpx
import msgspec
from django.conf import settings
from msgspec import Struct

from credentials.health import Outcome
from credentials.listing import ListedModel
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.refusals import Refusal, read_refusal

_SECONDS = 30.0
"""For one whole listing, however slowly it trickles in."""
_PAGE_SIZE = "1000"  # the most that Google allows
_MOST_PAGES = 20
_MOST_BYTES = 20 * 1024 * 1024


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


def http_client() -> httpx.Client:
    """The client of listings; threads may share one. It follows no redirect: the key must not travel elsewhere."""
    return httpx.Client(base_url=settings.GOOGLE_GEMINI_BASE_URL, timeout=httpx.Timeout(10.0), follow_redirects=False)


def list_models(client: httpx.Client, secret: str) -> list[ListedModel]:
    """Every model that the key's listing names. Raises UpstreamRefused."""
    listed: list[ListedModel] = []
    deadline = time.monotonic() + _SECONDS
    page_token = ""
    for _ in range(_MOST_PAGES):
        page = _get_page(client, secret, page_token, deadline)
        listed += map(_listed, page.models)
        page_token = page.next_page_token
        if not page_token:
            break
    return listed


def _get_page(client: httpx.Client, secret: str, page_token: str, deadline: float) -> _Page:
    query = {"pageSize": _PAGE_SIZE} | ({"pageToken": page_token} if page_token else {})
    try:
        with client.stream("GET", "/v1beta/models", params=query, headers={"x-goog-api-key": secret}) as response:
            body = _read_bounded(response, deadline)
    except httpx.TimeoutException as error:
        raise _failed("Google did not answer in time.", status=504) from error
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise _failed(f"Google could not be reached: {type(error).__name__}.") from error
    if response.status_code != 200:
        raise UpstreamRefused(read_refusal(response.status_code, body))
    try:
        return _read_page(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _failed("The answer is not a list of models. Is GOOGLE_GEMINI_BASE_URL right?") from error


def _read_bounded(response: httpx.Response, deadline: float) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise _failed("The list of models is too large to be one.")
        if time.monotonic() > deadline:
            raise _failed("The list of models did not arrive in time.", status=504)
    return bytes(body)


def _failed(message: str, *, status: int = 502) -> UpstreamRefused:
    return UpstreamRefused(Refusal(outcome=Outcome.UPSTREAM_FAILED, status=status, message=message))


def _listed(model: _Model) -> ListedModel:
    return ListedModel(
        name=model.name.removeprefix("models/"),
        display_name=model.display_name,
        input_limit=model.input_token_limit,
        output_limit=model.output_token_limit,
        methods=model.supported_generation_methods,
    )
