"""Finds out whether credentials are alive, and which models they serve.

The first question is free: the list of models. It does not tell whether they may be used, so a credential that is believed
dead, and any other where somebody wants to know, is asked for one token as well.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

import httpx
from django.db import IntegrityError
from django.utils.timezone import now
from msgspec import Struct

from credentials import store
from credentials.health import Outcome, State
from credentials.learning import Learned, Unknown
from credentials.listing import ListedModel, store_listing
from credentials.models import Credential
from credentials.runs import Verdict, verdict_of
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.blocking import http_client
from openai_api.upstream.model_list import list_models
from openai_api.upstream.probe import Probe, probe
from openai_api.upstream.refusals import Refusal

_AT_ONCE = 8
_SLICE = 100
"""So many listings, at most, wait in memory to be written down."""


class Check(Struct, frozen=True):
    """What one check found. `models`: how many the credential lists; `asked`: the one that was asked for a token, if any."""

    credential: Credential
    outcome: Outcome
    detail: str = ""
    models: int = 0
    asked: str = ""


class _Findings(Struct, frozen=True):
    """What Google said: its refusal to list models, or the list and what came of asking for a token."""

    listed: list[ListedModel] = []
    refusal: Refusal | None = None
    probes: list[Probe] | None = None
    """None: no token was to be asked for."""


def check_credentials(credentials: Iterable[Credential], *, generates: bool = False) -> Iterator[Check]:
    """Check credentials, several at a time, and write down what each check found; yields them as they are done.

    One that has been deleted meanwhile is left out.
    """
    credentials = list(credentials)
    with http_client() as client, ThreadPoolExecutor(_AT_ONCE) as threads:
        for start in range(0, len(credentials), _SLICE):
            # Threads only talk to Google: the database is written here, by one at a time.
            asked = {
                threads.submit(_ask, client, credential, generates=generates): credential
                for credential in credentials[start : start + _SLICE]
            }
            for answer in as_completed(asked):
                if (check := _write_down(asked[answer], answer.result())) is not None:
                    yield check


def _ask(client: httpx.Client, credential: Credential, *, generates: bool) -> _Findings:
    try:
        listed = list_models(client, credential.secret)
    except UpstreamRefused as refused:
        return _Findings(refusal=refused.refusal)
    if not generates and credential.state != State.INVALID:
        return _Findings(listed)
    return _Findings(listed, probes=probe(client, credential.secret, listed))


def _write_down(credential: Credential, found: _Findings) -> Check | None:
    if found.refusal is not None:
        _write_refusal(credential, found.refusal)
        return Check(credential, found.refusal.outcome, found.refusal.message)
    at = now()
    try:
        store_listing(credential.pk, found.listed, at=at)
    except IntegrityError:
        return None
    if found.probes is None:
        # Not enough to revive anything: a request may have found out in this very moment that the list is all it gives.
        Credential.objects.filter(pk=credential.pk).update(checked_at=at)
        return Check(credential, Outcome.SERVED, models=len(found.listed))
    *others, last = found.probes or [Probe("")]
    for tried in others:
        if tried.refusal is not None:
            _write_refusal(credential, tried.refusal, tried.model)
    outcome, detail = _write_probe(credential, last)
    return Check(credential, outcome, detail, models=len(found.listed), asked=last.model)


def _write_probe(credential: Credential, tried: Probe) -> tuple[Outcome, str]:
    """Write down what the last probe says about the credential; returns that, and Google's words."""
    refusal = tried.refusal
    if refusal is None:
        store.record_check(credential.pk, Outcome.SERVED)
        if tried.model:
            Credential.objects.filter(pk=credential.pk).update(failures=0)
        return Outcome.SERVED, ""
    if _is_half_alive(refusal):
        _learn(credential, refusal, tried.model)
        store.record_check(credential.pk, Outcome.HALF_ALIVE, detail=refusal.message)
        return Outcome.HALF_ALIVE, refusal.message
    if verdict_of(refusal.outcome) is Verdict.ALIVE:
        store.record_check(credential.pk, Outcome.SERVED)
    _write_refusal(credential, refusal, tried.model)
    return refusal.outcome, refusal.message


_NOT_ITS_FAULT = frozenset({Outcome.MODEL_ABSENT, Outcome.REQUEST_REFUSED, Outcome.GATEWAY_REFUSED})


def _is_half_alive(refusal: Refusal) -> bool:
    """Whether a refusal to generate, after a listing that worked, tells that the key may only look."""
    forbidden = refusal.status in (401, 403) and refusal.outcome not in _NOT_ITS_FAULT
    return forbidden or verdict_of(refusal.outcome) in (Verdict.DEAD, Verdict.HALF_ALIVE)


def _write_refusal(credential: Credential, refusal: Refusal, model: str = "") -> None:
    _learn(credential, refusal, model)
    store.record_check(credential.pk, refusal.outcome, detail=refusal.message, asked_for=refusal.retry_after, model=model)


def _learn(credential: Credential, refusal: Refusal, model: str) -> None:
    """What a refusal says beside the credential's health."""
    learned = Learned()
    if refusal.project:
        learned.projects[credential.pk] = refusal.project
    if refusal.unknown:
        learned.keep_unknown(Unknown(credential.pk, model, refusal.status, refusal.unknown, now().timestamp()))
    store.save(learned)
