"""Finds out whether credentials are alive, and which models they serve. Costs nothing: it only asks for the list of models."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
from django.utils.timezone import now
from msgspec import Struct

from credentials.crypto import conceal, redact
from credentials.health import Outcome
from credentials.listing import ListedModel, store_listing
from credentials.models import Credential
from credentials.store import record_check
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.model_list import http_client, list_models

_AT_ONCE = 8


class Check(Struct, frozen=True):
    """What one check found. `models`: how many the credential lists."""

    credential: Credential
    outcome: Outcome
    detail: str = ""
    models: int = 0


def check_credentials(credentials: Iterable[Credential]) -> Iterator[Check]:
    """Check credentials, several at a time, and write down what each check found; yields them in the order given."""
    credentials = list(credentials)
    with http_client() as client, ThreadPoolExecutor(_AT_ONCE) as threads:
        # Threads only talk to Google: the database is written here, by one at a time.
        answers = threads.map(lambda credential: _ask(client, credential.secret), credentials)
        for credential, answer in zip(credentials, answers, strict=True):
            yield _write_down(credential, answer)


def _ask(client: httpx.Client, secret: str) -> list[ListedModel] | UpstreamRefused:
    try:
        return list_models(client, secret)
    except UpstreamRefused as refused:
        return refused


def _write_down(credential: Credential, answer: list[ListedModel] | UpstreamRefused) -> Check:
    if isinstance(answer, UpstreamRefused):
        refusal = answer.refusal
        detail = conceal(redact(refusal.message), credential.secret)
        record_check(credential.pk, refusal.outcome, detail=detail, asked_for=refusal.retry_after)
        return Check(credential, refusal.outcome, detail)
    store_listing(credential.pk, answer, at=now())
    record_check(credential.pk, Outcome.SERVED)
    return Check(credential, Outcome.SERVED, models=len(answer))
