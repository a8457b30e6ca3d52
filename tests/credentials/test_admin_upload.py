"""Files uploaded in the admin: several at once, keys and Google logins, a dry run first, and a report on each file."""

import io
import json
import zipfile

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile

from credentials import forms
from credentials.models import ApiKey, Credential, GoogleAccount, Use
from tests.credentials.pages import CANARY, PASTE

pytestmark = pytest.mark.django_db
REFRESH = "1//CANARY-refresh-0123456789"


@pytest.fixture(autouse=True)
def oauth_client(settings):
    settings.GOOGLE_OAUTH_CLIENT_ID, settings.GOOGLE_OAUTH_CLIENT_SECRET = "castor-test-client", "castor-test-secret"


def file(name: str, content: str | bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)


def login(email: str) -> str:
    """As the Gemini CLI and its like keep one, but with the address beside it, so that nobody need be asked."""
    return json.dumps({"refresh_token": f"{REFRESH}-{email}", "email": email, "expiry_date": 1, "project_id": "file-project"})


def zipped(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.json", content)
    return packed.getvalue()


def upload(admin, *files: SimpleUploadedFile, **given):
    return admin.post(PASTE, {"keys": "", "priority": "0", "uploads": list(files), "import": "1"} | given)


def dry_run(admin, *files: SimpleUploadedFile):
    return admin.post(PASTE, {"keys": "", "priority": "0", "uploads": list(files), "dry_run": "1"})


def test_several_files_are_read_and_each_has_a_line_of_its_own(admin, checked):
    files = [
        file("keys.txt", f"{CANARY}\nshort"),
        file("a.json", login("ada@example.com")),
        file("more.zip", zipped(b=login("cy@example.com"), c=login("ada@example.com"))),
        file("broken.json", "{"),
    ]
    shown = dry_run(admin, *files)
    assert shown.context["files"]["headers"] == ["file", "new", "updates", "duplicate", "malformed"]
    assert shown.context["files"]["rows"] == [
        ["keys.txt", 1, 0, 0, 1],
        ["a.json", 1, 0, 0, 0],
        ["more.zip", 1, 0, 1, 0],
        ["broken.json", 0, 0, 0, 1],
    ]
    assert "CANARY" not in shown.content.decode()
    assert not Credential.objects.exists()


def test_a_file_whose_name_begins_like_another_s_is_counted_for_itself(admin, checked):
    shown = dry_run(admin, file("a", CANARY), file("a.txt", "AQ.another-0123456789\nAQ.a-third-0123456789"))
    assert [row[:2] for row in shown.context["files"]["rows"]] == [["a", 1], ["a.txt", 2]]


def test_keys_and_logins_are_taken_in_together_and_checked(admin, checked):
    page = upload(admin, file("k.txt", CANARY), file("a.json", login("ada@example.com")), use="gemini_api", priority="3")
    ada = GoogleAccount.objects.get()
    assert "2 added" in page.content.decode()
    assert (ada.email, ada.use, ada.priority, ada.project, ada.enabled) == (
        "ada@example.com",
        Use.GEMINI_API,
        3,
        "file-project",
        True,
    )
    assert set(checked) == {ada.pk, ApiKey.objects.get().pk}


def test_logins_for_code_assist_are_enabled_only_with_the_acknowledgement(admin, checked):
    page = upload(admin, file("a.json", login("ada@example.com"))).content.decode()
    assert "1 account is stored, but not enabled" in page
    assert (GoogleAccount.objects.get().enabled, checked) == (False, [])
    page = upload(admin, file("c.json", login("cy@example.com")), terms="on").content.decode()
    cy = GoogleAccount.objects.get(email="cy@example.com")
    assert "account is stored" not in page
    assert (cy.enabled, cy.terms_accepted_by, cy.login.project, checked) == (True, "root", "file-project", [cy.pk])


def test_an_account_that_is_there_is_logged_in_again(admin, checked):
    upload(admin, file("a.json", login("ada@example.com")), terms="on")
    newer = json.loads(login("ada@example.com")) | {"refresh_token": "1//CANARY-newer-0123456789"}
    page = upload(admin, file("b.json", json.dumps(newer)))
    assert "1 account logged in again" in page.content.decode()
    assert GoogleAccount.objects.get().secret == "1//CANARY-newer-0123456789"


def test_a_login_may_be_pasted_as_well(admin, checked):
    admin.post(PASTE, {"keys": login("ada@example.com"), "priority": "0", "import": "1"})
    assert GoogleAccount.objects.get().email == "ada@example.com"


def test_files_that_are_too_large_together_are_refused(admin, monkeypatch):
    monkeypatch.setattr(forms, "_LARGEST_UPLOAD", 10)
    assert "larger than 50 MB" in upload(admin, file("a", "1234567"), file("b", "1234567")).content.decode()


def test_an_empty_file_holds_nothing(admin):
    assert "neither a key nor a login" in upload(admin, file("empty.txt", "")).content.decode()


def test_who_may_add_keys_alone_may_not_bring_accounts(client, checked):
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(*Permission.objects.filter(codename__in=["add_apikey", "view_apikey"]))
    client.force_login(clerk)
    assert "no right to add accounts" in upload(client, file("a.json", login("ada@example.com"))).content.decode()
    assert not Credential.objects.exists()
    upload(client, file("k.txt", CANARY))
    assert ApiKey.objects.get().secret == CANARY
