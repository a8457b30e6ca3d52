"""One blocking call to Google, for what is rare: checks and set-ups. Requests have a client of their own (`http.py`)."""

import time
from collections.abc import Mapping
from typing import Any

import httpx
from django.conf import settings

from credentials.health import Outcome
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.http import ReadRefusal
from openai_api.upstream.refusals import Refusal, read_refusal

_MOST_BYTES = 20 * 1024 * 1024


def http_client() -> httpx.Client:
    """Threads may share one. It follows no redirect: the key must not travel elsewhere."""
    return httpx.Client(base_url=settings.GOOGLE_GEMINI_BASE_URL, timeout=httpx.Timeout(10.0), follow_redirects=False)


def fetch(
    client: httpx.Client,
    method: str,
    url: str,
    *,
    headers: Mapping[bytes, bytes],
    secret: str,
    deadline: float,
    of_code_assist: bool = False,
    refused: ReadRefusal | None = None,
    who: str = "Google",
    **given: Any,
) -> bytes:
    """The body of a 200, read by `deadline` (of `time.monotonic`) or not at all; `given` as for httpx. Raises UpstreamRefused.

    `secret` is what `headers` prove who asks with: no refusal repeats it. `refused` and `who` are for others than Google.
    """
    try:
        with client.stream(method, url, headers={**headers, b"Content-Type": b"application/json"}, **given) as response:
            body = _read_bounded(response, deadline)
    except httpx.TimeoutException as error:
        raise failed(f"{who} did not answer in time.", status=504) from error
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise failed(f"{who} could not be reached: {type(error).__name__}.") from error
    if response.status_code != 200 and refused is not None:
        raise UpstreamRefused(refused(response.status_code, body, response.headers).concealing(secret))
    if response.status_code != 200:
        raise UpstreamRefused(read_refusal(response.status_code, body, of_code_assist=of_code_assist).concealing(secret))
    return body


def failed(message: str, *, status: int = 502) -> UpstreamRefused:
    """What says nothing about the credential: Google, or the way to it, is at fault."""
    return UpstreamRefused(Refusal(outcome=Outcome.UPSTREAM_FAILED, status=status, message=message))


def _read_bounded(response: httpx.Response, deadline: float) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise failed("The answer is too large to be one.")
        if time.monotonic() > deadline:
            raise failed("The answer did not arrive in time.", status=504)
    return bytes(body)
