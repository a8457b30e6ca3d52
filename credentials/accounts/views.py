"""The pages of a login: to Google, and back from there."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from msgspec.structs import replace

from credentials.accounts import login as logins
from credentials.accounts import pending, terms
from credentials.accounts.links import open_link
from credentials.accounts.login_forms import OwnClientForm, PastedForm, QuestionsForm
from credentials.accounts.oauth import OAuthClient
from credentials.accounts.redirects import Callback, read_callback, read_pasted, redirect_for, to_register
from credentials.accounts.wanted import LoginFailed, Wanted, checked, wanted_again
from credentials.models import Credential, GoogleLogin, Kind, Use

View = Callable[[HttpRequest], HttpResponse]


def page_of_a_login(view: View) -> View:
    """What fails becomes a page; no page of a login is kept by anybody, or tells another site its address."""

    @wraps(view)
    def safely(request: HttpRequest) -> HttpResponse:
        try:
            response = view(request)
        except LoginFailed as failure:
            response = _page(request, "failed", "Authentication failed", failure=failure, status=failure.status)
        response["Cache-Control"] = "no-store"
        # Not no-referrer: from such a page browsers would not say either that a form is ours.
        response["Referrer-Policy"] = "same-origin"
        return response

    return safely


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("client_secret")
@page_of_a_login
def login(request: HttpRequest) -> HttpResponse:
    """To Google. Query: `link` (a one-time link), or of an admin: `use`, `kind`, `project`, `label`, or `account` (an id: again).
    `paste`: the address at which Google's login ends will be pasted here; `web`: the account's own client is one for the web."""
    by_link = "link" in request.GET
    if not by_link and not (request.user.is_active and request.user.is_staff):
        return redirect_to_login(request.get_full_path(), reverse("admin:login"))
    wanted = _of_link(request) if by_link else _of_admin(request)
    given = request.POST if request.method == "POST" else None
    questions = QuestionsForm(wanted, given)
    # Whoever holds a link cannot choose by which client this Castor asks.
    own = OwnClientForm(None if by_link else given)
    if (questions.fields and not questions.is_valid()) or (own.is_bound and not own.is_valid()):
        asked: dict[str, Any] = {"form": questions, "wanted": wanted, "terms": terms, "own_client": None if by_link else own}
        asked["callback"] = to_register(request)
        return _page(request, "questions", "Connect a Google account", **asked)
    answers = questions.cleaned_data if questions.fields else {}
    accepted_by = request.user.get_username() if answers.get("terms") else wanted.terms_accepted_by
    wanted = checked(replace(wanted, project=answers.get("project", wanted.project), terms_accepted_by=accepted_by))
    return _to_google(request, wanted, own.client if own.is_bound else None)


@require_http_methods(["GET", "HEAD", "POST"])
@page_of_a_login
def callback(request: HttpRequest) -> HttpResponse:
    """Back from Google: by its redirect, or by an address that was pasted."""
    if request.method == "HEAD":  # Whoever looks ahead shall not use a code up.
        return HttpResponse()
    said = _pasted(request) if request.method == "POST" else read_callback(request.GET)
    try:
        under_way, verifier = pending.take(request.session, said.state)
    finally:
        _save_at_once(request)
    done = logins.complete(under_way, verifier, said)
    return _page(request, "done", "Authentication successful", done=done, use=Use(under_way.wanted.use).label)


def _save_at_once(request: HttpRequest) -> None:
    """Not when the answer leaves: that may take a minute, and other logins of this session may begin meanwhile."""
    if request.session.modified:
        request.session.save()
        request.session.modified = False


def _of_link(request: HttpRequest) -> Wanted:
    wanted = open_link(request.GET["link"])
    if not request.user.is_authenticated:
        request.session.set_expiry(pending.LIFETIME)
    return wanted


def _of_admin(request: HttpRequest) -> Wanted:
    if "account" in request.GET:
        wanted, permission = _again(request.GET["account"]), "change"
    else:
        use = request.GET.get("use", Use.GEMINI_API)
        project = request.GET.get("project", "").strip() or settings.GOOGLE_CLOUD_PROJECT
        kind, label = request.GET.get("kind", Kind.OAUTH), request.GET.get("label", "").strip()[:100]
        wanted, permission = Wanted(use=use, kind=kind, project=project, label=label), "add"
    wanted = checked(wanted)
    model = "geminicli" if wanted.kind == Kind.GEMINI_CLI else "googleaccount"
    if not request.user.has_perm(f"credentials.{permission}_{model}"):
        raise LoginFailed(
            "You have no right to connect Google accounts.", "Ask an admin for it, or for a one-time link.", status=403
        )
    return wanted


def _again(account: str) -> Wanted:
    known = Credential.objects.exclude(login=None).select_related("login").defer("secret")
    found = known.filter(pk=account).first() if account.isdecimal() and len(account) < 19 else None
    if found is None:
        raise LoginFailed("There is no such account.", "It may have been deleted: look at the list of accounts.", status=404)
    return wanted_again(found)


def _to_google(request: HttpRequest, wanted: Wanted, client: OAuthClient | None) -> HttpResponse:
    paste = "paste" in request.GET
    for_desktops = _is_for_desktops(request, wanted, client)
    target = redirect_for(request, paste=paste, own_client=for_desktops)
    url = logins.begin(request.session, wanted, redirect_uri=target.uri, client=client)
    if target.comes_back:
        return redirect(url)
    # Castor does not know what sort of client an account has: there is a way on for the other sort.
    way_back = f"{request.get_full_path()}&web=1" if for_desktops and not paste else ""
    page: dict[str, Any] = {"url": url, "redirect_uri": target.uri, "form": PastedForm(), "way_back": way_back}
    return _page(request, "paste", "Connect a Google account", **page)


def _is_for_desktops(request: HttpRequest, wanted: Wanted, client: OAuthClient | None) -> bool:
    """Whether Google sends whoever logs in by this client to loopback addresses only, as far as anybody knows.

    Nearly all that imports have brought are. Of one that is given now, whoever gives it says so by choosing to paste.
    """
    if client is not None:
        return "paste" in request.GET
    has_own = wanted.account is not None and GoogleLogin.objects.filter(pk=wanted.account).exclude(client_id="").exists()
    return has_own and "web" not in request.GET


def _pasted(request: HttpRequest) -> Callback:
    form = PastedForm(request.POST)
    return read_pasted(form.cleaned_data["address"] if form.is_valid() else "")


def _page(request: HttpRequest, name: str, title: str, *, status: int = 200, **content: Any) -> HttpResponse:
    context = admin.site.each_context(request) | {"title": title} | content
    return TemplateResponse(request, f"credentials/auth/{name}.html", context, status=status)
