"""What Google is asked about one credential, which depends on what it is: nothing is written down here but tokens and set-ups."""

import time
from collections.abc import Callable, Iterable
from functools import partial

import httpx
from django.conf import settings
from django.db.models import QuerySet
from msgspec import Struct

from credentials.accounts import terms
from credentials.health import Outcome, State
from credentials.listing import ListedModel
from credentials.models import Credential, GoogleLogin, Use
from credentials.runs import Verdict, verdict_of
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.code_assist_calls import CodeAssistCalls, Quota, generate
from openai_api.upstream.code_assist_setup import EVERY, Account, SetUp, project_missing
from openai_api.upstream.model_list import list_models
from openai_api.upstream.probe import Probe, probe
from openai_api.upstream.refusals import Refusal
from openai_api.upstream.server_checks import ServerSession, list_server_models, probe_server, session_of
from openai_api.upstream.sessions import KeySession, LoginSession

_METHODS = ("generateContent", "countTokens")
_LIKELY = [ListedModel(name, methods=_METHODS) for name in ("gemini-2.5-flash", "gemini-3.5-flash", "gemini-2.5-pro")]
"""Whom to ask for a token where Code Assist names no model."""


class Findings(Struct, frozen=True):
    """What Google said."""

    listed: list[ListedModel] | None = None
    """None: it names no models, which is not to say that it serves none."""
    refusal: Refusal | None = None
    """Why nothing more was found."""
    probes: list[Probe] | None = None
    """What came of asking for a token; None: none was to be asked for."""
    account: Account | None = None
    """What an account is set up with."""
    chosen: str = ""
    """The project of its login as Google was asked: an admin may have set another one meanwhile."""
    quota: list[Quota] | None = None
    """None: Code Assist did not say."""


class Question(Struct, frozen=True):
    generates: bool = False
    """Whether one token is asked for as well. One that is believed dead is asked for it in any case."""
    patience: float = 20.0
    """Seconds to wait for Code Assist to take in an account that is new to it."""
    wait: Callable[[float], None] = time.sleep


def ask(client: httpx.Client, credential: Credential, question: Question) -> Findings:
    try:
        if credential.server is not None:
            return _ask_server(session_of(client, credential), credential, question)
        if not credential.email:
            return _ask_gemini_api(KeySession(client, credential.secret), credential, question)
        if credential.use == Use.CODE_ASSIST:
            return _ask_code_assist(client, credential, question)
        project = credential.project or settings.GOOGLE_CLOUD_PROJECT
        if not project:
            raise project_missing("The Gemini API is used with an account in the name of a Google Cloud project: it has none.")
        session = LoginSession(client, credential.pk, billed=project)
        return _ask_gemini_api(session, credential, question, Account(project=project))
    except UpstreamRefused as refused:
        return Findings(refusal=refused.refusal)


def _ask_gemini_api(
    session: KeySession | LoginSession, credential: Credential, question: Question, account: Account | None = None
) -> Findings:
    listed = list_models(session)
    probes = probe(session, listed) if _is_to_generate(credential, question) else None
    return Findings(listed, probes=probes, account=account)


def _ask_server(session: ServerSession, credential: Credential, question: Question) -> Findings:
    listed = list_server_models(session)
    probes = probe_server(session, listed or ()) if _is_to_generate(credential, question) else None
    return Findings(listed, probes=probes)


def _ask_code_assist(client: httpx.Client, credential: Credential, question: Question) -> Findings:
    if credential.lacks_terms:
        raise UpstreamRefused(Refusal(outcome=Outcome.GATEWAY_REFUSED, status=403, message=terms.MISSING))
    session = LoginSession(client, credential.pk, code_assist=True)
    calls = CodeAssistCalls(session)
    login = GoogleLogin.objects.filter(pk=credential.pk)
    chosen, operation = login.values_list("project", "operation").first() or ("", "")
    account = _set_up(calls, login, chosen, operation, question)
    try:
        quota = _quota(calls, account.project)
    except UpstreamRefused as refused:
        return Findings(refusal=refused.refusal, account=account, chosen=chosen)
    listed = [ListedModel(left.model, methods=_METHODS) for left in quota or ()]
    probes = None
    if _is_to_generate(credential, question):
        probes = probe(session, _worth_asking(listed, quota or ()), partial(generate, project=account.project))
    return Findings(listed or None, probes=probes, account=account, chosen=chosen, quota=quota)


def _set_up(calls: CodeAssistCalls, login: QuerySet[GoogleLogin], project: str, operation: str, question: Question) -> Account:
    def remember(name: str) -> None:
        login.update(operation=name)

    set_up = SetUp(
        calls=calls,
        project=project or settings.GOOGLE_CLOUD_PROJECT,
        remember=remember,
        wait=question.wait,
        looks=int(question.patience // EVERY),
    )
    return set_up.run(operation)


def _quota(calls: CodeAssistCalls, project: str) -> list[Quota] | None:
    """None where it cannot be had just now: that alone takes nothing from an account."""
    try:
        return calls.quota(project)
    except UpstreamRefused as refused:
        if verdict_of(refused.refusal.outcome) is Verdict.DEAD:
            raise
        return None


def _worth_asking(listed: list[ListedModel], quota: Iterable[Quota]) -> list[ListedModel]:
    """A model whose quota is used up tells the least."""
    spent = {left.model for left in quota if left.is_used_up}
    return [model for model in listed if model.name not in spent] or listed or _LIKELY


def _is_to_generate(credential: Credential, question: Question) -> bool:
    return question.generates or credential.state == State.INVALID
