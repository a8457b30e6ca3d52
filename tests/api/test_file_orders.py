"""Files that a conversation names, on plain memory: what is waited for, and what is told where nothing comes."""

import pytest
from msgspec.structs import replace

from credentials.health import Outcome
from credentials.roster import TokenEntry
from openai_api.errors import FileNotFound, InvalidRequest, NotReady, UpstreamRefusal, UpstreamUnavailable
from openai_api.exchange import Exchange
from openai_api.gateway import Gateway
from openai_api.orders import files as orders
from openai_api.orders.conversations import Completions
from openai_api.translation.conversation import Conversation, Text, Turn, UploadedMedia
from openai_api.translation.events import FileSeen, Finished
from openai_api.upstream.base import FILES, Prepared, UpstreamRefused
from openai_api.upstream.refusals import Refusal
from openai_api.usage import UsageLog
from tests.api.test_file_store import Database, kept, rows  # noqa: F401  # a fixture
from tests.api.upstreams import GOOD, refusal
from tests.credentials.pools import FLASH, key, pool_of

LOST = "You do not have permission to access the File 1 or it may not exist."


class Keeper:
    """`looks` are what looking at a file finds, in order; the last one for ever. `answer` is what a chat meets."""

    def __init__(self, *looks, answer=GOOD) -> None:
        self.looks = list(looks)
        self.answer = answer
        self.asked: list[int] = []

    keeper = property(lambda self: self)

    def upstream_for(self, model, roster):
        return self

    def prepare(self, conversation, roster, *, counts=False):
        return Prepared(conversation.model, b"{}")

    def prepare_files(self, call, roster, *, custody=None):
        return Prepared(FILES, b"", file_call=call, custody=custody)

    async def on_files(self, prepared, entry, *, new_call_id, seconds):
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, Exception):
            raise look
        yield [FileSeen("files/1", state=look), Finished("stop")]

    async def ask(self, prepared, entry, *, new_call_id, seconds):
        self.asked.append(entry.id)
        if isinstance(self.answer, Exception):
            raise self.answer
        for batch in self.answer:
            yield batch


@pytest.fixture
def told(rows, settings, monkeypatch):  # noqa: F811
    """What a chat about `files` comes to: whom it asked."""
    settings.RETRY_DELAY, settings.MAX_RETRIES = 1, 0
    monkeypatch.setattr(orders, "_FIRST_PAUSE", 0.001)

    async def told(upstream: Keeper, *files) -> list[int]:
        gateway = Gateway(pool_of(key(7), key(8)))
        gateway.usage = UsageLog([])
        gateway.registry = upstream
        gateway.files._in_database = Database()
        rows.update({file.id: file for file in files})
        token = TokenEntry(id=1, owner_id=1, digest="", label="")
        exchange = Exchange(gateway, token, dialect="chat", stream=False, request_id="r", strict=False)
        parts = tuple(UploadedMedia(file.id, f"part {number}") for number, file in enumerate(files))
        await exchange.open(Completions(Conversation(FLASH, (Turn("user", (Text("hi"), *parts)),))))
        async with exchange:
            await exchange.collect()
        assert gateway.pool.in_flight == {}
        return upstream.asked

    return told


def mine(number: int = 1, **fields):
    return kept(number, project="", **fields)


async def test_a_file_in_processing_is_looked_at_until_it_is_ready(told, rows):  # noqa: F811
    assert await told(Keeper("PROCESSING", "PROCESSING", "ACTIVE"), mine(status="uploaded")) == [7]
    assert rows["file-001"].status == "processed"


async def test_a_file_that_stays_in_processing_is_not_waited_for_without_end(told, monkeypatch):
    monkeypatch.setattr(orders, "LONGEST_WAIT", 0.01)
    upstream = Keeper("PROCESSING")
    with pytest.raises(UpstreamUnavailable) as refused:
        await told(upstream, mine(status="uploaded"))
    assert (refused.value.code, refused.value.param, refused.value.retry_after) == ("file_not_ready", "part 0", 5)
    assert upstream.asked == []


async def test_what_becomes_of_a_file_that_failed_or_was_lost_while_it_was_processed(told, rows):  # noqa: F811
    with pytest.raises(InvalidRequest) as refused:
        await told(Keeper("FAILED"), mine(1, status="uploaded"))
    assert (refused.value.code, rows["file-001"].status) == ("file_unusable", "error")
    with pytest.raises(FileNotFound) as refused:
        await told(Keeper(refusal(Outcome.REQUEST_REFUSED, status=403)), mine(2, status="uploaded"))
    assert (refused.value.param, rows["file-002"].status) == ("part 0", "error")


async def test_a_look_that_fails_says_nothing_of_the_file(told, rows):  # noqa: F811
    with pytest.raises(UpstreamUnavailable) as refused:
        await told(Keeper(refusal(Outcome.UPSTREAM_FAILED)), mine(status="uploaded"))
    assert (refused.value.param, rows["file-001"].status) == ("part 0", "uploaded")
    with pytest.raises(UpstreamRefusal):
        await told(Keeper(refusal(Outcome.REQUEST_REFUSED, status=400)), mine(status="uploaded"))
    assert rows["file-001"].status == "uploaded"


def lost(message: str = LOST) -> UpstreamRefused:
    return UpstreamRefused(Refusal(outcome=Outcome.REQUEST_REFUSED, status=403, message=message))


async def test_of_several_files_the_one_that_google_has_lost_is_named(told, rows):  # noqa: F811
    with pytest.raises(FileNotFound, match="file-001") as refused:
        await told(Keeper("ACTIVE", answer=lost()), mine(2), mine(1))
    assert refused.value.param == "part 1"
    assert (rows["file-001"].status, rows["file-002"].status) == ("error", "processed")


async def test_a_loss_that_cannot_be_noted_is_told_all_the_same(told, monkeypatch):
    async def down(self, *_):
        raise NotReady("gone")

    monkeypatch.setattr(orders.FileStore, "settle", down)
    with pytest.raises(FileNotFound, match="file-001"):
        await told(Keeper("ACTIVE", answer=lost()), mine())


async def test_what_google_says_of_other_files_is_passed_on(told, rows):  # noqa: F811
    with pytest.raises(UpstreamRefusal, match="File 99"):
        await told(Keeper("ACTIVE", answer=lost(LOST.replace("File 1", "File 99"))), mine())
    assert rows["file-001"].status == "processed"


async def test_files_of_different_projects_are_refused_before_anything_is_asked(told):
    upstream = Keeper("ACTIVE")
    with pytest.raises(InvalidRequest, match="different Google projects") as refused:
        await told(upstream, mine(1), mine(2, status="uploaded"), replace(mine(3), credential=8))
    assert (refused.value.param, refused.value.code) == ("part 2", "files_of_different_projects")


async def test_so_many_files_can_be_named(told, monkeypatch):
    monkeypatch.setattr(orders, "MOST_NAMED", 2)
    assert await told(Keeper("ACTIVE"), mine(1), mine(2), mine(1)) == [7]
    with pytest.raises(InvalidRequest) as refused:
        await told(Keeper("ACTIVE"), mine(1), mine(2), mine(3))
    assert refused.value.param == "part 2"


async def test_only_the_keeper_of_the_files_is_asked(told):
    upstream = Keeper("ACTIVE")
    for _ in range(3):
        await told(upstream, mine(1), mine(2))
    assert upstream.asked == [7, 7, 7]
