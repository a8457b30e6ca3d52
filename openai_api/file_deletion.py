"""Deletes files in the background, at Google and here: those whose time is over, and those that an admin wants gone."""

import time
from collections.abc import Iterable

import httpx
import structlog
from django.conf import settings
from django.db.models import Q
from django.utils.timezone import now

from credentials.models import Credential, Kind, Use
from openai_api.models import UploadedFile
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.blocking import http_client
from openai_api.upstream.sessions import KeySession, LoginSession

SECONDS = 20.0
_AT_ONCE = 200

log = structlog.get_logger("castor.files")


def delete_files(file_ids: Iterable[str]) -> int:
    """Returns how many are gone here. What Google cannot be told it forgets by itself, 48 hours after the upload."""
    gone = 0
    with http_client() as client:
        for row in UploadedFile.objects.filter(pk__in=list(file_ids)).select_related("credential"):
            if row.kept_until > now():
                _delete_at_google(client, row)
            gone += UploadedFile.objects.filter(pk=row.pk).delete()[0]
    return gone


def delete_expired() -> int:
    due = UploadedFile.objects.filter(expires_at__lte=now()).order_by("expires_at").values_list("pk", flat=True)
    return delete_files(due[:_AT_ONCE])


def _delete_at_google(client: httpx.Client, row: UploadedFile) -> None:
    for credential in _keepers(row):
        try:
            _session(client, credential, row).fetch("DELETE", f"/v1beta/{row.google_name}", deadline=time.monotonic() + SECONDS)
        except UpstreamRefused as refused:
            log.info("Google did not delete a file.", file=row.pk, cause=refused.refusal.message)
        else:
            return


def _keepers(row: UploadedFile) -> Iterable[Credential]:
    """Those that may: the one that sent the file, and one more of its project."""
    serving = Credential.objects.enabled().filter(Q(kind=Kind.API_KEY) | Q(kind=Kind.OAUTH, use=Use.GEMINI_API))
    same_project = Q(project=row.project) if row.project else Q(pk=None)
    mine = serving.filter(Q(pk=row.credential_id) | same_project)
    return sorted(mine, key=lambda credential: (credential.pk != row.credential_id, credential.pk))[:2]


def _session(client: httpx.Client, credential: Credential, row: UploadedFile) -> KeySession | LoginSession:
    if not credential.email:
        return KeySession(client, credential.secret)
    return LoginSession(client, credential.pk, billed=row.project or credential.project or settings.GOOGLE_CLOUD_PROJECT)
