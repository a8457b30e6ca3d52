"""All parts as they run on servers, each real and a process of its own: what one of them learns, the others act on."""

import shutil
import subprocess

import httpx
import pytest
from redis import Redis

from tests import postgresql
from tests.google.models import MODELS
from tests.house.canaries import Watch, new_mark, secret_part
from tests.house.castor import free_port
from tests.house.production import BEAT, WEB, WORKER, Production, WebProcess, production
from tests.house.waiting import eventually

# The simulator knows fifty of them.
FIRST_KEYS = ["test-key-1", "test-key-2"]
MORE_THAN_KEYS = 10
USAGE = "SELECT request_id FROM openai_api_usagerecord WHERE request_id = ANY(%s)"


@pytest.fixture(scope="module")
def parts(tmp_path_factory, google_server):
    if missing := postgresql.missing():
        pytest.skip(missing)
    if shutil.which("redis-server") is None:
        pytest.skip("missing program: redis-server")
    with production(tmp_path_factory.mktemp("production"), google_server) as made:
        made.manage("import_credentials", "-", typed="\n".join(FIRST_KEYS))
        with made.processes() as processes:
            for process in processes:
                eventually(lambda process=process: process.chat().status == 200, "serving")
        yield made


@pytest.fixture
def both(parts: Production, google):
    """Both web processes."""
    with parts.processes() as processes:
        yield processes


def paste(parts: Production, *keys: str) -> None:
    parts.manage("import_credentials", "-", typed=", ".join(keys))


def uses(process: WebProcess, key: str, *, model: str = "gemini-3.8-flash") -> bool:
    """Whether the key is asked when there are more requests than keys: they take turns."""
    return any(key in process.chat(model=model).keys for _ in range(MORE_THAN_KEYS))


def test_the_database_is_up_to_date(parts):
    assert "[ ]" not in parts.manage("showmigrations")


def test_each_web_process_serves(both):
    assert [process.chat("Grüße").text for process in both] == ["echo: Grüße"] * 2
    assert both[0].pid != both[1].pid


def test_what_the_background_worker_lists_is_what_every_web_process_offers(parts, both):
    eventually(lambda: all(key["models"] for key in parts.pool()), "listed")
    assert [key["state"] for key in parts.pool()] == ["available"] * len(parts.pool())
    for process in both:
        eventually(lambda process=process: names_offered_by(process) == set(MODELS), "offered")


def names_offered_by(process: WebProcess) -> set[str]:
    answer = httpx.Response(200, content=process.ask("GET", "/v1/models")[2]).json()
    return {model["id"] for model in answer["data"] if "alias_of" not in model}


def test_a_pasted_key_serves_in_every_web_process(parts, both):
    paste(parts, "test-key-3")
    for process in both:
        eventually(lambda process=process: uses(process, "test-key-3"), "using the new key")


def test_a_key_that_nobody_asked_to_check_is_checked_because_beat_says_so(parts):
    code = "import django; django.setup(); from credentials.models import ApiKey; ApiKey.objects.create(secret='test-key-4')"
    assert parts.run("-c", code).returncode == 0
    assert parts.pool()[-1]["models"] == 0
    parts.start_beat_after_an_hour()
    eventually(lambda: parts.pool()[-1]["models"], "listed")


def test_a_token_that_is_revoked_in_the_admin_is_refused_by_every_web_process(parts, both):
    token = parts.manage("create_token", "admin", "--label", "to be revoked").strip()
    for process in both:
        eventually(lambda process=process: process.chat(token=token).status == 200, "known")
    [row] = parts.rows("SELECT id FROM credentials_clienttoken WHERE label = 'to be revoked'")
    with parts.admin() as browser:
        answer = parts.post(browser, "/admin/credentials/clienttoken/", action="revoke", _selected_action=row["id"])
    assert "1 token is revoked." in answer.text
    for process in both:
        eventually(lambda process=process: process.chat(token=token).status != 200, "refused")
        refused = process.chat(token=token)
        assert (refused.status, refused.body["error"]["code"]) == (401, "invalid_api_key")
        assert process.chat().status == 200


def test_a_key_that_one_web_process_finds_dead_is_dead_to_the_other(parts, both, google):
    one, other = both
    paste(parts, "test-key-5")
    for process in both:
        eventually(lambda process=process: uses(process, "test-key-5"), "using the new key")
    google.script(key="test-key-5", error="leaked")  # Once: whoever asks it again is answered, and seen.
    eventually(lambda: uses(one, "test-key-5"), "finding out")
    eventually(lambda: not uses(other, "test-key-5"), "told")
    assert not uses(one, "test-key-5")
    assert [key["reason"] for key in parts.pool() if key["state"] == "invalid"] == ["reported as leaked"]


