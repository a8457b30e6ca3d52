"""One-time links: whoever holds one may log in one Google account without being an admin."""

import secrets
from datetime import timedelta

from django.utils.timezone import now

from credentials.accounts.wanted import LoginFailed, Wanted
from credentials.crypto import token_digest
from credentials.models import LoginLink

LIFETIME = timedelta(minutes=30)

_ASK_FOR_ANOTHER = "Ask whoever gave it to you for another one."


def new_link(wanted: Wanted, *, made_by: str) -> str:
    """The plain text of a link that is good for one login; the database keeps its digest alone."""
    plain = secrets.token_urlsafe(32)
    LoginLink.objects.filter(expires_at__lt=now() - timedelta(days=1)).delete()
    LoginLink.objects.create(
        digest=token_digest(plain),
        kind=wanted.kind,
        use=wanted.use,
        project=wanted.project,
        label=wanted.label,
        terms_accepted_by=wanted.terms_accepted_by,
        made_by=made_by[:150],
        expires_at=now() + LIFETIME,
    )
    return plain


def open_link(plain: str) -> Wanted:
    """What a link may be used for. Raises LoginFailed.

    Guesses are not counted: of 2²⁵⁶ links nobody guesses one, and behind a proxy, where all peers are one, whoever guesses
    could keep everybody else from theirs.
    """
    link = LoginLink.objects.filter(digest=token_digest(plain)).first()
    if link is None:
        raise LoginFailed("There is no such link.", f"Copy the whole link, to its last letter. {_ASK_FOR_ANOTHER}", status=403)
    if link.used_at:
        raise LoginFailed("Somebody has logged in with this link already.", _ASK_FOR_ANOTHER, status=403)
    if link.expires_at <= now():
        raise LoginFailed("This link is too old.", _ASK_FOR_ANOTHER, status=403)
    return Wanted(
        use=link.use,
        kind=link.kind,
        project=link.project,
        label=link.label,
        terms_accepted_by=link.terms_accepted_by,
        link=link.pk,
    )


def use_up(link: int) -> None:
    """Take the one login that a link is good for. Raises LoginFailed if somebody else has."""
    # One row updated means that nobody got there before us. Whether it is too old was asked when the login began.
    if not LoginLink.objects.filter(pk=link, used_at=None).update(used_at=now()):
        raise LoginFailed("Somebody has logged in with this link already.", _ASK_FOR_ANOTHER, status=403)
