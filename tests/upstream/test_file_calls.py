"""Google's Files API as the relay asks it: by key and by account, against the simulator."""

from contextlib import aclosing

import pytest

from credentials.health import Outcome
from credentials.roster import Entry, Roster
from openai_api.errors import NoCredential
from openai_api.shortage import nothing_free
from openai_api.translation.events import FileSeen, Finished
from openai_api.upstream.ai_studio import AiStudio
from openai_api.upstream.base import FILES, Custody, UpstreamRefused
from openai_api.upstream.file_calls import DELETED, deleting, looking, uploading
from openai_api.upstream.gemini import Gemini
from tests.credentials.pools import NOON, key, pool_of
from tests.upstream.test_accounts import ADA, Logins
from tests.upstream.test_http import opened

KEY = Entry(id=3, kind="api_key", label="k", secret="test-key-1", group="project:p")
ACCOUNT = Entry(id=4, kind="oauth", label=ADA, secret="", group="project:ada-project", project="ada-project")


class Text:
    """A file on the disk."""

    key = 0

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)

    def read(self, offset, size):
        return self.content[offset : offset + size]


@pytest.fixture
async def ask(google):
    google.add_user(ADA, project="ada-project")
    logins = Logins(google)
    async with opened() as client:
        gemini = Gemini(AiStudio(client, google.url, logins), None, None)

        async def ask(call, entry) -> FileSeen:
            prepared = gemini.prepare_files(call, Roster(entries=(entry,)))
            async with aclosing(gemini.on_files(prepared, entry, new_call_id=str, seconds=10)) as answer:
                [[seen, end]] = [batch async for batch in answer]
            assert end == Finished("stop")
            return seen

        yield ask
    await logins.close()


@pytest.mark.parametrize(("entry", "project"), [(KEY, "project-1"), (ACCOUNT, "ada-project")], ids=["key", "account"])
async def test_a_file_is_sent_looked_at_and_deleted(google, ask, entry, project):
    seen = await ask(uploading(Text(b"hello" * 20_000), mime_type="text/plain"), entry)
    [kept] = google.files
    assert (seen.credential, seen.group, seen.state, seen.uri) == (entry.id, entry.group, "ACTIVE", kept.uri)
    assert (kept.project, kept.bytes.size, kept.mime_type, kept.display_name) == (project, 100_000, "text/plain", "")
    assert seen.expires_at == pytest.approx(kept.expires.timestamp(), abs=0.01)
    assert await ask(looking(seen.name), entry) == seen
    assert (await ask(deleting(seen.name), entry)).state == DELETED
    assert list(google.files) == []


async def test_what_google_says_of_a_file_it_could_not_process_is_told(google, ask):
    google.files.fails = True
    seen = await ask(uploading(Text(b"x"), mime_type="video/mp4"), KEY)
    assert (seen.state, seen.error) == ("FAILED", "The file could not be processed.")


async def test_a_file_that_is_not_there_is_nobodys_fault(ask):
    for call in (looking("files/none"), deleting("files/none")):
        with pytest.raises(UpstreamRefused) as refused:
            await ask(call, KEY)
        assert (refused.value.refusal.outcome, refused.value.refusal.status) == (Outcome.REQUEST_REFUSED, 403)


async def test_a_project_that_is_full_rests_for_files_alone_and_no_refusal_repeats_the_key(google, ask):
    google.files.most_bytes_of_project = 1
    with pytest.raises(UpstreamRefused) as refused:
        await ask(uploading(Text(b"xx"), mime_type="text/plain"), KEY)
    assert (refused.value.refusal.outcome, refused.value.refusal.quota) == (Outcome.MINUTE_QUOTA, "FileStorageBytesPerProject")
    google.script(method="startUpload", error="suspended")
    with pytest.raises(UpstreamRefused) as refused:
        await ask(uploading(Text(b"x"), mime_type="text/plain"), KEY)
    assert refused.value.refusal.outcome is Outcome.SUSPENDED
    assert KEY.secret not in refused.value.refusal.message


@pytest.mark.parametrize("kind", ["code_assist", "gemini_cli"])
def test_where_nobody_keeps_files_that_is_said(kind):
    pool = pool_of(key(1, kind=kind))
    prepared = Gemini(None, None, None).prepare_files(looking("files/1"), pool.roster)
    error = nothing_free(pool, FILES, kinds=prepared.kinds, unfit=prepared.unfit, at=NOON)
    assert isinstance(error, NoCredential)
    assert "keeps no files" in error.message


def test_only_an_upload_binds_what_comes_later():
    prepare = Gemini(None, None, None).prepare_files
    custody = Custody("project:p", "file-1")
    assert prepare(looking("files/1"), Roster(), custody=custody).lasting is False
    assert prepare(uploading(Text(b"x"), mime_type="text/plain"), Roster()).lasting is True
