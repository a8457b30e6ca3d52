"""Finds out whether credentials are alive, and which models they serve.

The first question is free: the list of models, or for Code Assist what is left of each model's quota. It does not tell whether
they may be used, so a credential that is believed dead, and any other where somebody wants to know, is asked for one token too.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

import httpx
from django.db import IntegrityError, connections
from django.db.models import prefetch_related_objects
from django.utils.timezone import now
from msgspec import Struct

from credentials import store
from credentials.health import Outcome
from credentials.learning import Learned, Unknown
from credentials.listing import store_listing
from credentials.models import Credential, PoolVersion, Server
from credentials.runs import Verdict, verdict_of
from openai_api.account_records import keep_account, rest_by
from openai_api.questions import Findings, Question, ask
from openai_api.upstream.blocking import http_client
from openai_api.upstream.probe import Probe
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
    link: str = ""
    """The page of Google's where a person can put it right."""


def check_credentials(credentials: Iterable[Credential], *, generates: bool = False) -> Iterator[Check]:
    """Check credentials, several at a time, and write down what each check found; yields them as they are done.

    One that has been deleted meanwhile is left out.
    """
    credentials = list(credentials)
    prefetch_related_objects(credentials, "server")
    question = Question(generates=generates)
    with http_client() as client, ThreadPoolExecutor(_AT_ONCE) as threads:
        for start in range(0, len(credentials), _SLICE):
            # Threads only talk to Google, and keep access tokens: what was found is written here, by one at a time.
            asked = {
                threads.submit(_ask, client, credential, question): credential
                for credential in credentials[start : start + _SLICE]
            }
            for answer in as_completed(asked):
                if (check := _write_down(asked[answer], answer.result())) is not None:
                    yield check


def check_one(credential: Credential, question: Question) -> Check | None:
    """Check one credential at once; None if it has been deleted meanwhile."""
    with http_client() as client:
        return _write_down(credential, ask(client, credential, question))


def _ask(client: httpx.Client, credential: Credential, question: Question) -> Findings:
    try:
        return ask(client, credential, question)
    finally:
        connections.close_all()  # Of this thread: whoever reads an access token has opened one.


def _write_down(credential: Credential, found: Findings) -> Check | None:
    if credential.server is not None:
        _note_reachability(credential.server, found.refusal)
    if found.account is not None:
        keep_account(credential, found.account, found.quota, chosen=found.chosen)
    if found.refusal is not None:
        _write_refusal(credential, found.refusal)
        return Check(credential, found.refusal.outcome, found.refusal.message, link=found.refusal.link)
    at, models = now(), len(found.listed or ())
    try:
        if found.listed is not None:
            store_listing(credential.pk, found.listed, at=at)
    except IntegrityError:
        return None
    rest_by(credential.pk, found.quota or (), at=at)
    if found.probes is None:
        # Not enough to revive anything: a request may have found out in this very moment that the list is all it gives.
        Credential.objects.filter(pk=credential.pk).update(checked_at=at)
        return Check(credential, Outcome.SERVED, models=models)
    *others, last = found.probes or [Probe("")]
    for tried in others:
        if tried.refusal is not None:
            _write_refusal(credential, tried.refusal, tried.model)
    outcome = _write_probe(credential, last)
    said = last.refusal or _NOTHING_SAID
    return Check(credential, outcome, said.message, models=models, asked=last.model, link=said.link)


def _note_reachability(server: Server, refusal: Refusal | None) -> None:
    """A server that cannot be reached is not offered, however often it has listed its models before."""
    is_down = refusal is not None and refusal.outcome is Outcome.UPSTREAM_FAILED
    noted = Server.objects.filter(pk=server.pk, unreachable_since__isnull=is_down)
    if noted.update(unreachable_since=now() if is_down else None):
        PoolVersion.bump()


_NOTHING_SAID = Refusal(outcome=Outcome.SERVED, status=200, message="")


def _write_probe(credential: Credential, tried: Probe) -> Outcome:
    """Write down what the last probe says about the credential; returns that."""
    refusal = tried.refusal
    if refusal is None:
        store.record_check(credential.pk, Outcome.SERVED)
        if tried.model:
            Credential.objects.filter(pk=credential.pk).update(failures=0)
        return Outcome.SERVED
    if _is_half_alive(credential, refusal):
        _learn(credential, refusal, tried.model)
        store.record_check(credential.pk, Outcome.HALF_ALIVE, detail=refusal.message)
        return Outcome.HALF_ALIVE
    if verdict_of(refusal.outcome) is Verdict.ALIVE:
        store.record_check(credential.pk, Outcome.SERVED)
    _write_refusal(credential, refusal, tried.model)
    return refusal.outcome


_NOT_ITS_FAULT = frozenset({Outcome.MODEL_ABSENT, Outcome.REQUEST_REFUSED, Outcome.GATEWAY_REFUSED})


def _is_half_alive(credential: Credential, refusal: Refusal) -> bool:
    """Whether a refusal to generate, after a listing that worked, tells that the key may only look.

    Of an account Google says more exactly what is wrong: it is to be verified, say, or its licence has ended.
    """
    if credential.email and verdict_of(refusal.outcome) is Verdict.DEAD:
        return False
    forbidden = refusal.status in (401, 403) and refusal.outcome not in _NOT_ITS_FAULT
    return forbidden or verdict_of(refusal.outcome) in (Verdict.DEAD, Verdict.HALF_ALIVE)


def _write_refusal(credential: Credential, refusal: Refusal, model: str = "") -> None:
    _learn(credential, refusal, model)
    store.record_check(credential.pk, refusal.outcome, detail=refusal.message, asked_for=refusal.retry_after, model=model)


def _learn(credential: Credential, refusal: Refusal, model: str) -> None:
    """What a refusal says beside the credential's health."""
    learned = Learned()
    if refusal.project and not credential.email:  # Of an account it is known, or there is none: Google names the client's.
        learned.projects[credential.pk] = refusal.project
    if refusal.unknown:
        learned.keep_unknown(Unknown(credential.pk, model, refusal.status, refusal.unknown, now().timestamp()))
    store.save(learned)
