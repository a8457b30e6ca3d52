"""Files that are deleted in the background."""

from datetime import timedelta

import httpx
import pytest
from django.contrib.admin.sites import site
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.contrib.messages.storage.fallback import FallbackStorage
from django.test import RequestFactory
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from credentials.models import ApiKey
from openai_api import tasks
from openai_api.models import UploadedFile

pytestmark = pytest.mark.django_db


@pytest.fixture
def at_google(google, settings):
    settings.GOOGLE_GEMINI_BASE_URL = google.url
    return google


@pytest.fixture
def file_of(at_google, owner):
    def file_of(number: int, *, expires=timedelta(hours=-1), credential=None, **fields) -> UploadedFile:
        """A file that `test-key-1` has sent."""
        head = {"X-Goog-Upload-Protocol": "resumable", "X-Goog-Upload-Command": "start", "x-goog-api-key": "test-key-1"}
        head["X-Goog-Upload-Header-Content-Length"] = "2"
        url = httpx.post(f"{at_google.url}/upload/v1beta/files", json={}, headers=head).headers["x-goog-upload-url"]
        sending = {"X-Goog-Upload-Offset": "0", "X-Goog-Upload-Command": "upload, finalize"}
        name = httpx.post(url, content=b"ok", headers=sending).json()["file"]["name"]
        fields.setdefault("kept_until", now() + timedelta(hours=47))
        return UploadedFile.objects.create(
            id=f"file-{number}", owner=owner, credential=credential, google_name=name, bytes=2, filename="a.txt",
            created_at=now(), expires_at=now() + expires, **fields,
        )  # fmt: skip

    return file_of


@pytest.fixture
def key() -> ApiKey:
    return ApiKey.objects.create(secret="test-key-1")


def left(google) -> tuple[int, int]:
    """(here, at Google)"""
    return UploadedFile.objects.count(), len(list(google.files))


def test_what_has_expired_by_its_owners_wish_is_deleted_at_google_too(at_google, file_of, key):
    file_of(1, credential=key)
    file_of(2, credential=key, expires=timedelta(hours=1))
    tasks.forget_expired_files()
    assert left(at_google) == (1, 1)
    tasks.forget_expired_files()
    assert [call.method for call in at_google.log].count("deleteFile") == 1


def test_of_what_google_has_forgotten_by_itself_it_is_told_nothing(at_google, file_of, key):
    file_of(1, credential=key, kept_until=now())
    tasks.forget_expired_files()
    assert UploadedFile.objects.count() == 0
    assert "deleteFile" not in [call.method for call in at_google.log]


def test_where_the_key_is_gone_another_of_its_project_deletes(at_google, file_of):
    at_google.keys["another"] = "project-1"
    ApiKey.objects.create(secret="another", project="p")
    file_of(1, project="p")
    tasks.forget_expired_files()
    assert left(at_google) == (0, 0)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_file_that_nobody_can_delete_at_google_is_forgotten_here(at_google, file_of, key, enabled):
    ApiKey.objects.filter(pk=key.pk).update(enabled=enabled)
    at_google.script(method="deleteFile", error="leaked", times=None)
    file_of(1, credential=key)
    tasks.forget_expired_files()
    assert left(at_google) == (0, 1)


@pytest.fixture
def request_of_admin():
    request = RequestFactory().post("/")
    request.user = User.objects.create_superuser("root")
    request.session = {}
    request._messages = FallbackStorage(request)
    return request


def test_an_admin_has_files_deleted_here_and_at_google(at_google, file_of, key, request_of_admin, monkeypatch):
    monkeypatch.setattr(tasks, "delete_files_soon", tasks.delete_several_files)
    file_of(1, credential=key, expires=timedelta(hours=1))
    file_of(2, credential=key, expires=timedelta(hours=1))
    page = site.get_model_admin(UploadedFile)
    page.delete_files(request_of_admin, UploadedFile.objects.filter(pk="file-1"))
    assert left(at_google) == (1, 1)
    assert "1 file is being deleted" in str(next(iter(get_messages(request_of_admin))))


def test_an_admin_is_told_when_the_queue_cannot_be_reached(file_of, request_of_admin, monkeypatch):
    def down(ids):
        raise OperationalError

    monkeypatch.setattr(tasks, "delete_files_soon", down)
    file_of(1)
    site.get_model_admin(UploadedFile).delete_files(request_of_admin, UploadedFile.objects.all())
    assert "cannot be reached" in str(next(iter(get_messages(request_of_admin))))


def test_the_wish_is_queued(monkeypatch):
    queued = []
    monkeypatch.setattr(tasks.delete_several_files, "apply_async", lambda args, **options: queued.append(args))
    tasks.delete_files_soon(["file-1"])
    assert queued == [(["file-1"],)]