def test_every_request_of_either_web_process_is_in_the_usage(parts, both):
    asked = [process.chat().request_id for process in both for _ in range(5)]
    eventually(lambda: len(parts.rows(USAGE, asked)) == len(asked), "recorded")


def test_a_restart_forgets_no_rest(parts, both, google):
    model = "gemini-2.5-flash"
    google.script(key="test-key-1", model=model, error="day_quota")  # Once: see above.
    assert uses(both[0], "test-key-1", model=model)
    eventually(lambda: parts.rows("SELECT id FROM credentials_keyhealth WHERE model = %s", model), "written down")
    assert parts.web.stop() == 0
    parts.start_web()
    with parts.processes() as restarted:
        for process in restarted:
            assert not uses(process, "test-key-1", model=model)
            assert uses(process, "test-key-2", model=model)
            assert uses(process, "test-key-1")  # For other models it serves.


def test_without_the_database_everything_known_goes_on_and_no_usage_is_lost(parts, both):
    said_before = len(parts.web.said)
    parts.cluster.stop()
    eventually(lambda: parts.web.said[said_before:].count("The database cannot be used") == 2, "noticed by both")
    answers = [process.chat() for process in both for _ in range(10)]
    parts.cluster.start()
    assert {answer.status for answer in answers} == {200}
    asked = [answer.request_id for answer in answers]
    eventually(lambda: len(parts.rows(USAGE, asked)) == len(asked), "recorded")
    eventually(lambda: parts.web.said[said_before:].count("The database is back") == 2, "back")
    paste(parts, "test-key-6")
    for process in both:
        eventually(lambda process=process: uses(process, "test-key-6"), "learning again")


def test_without_the_queue_requests_are_served_and_keys_taken_in(parts, both):
    parts.redis.stop()
    try:
        assert [process.chat().status for process in both] == [200, 200]
        paste(parts, "test-key-7")
        for process in both:
            eventually(lambda process=process: uses(process, "test-key-7"), "using the new key")
    finally:
        parts.redis.start()
    parts.manage("import_credentials", "-", typed="test-key-8")
    eventually(lambda: parts.pool()[-1]["models"], "checked by a worker that has its queue again")


FOR_A_REQUEST = """
from openai_api.ids import current_request
from openai_api.tasks import give_sign_of_life
current_request.set("req-of-this-very-test")
give_sign_of_life.delay()
"""


def test_a_task_names_the_request_that_it_is_done_for_and_the_worker_s_sign_of_life_is_told(parts, both):
    def heartbeats() -> list[float]:
        told = both[0].ask("GET", "/metrics")[2].decode().splitlines()
        return [float(line.split()[1]) for line in told if line.startswith("castor_celery_heartbeat_timestamp_seconds ")]

    before = heartbeats()
    assert len(before) == 1  # 0, or that of a task of beat's.
    parts.manage("shell", "-v", "0", "-c", FOR_A_REQUEST)
    eventually(lambda: heartbeats() > before, "told of the heartbeat")
    [line] = [line for line in parts.worker.said.splitlines() if "req-of-this-very-test" in line]
    assert "name=openai_api.tasks.give_sign_of_life" in line
    assert "request=req-of-this-very-test" in line


def test_no_key_and_no_token_can_be_read_in_a_dump_of_the_database_or_of_the_queue(parts):
    watch = Watch()
    watch.plant("key", key := new_mark())
    watch.plant("token", secret_part(parts.token))
    parts.worker.stop()  # Its tasks stay in the queue.
    paste(parts, f"AQ.{key}-0001")
    with Redis.from_url(parts.redis.url) as queue:
        queue.save()
    dump = subprocess.run(
        [parts.cluster.programs / "pg_dump", parts.cluster.url], check=True, capture_output=True, cwd="/"
    ).stdout
    parts.worker.start()
    assert b"COPY public.credentials_credential" in dump
    watch.search("file of the database", dump)
    assert b"openai_api.tasks.check_several" in parts.redis.dump.read_bytes()
    watch.search("file of the queue", parts.redis.dump.read_bytes())
    assert watch.unmeant("file") == []


def test_no_web_process_had_to_report_a_fault_of_its_own(parts):
    """After all of the above: the database being away is said in words."""
    assert "Traceback" not in parts.web.said


@pytest.mark.parametrize("program", [WEB, WORKER, BEAT, ["manage.py", "migrate"]], ids=["web", "worker", "beat", "manage"])
@pytest.mark.parametrize("secret", ["SECRET_KEY", "CREDENTIAL_ENCRYPTION_KEYS"])
def test_a_program_that_lacks_a_secret_says_so_in_one_sentence_and_ends(parts, program, secret):
    done = parts.run(*program, **{secret: "", "PORT": str(free_port())})
    [sentence] = filter(None, done.stderr.splitlines())
    assert done.returncode != 0
    assert "SECRET_KEY and CREDENTIAL_ENCRYPTION_KEYS must be set" in sentence
