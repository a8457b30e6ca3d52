"""No secret and no prompt comes out anywhere: a day of Castor with canaries in all of them, then a search of all it leaves."""

import pytest

from tests.google import GoogleSimulator
from tests.house.canaries import Watch, guises, new_mark
from tests.house.castor import free_port, running
from tests.house.flight import CLIENT_HEADERS, KEYS, NO_SUCH_SHAPE, OWN, CommandLines, Flight

WHAT_GOOGLE_MAY_SEE = {"host", "user-agent", "accept", "accept-encoding", "content-type", "content-length", "connection"}


@pytest.fixture(scope="module", params=["console", "json"])
def flown(request, tmp_path_factory):
    """The day, in one format of the log, over; Google's log of it included."""
    directory = tmp_path_factory.mktemp("canaries")
    mark = new_mark()
    keys = [f"AQ.{mark}{number:04}" for number in range(KEYS)] + [f"{mark}={number}" for number in range(NO_SUCH_SHAPE)]
    settings = {"PORT": str(free_port()), "LOG_LEVEL": "debug", "LOG_FORMAT": request.param, "RETRY_DELAY": "1"}
    settings |= {"GEMINI_API_KEYS": ",".join(keys)}
    with GoogleSimulator(keys={key: f"project-{number}" for number, key in enumerate(keys)}) as google:
        with running(directory / "var", GOOGLE_GEMINI_BASE_URL=google.url, **settings) as castor:
            lines = CommandLines(castor.var)
            lines.start()
            flight = Flight(castor, google, mark, directory)
            flight.administer()
            flight.serve()
            flight.refuse()
            flight.break_off()
            flight.ask_wrongly()
            flight.hang_up()
            flight.command()
            flight.kill()
            lines.stop()
        flight.command_lines = lines.seen
        for line in lines.seen:
            flight.watch.search("process", line)
        flight.search_logs()
        flight.search_files()
        flight.search_what_google_saw()
        yield flight


@pytest.mark.parametrize("place", ["answer", "log", "file", "command", "process", "upstream"])
def test_no_canary_is_where_it_does_not_belong(flown, place):
    assert flown.watch.searched[place] > 500
    assert flown.watch.unmeant(place) == []


def test_the_password_and_the_first_token_are_printed_once(flown):
    said = flown.castor.output
    assert (said.count(flown.password), said.count(flown.token)) == (1, 1)


def test_the_canaries_did_fly(flown):
    """What belongs somewhere was seen there: else the search would find nothing, whatever there is."""
    tokens = {name for name in flown.marks if name.startswith("token ")}
    assert flown.watch.meant() == {*OWN, "token", "password", *tokens}
    assert len(tokens) == 2


def test_all_that_could_speak_has_spoken(flown):
    said = flown.castor.output
    assert "Traceback" in said  # the page that failed
    assert "Not Found: /nothing/at/all" in said
    assert "Forbidden (CSRF cookie not set.)" in said
    assert said.count("served=gemini-3.8-flash") + said.count('"served":"gemini-3.8-flash"') > 60
    files = {path.name.partition(".")[2] for path in flown.castor.var.rglob("*") if path.is_file()}
    assert {"sqlite3", "sqlite3-wal", "live", "json", "celery.msg"} <= files
    lines = b" ".join(flown.command_lines)
    assert all(program in lines for program in (b"gunicorn", b"celery", b"manage.py"))


def test_google_sees_one_key_in_one_place_and_nothing_of_the_client(flown):
    calls = list(flown.google.log)
    assert len(calls) > 100
    assert {call.key_in for call in calls} == {"header"}
    asked = {(call.path.rpartition(":")[2].rpartition("/")[2], *call.query.items()) for call in calls}
    streams, listings, probes = ("streamGenerateContent", ("alt", "sse")), ("models", ("pageSize", "1000")), ("generateContent",)
    assert {streams, listings} <= asked <= {streams, listings, probes}
    assert {name for call in calls for name in call.headers} <= WHAT_GOOGLE_MAY_SEE | {"x-goog-api-key"}
    sent = set(CLIENT_HEADERS.values())
    assert not [call for call in calls if sent & set(call.headers.values())]
    assert not [call for call in calls if b"of-the-client" in call.raw or b"somebody" in call.raw]


@pytest.mark.parametrize("guise", guises("canary"))
@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_the_search_finds_every_guise_wherever_it_begins(guise, before):
    mark = new_mark()
    watch = Watch()
    watch.plant("key", mark)
    watch.search("file", before.encode() + guises(mark)[guise] + b" and more")
    assert guise in {sighting.guise for sighting in watch.unmeant("file")}
