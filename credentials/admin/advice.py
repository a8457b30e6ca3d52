"""What a person can do about an account that does not serve, told on its page."""

import re
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.urls import reverse
from msgspec import Struct

from credentials.accounts import gemini_cli, terms
from credentials.health import Reason, State
from credentials.models import Credential, GoogleLogin, Kind, Use

APIS = {
    Use.CODE_ASSIST: ("Gemini for Google Cloud API", "cloudaicompanion.googleapis.com"),
    Use.GEMINI_API: ("Generative Language API", "generativelanguage.googleapis.com"),
}
"""What must be enabled in a project for each use: its name and its service."""
_NAMED_SERVICES = {service: name for name, service in APIS.values()} | {"cloudcode-pa.googleapis.com": "Cloud Code Private API"}
_LINK = re.compile(r"https://[^\s<>\"'`\\^{|}\u2026]+")


class Advice(Struct, frozen=True):
    """`link` leads away from here, `button` to a page of ours; each is (address, text), or empty."""

    title: str
    text: str
    link: tuple[str, str] | tuple[()] = ()
    button: tuple[str, str] | tuple[()] = ()


def login_of(credential: Credential) -> GoogleLogin | None:
    """None: it is used with a key."""
    return getattr(credential, "login", None)


def login_again(credential: Credential) -> str:
    return f"{reverse('auth:login')}?{urlencode({'account': credential.pk})}"


def safe_link(text: str) -> str:
    """The first https address in what Google said; empty where there is none that a person should follow."""
    for found in _LINK.findall(text):
        address = found.rstrip(".,;:!?)]")
        try:
            parts = urlsplit(address)
        except ValueError:  # Such as brackets that hold no address.
            continue
        # A name before an @ would make another host look like Google's.
        if parts.hostname and "@" not in parts.netloc:
            return address
    return ""


def advice_for(credential: Credential) -> list[Advice]:
    """What stands in the way of the account, the gravest first; of Google's reasons there is one."""
    advice = [_about_reason(credential)] if credential.state == State.INVALID else []
    if credential.lacks_terms:
        advice.append(Advice("Google's terms have not been acknowledged", terms.MISSING))
    if credential.kind == Kind.GEMINI_CLI and not gemini_cli.installed():
        advice.append(Advice("It cannot be used here", gemini_cli.NOT_INSTALLED))
    login = login_of(credential)
    if login is not None and not login.client_id and not settings.GOOGLE_OAUTH_CLIENT_ID:
        text = "Set GOOGLE_OAUTH_CLIENT_ID and GOOGLE_OAUTH_CLIENT_SECRET, or give this account a client of its own below."
        advice.append(Advice("There is no OAuth client to renew its login with", text))
    if login is not None and login.operation:
        text = "It takes up to a few minutes, and goes on by itself with the next check."
        advice.append(Advice("Google is setting it up for Code Assist", text))
    return [one for one in advice if one is not None]


def _about_reason(credential: Credential) -> Advice | None:
    link = safe_link(credential.detail)
    match credential.reason:
        case Reason.VALIDATION_REQUIRED:
            text = f"Open the link in a browser that is signed in as {_who(credential)}, do what Google asks, then check it here."
            return Advice("Google wants this account to be verified", text, _named(link) if link else ())
        case Reason.LOGIN_ENDED | Reason.KEY_REJECTED if credential.email:
            text = "Its history, its place in the pool and all that is set here stay as they are."
            return Advice("Its login has ended", text, button=(login_again(credential), "Log in again"))
        case Reason.API_DISABLED:
            return _about_api(credential, link)
        case Reason.PROJECT_MISSING:
            text = "Set the Google project below: the id of one in which this account may use the service. Then it is checked."
            return Advice("It needs a Google Cloud project", text)
        case Reason.SUSPENDED:
            text = "Castor can do nothing about it, and does not try again. If Google names a page, an appeal can be made there."
            return Advice("Google has shut it out for a violation of its terms", text, _named(link) if link else ())
        case Reason.UNSUPPORTED_CLIENT:
            text = (
                "Code Assist serves licences for Standard and Enterprise only. With such a licence, set its Google project below "
                "and check it. Without one, connect the account for the Gemini API instead, or use an API key."
            )
            return Advice("Google no longer serves this kind of account", text)
        case Reason.NOT_PERMITTED | Reason.PROJECT_DENIED:
            text = (
                "Whoever looks after the Google project must give the account a licence or a role that includes the service. If "
                "the project below is the wrong one, set the right one."
            )
            return Advice("Google does not permit it", text, _named(link) if link else ())
    return None


def _about_api(credential: Credential, link: str) -> Advice:
    service = next((service for service in _NAMED_SERVICES if service in credential.detail), "")
    service = service or APIS[Use(credential.use)][1]
    name = _NAMED_SERVICES[service]
    link = link or f"https://console.cloud.google.com/apis/library/{service}{_of_project(credential)}"
    text = f"Enable {service} in the Google project, or set another project below. It works some minutes later: then check it."
    return Advice(f"{name} is not enabled in its project", text, (link, f"Enable {name}"))


def _of_project(credential: Credential) -> str:
    project = project_of(credential)
    return f"?{urlencode({'project': project})}" if project else ""


def project_of(credential: Credential) -> str:
    """The project that is named when the account is used. Code Assist's is the login's: there quota is the account's own."""
    login = login_of(credential)
    return login.project if login is not None and credential.use == Use.CODE_ASSIST else credential.project


def _named(link: str) -> tuple[str, str]:
    return link, f"Open {urlsplit(link).hostname}"


def _who(credential: Credential) -> str:
    return credential.email or "the account's owner"
