"""What an OpenAI-compatible server is asked about one of its keys: its models, which is free, and if that is wanted one token."""

import re
import time
from collections.abc import Iterable
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from credentials.listing import ListedModel
from credentials.models import Credential
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.blocking import failed, fetch
from openai_api.upstream.probe import OF_THE_MODEL, Probe
from openai_api.upstream.server_refusals import read_server_refusal

_SECONDS = 30.0
_MOST_MODELS = 3
_NO_LISTING = frozenset({404, 405, 501})
"""What servers answer that list no models: that is not to say that they have none."""

_NO_CHAT = re.compile(
    r"embed|whisper|tts|transcri|image|dall-e|moderation|rerank|audio|realtime|sora|video|speech|ocr", re.IGNORECASE
)
_CHEAP = re.compile(r"nano|mini|lite|flash|haiku|small|tiny|turbo|\b[1-8]b\b", re.IGNORECASE)


class _Model(Struct):
    id: str
    name: Any = None
    context_length: Any = None
    max_model_len: Any = None
    context_window: Any = None
    max_output_tokens: Any = None


class _Models(Struct):
    data: list[_Model]


_read_models = msgspec.json.Decoder(_Models).decode


class ServerSession(Struct):
    """Blocking calls to a server with one of its keys, if it has any."""

    client: httpx.Client
    base_url: str
    secret: str

    def __repr__(self) -> str:
        return f"<ServerSession {self.base_url}>"

    def fetch(self, method: str, path: str, *, deadline: float, **given: Any) -> bytes:
        headers = {b"Authorization": f"Bearer {self.secret}".encode()} if self.secret else {}
        return fetch(
            self.client,
            method,
            self.base_url + path,
            headers=headers,
            secret=self.secret,
            deadline=deadline,
            refused=read_server_refusal,
            who="The server",
            **given,
        )


def session_of(client: httpx.Client, credential: Credential) -> ServerSession:
    if credential.server is None:
        raise TypeError("Only the key of a server is asked about at a server.")
    return ServerSession(client, credential.server.base_url, credential.secret)


def list_server_models(session: ServerSession) -> list[ListedModel] | None:
    """Every model that it names; None: it lists none to anybody. Raises UpstreamRefused."""
    try:
        body = session.fetch("GET", "/models", deadline=time.monotonic() + _SECONDS)
    except UpstreamRefused as refused:
        if refused.refusal.status in _NO_LISTING:
            return None
        raise
    try:
        return [_listed(model) for model in _read_models(body).data]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise failed("The answer is not a list of models. Is the server's base URL right?") from error


def probe_server(session: ServerSession, listed: Iterable[ListedModel]) -> list[Probe]:
    """Ask those that look cheapest in turn until one tells about the key: the last of the probes."""
    deadline = time.monotonic() + _SECONDS
    probes: list[Probe] = []
    for model in _cheapest_first(listed)[:_MOST_MODELS]:
        probes.append(_ask(session, model, deadline))
        refusal = probes[-1].refusal
        if refusal is None or refusal.outcome not in OF_THE_MODEL:
            break
    return probes


def _cheapest_first(listed: Iterable[ListedModel]) -> list[str]:
    """Their prices are not known here: names such as mini tell something of them."""
    names = [model.name for model in listed if not _NO_CHAT.search(model.name)]
    return sorted(names, key=lambda name: (_CHEAP.search(name) is None, len(name), name))


def _ask(session: ServerSession, model: str, deadline: float) -> Probe:
    asked = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    try:
        session.fetch("POST", "/chat/completions", deadline=deadline, content=msgspec.json.encode(asked))
    except UpstreamRefused as refused:
        return Probe(model, refused.refusal)
    return Probe(model)


def _listed(model: _Model) -> ListedModel:
    return ListedModel(
        name=model.id,
        display_name=model.name if isinstance(model.name, str) else "",
        input_limit=_tokens(model.context_length, model.max_model_len, model.context_window),
        output_limit=_tokens(model.max_output_tokens),
    )


def _tokens(*named: Any) -> int:
    return next((value for value in named if isinstance(value, int) and value > 0), 0)
