"""The management commands: what they print, what they refuse in one sentence, what a second run does."""

import io
import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as product_settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils.timezone import now

from credentials import crypto, store
from credentials.health import Outcome, Reason, State
from credentials.learning import AlertChange, Change, Learned
from credentials.models import ApiKey, ClientToken, Credential, ModelAlias, ServedModel
from credentials.rests import Rest

pytestmark = pytest.mark.django_db
CANARY = "AQ.CANARY-0123456789-abcdef"


def run(*args: str) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out, stderr=io.StringIO())
    return out.getvalue()


class TestCreateToken:
    def test_the_plain_token_is_printed_alone_so_that_a_script_can_take_it(self, owner):
        plain = run("create_token", "ada", "--label", "laptop", "--models", "gemini-*-flash, gpt-4o").strip()
        token = ClientToken.objects.get(digest=crypto.token_digest(plain))
        assert (token.owner, token.label, token.allowed_models) == (owner, "laptop", ["gemini-*-flash", "gpt-4o"])
        assert token.expires_at is None
        assert token.on_disconnect == "cancel"

    def test_it_may_be_asked_for_that_answers_are_read_to_their_ends(self, owner):
        run("create_token", "ada", "--on-disconnect", "drain")
        assert ClientToken.objects.get().on_disconnect == "drain"
        with pytest.raises(CommandError, match="on-disconnect"):
            run("create_token", "ada", "--on-disconnect", "shrug")

    def test_days_are_counted_from_now(self, owner):
        run("create_token", "ada", "--expires", "2")
        assert timedelta(days=1.9) < ClientToken.objects.get().expires_at - now() < timedelta(days=2.1)

    def test_a_date_counts_to_its_end(self, owner):
        run("create_token", "ada", "--expires", "2099-01-31")
        assert ClientToken.objects.get().expires_at.isoformat().startswith("2099-01-31T23:59:59")

    @pytest.mark.parametrize("expires", ["soon", "2099-02-30", "2001-01-01", "-1", "0", "1e99"])
    def test_an_expiry_that_makes_no_sense_is_refused(self, owner, expires):
        with pytest.raises(CommandError, match="--expires"):
            run("create_token", "ada", f"--expires={expires}")
        assert not ClientToken.objects.exists()

    def test_an_unknown_user_is_not_made_up(self):
        with pytest.raises(CommandError, match="no user named nobody"):
            run("create_token", "nobody")
        assert not User.objects.exists()


class TestImportCredentials:
    def test_files_and_the_standard_input_are_read(self, tmp_path, monkeypatch):
        (tmp_path / "keys.txt").write_text(f"{CANARY}-1\n{CANARY}-2")
        monkeypatch.setattr(sys, "stdin", io.StringIO(f'["{CANARY}-2", "{CANARY}-3"]'))
        output = run("import_credentials", str(tmp_path / "keys.txt"), "-", "--project", "p-1")
        assert "3 added, 1 there already, 0 malformed." in output
        assert set(ApiKey.objects.values_list("project", flat=True)) == {"p-1"}
        assert CANARY not in output

    def test_a_dry_run_adds_nothing(self, tmp_path):
        (tmp_path / "keys.txt").write_text(CANARY)
        assert "1 would be added" in run("import_credentials", "--dry-run", str(tmp_path / "keys.txt"))
        assert not ApiKey.objects.exists()

    def test_bad_files_are_skipped_and_make_the_run_fail_but_the_good_ones_go_in(self, tmp_path):
        (tmp_path / "good").write_text(CANARY)
        (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(CommandError, match="2 of 3 files"):
            run("import_credentials", str(tmp_path / "absent"), str(tmp_path / "good"), str(tmp_path / "binary"))
        assert ApiKey.objects.count() == 1

    def test_a_malformed_entry_is_named_with_its_file_and_line(self, tmp_path):
        (tmp_path / "keys").write_text(f"{CANARY}\nshort")
        out = io.StringIO()
        with pytest.raises(CommandError):
            call_command("import_credentials", str(tmp_path / "keys"), stdout=out)
        assert f"malformed: {tmp_path}/keys, line 2: … shorter than 8 characters" in out.getvalue()


class TestPoolStatus:
    @pytest.fixture(autouse=True)
    def pool(self):
        until = now() + timedelta(hours=6)
        key = ApiKey.objects.create(secret=CANARY, label="first", project="p-1")
        Credential.objects.filter(pk=key.pk).update(state=State.RATE_LIMITED, reason=Reason.DAY_QUOTA, until=until)
        ServedModel.objects.create(credential=key, name="gemini-3.8-flash")
        ApiKey.objects.create(secret=CANARY + "2", enabled=False)

    def test_the_table_says_what_rests_why_and_until_when(self):
        header, first, second = run("pool_status").splitlines()
        assert header.split() == ["id", "credential", "kind", "project", "state", "reason", "until", "models"]
        cells = re.split(" {2,}", first)
        assert cells[1:6] == ["first", "api_key", "p-1", "Rate limited", "day quota used up"]
        assert re.fullmatch(r"back \d\d:\d\d Pacific, in 6 h", cells[6])
        assert cells[7] == "1"
        assert "Disabled" in second

    def test_json_is_for_programs(self):
        first, second = json.loads(run("pool_status", "--json"))
        assert (first["state"], first["reason"], first["models"]) == ("rate_limited", "day quota used up", 1)
        assert first["until"].startswith("20")
        assert second["state"] == "disabled"

    def test_no_secret_is_printed_nor_needed(self, settings):
        settings.CREDENTIAL_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
        assert CANARY not in run("pool_status") + run("pool_status", "--json")

    def test_an_empty_pool_says_how_to_fill_it(self):
        Credential.objects.all().delete()
        assert "import_credentials" in run("pool_status")


class TestPoolStatusOfAModel:
    """Nothing is asked of Google, and no secret is needed."""

    @pytest.fixture
    def keys(self):
        made = {}
        for name, fields in {
            "first": {},
            "better": {"priority": 5},
            "rests": {"project": "p-1", "project_source": "typed"},
            "dead": {},
            "lacks": {},
            "off": {"enabled": False},
        }.items():
            made[name] = ApiKey.objects.create(secret=f"{CANARY}-{name}", label=name, **fields)
            if name not in ("lacks", "off"):
                ServedModel.objects.create(credential=made[name], name="gemini-3.8-flash")
        ServedModel.objects.create(credential=made["lacks"], name="gemini-other")
        at = now().timestamp()
        rest = Rest(State.RATE_LIMITED, Reason.MINUTE_QUOTA, at + 600, at)
        store.save(Learned(changes=[Change(("project:p-1", "gemini-3.8-flash"), made["rests"].pk, rest)]))
        store.record_check(made["dead"].pk, Outcome.KEY_LEAKED)
        return made

    def test_the_table_says_who_is_asked_in_which_order_and_why_others_are_not(self, keys):
        output = run("pool_status", "--model", "gemini-3.8-flash")
        asked, skipped = re.split(r"\n(?=1 disabled)", output)
        lines = asked.splitlines()
        assert lines[0] == "2 would be asked, in this order:"
        assert [line.split()[:3] for line in lines[2:4]] == [
            ["1", str(keys["better"].pk), "better"],
            ["2", str(keys["first"].pk), "first"],
        ]
        assert "3 would be skipped: " in skipped
        rows = {line.split()[1]: re.split(" {2,}", line) for line in skipped.splitlines()[3:]}
        assert rows["rests"][3:5] == ["p-1", "minute quota used up"]
        assert re.fullmatch(r"back \d\d:\d\d \w+, in 10 min", rows["rests"][5])
        assert rows["dead"][4:6] == ["reported as leaked", "-"]
        assert rows["lacks"][4:6] == ["does not list the model", "-"]

    def test_a_last_resort_says_that_it_is_one(self, keys):
        at = now().timestamp()
        rest = Rest(State.RATE_LIMITED, Reason.UNEXPLAINED, at + 60, at)
        store.save(Learned(changes=[Change((f"key:{keys['better'].pk}", "gemini-3.8-flash"), keys["better"].pk, rest)]))
        lines = run("pool_status", "--model", "gemini-3.8-flash").splitlines()
        assert lines[2].split()[2] == "first"
        assert lines[3].endswith("only if nobody else can: refused for no known reason")

    def test_an_alias_is_resolved_and_shown(self, keys):
        ModelAlias.objects.create(pattern="my-model", target="gemini-3.8-flash")
        lines = run("pool_status", "--model", "my-model").splitlines()
        assert lines[:2] == ["my-model is answered by gemini-3.8-flash.", "2 would be asked, in this order:"]

    def test_an_unknown_model_is_said_to_be_one(self, keys):
        output = run("pool_status", "--model", "llama-9")
        assert output.startswith("llama-9 is unknown: no credential lists it, and no alias leads to it.")
        assert json.loads(run("pool_status", "--model", "llama-9", "--json"))["listed"] is False

    def test_a_pool_without_listings_says_that_it_knows_no_better(self):
        ApiKey.objects.create(secret=CANARY, label="new")
        assert run("pool_status", "--model", "gemini-3.8-flash").startswith("No credential has been listed yet")

    def test_nobody_free_is_said_in_one_sentence(self, keys):
        Credential.objects.exclude(label__in=["rests", "dead"]).delete()
        assert "Nobody would be asked" in run("pool_status", "--model", "gemini-3.8-flash")

    def test_json_is_for_programs(self, keys):
        found = json.loads(run("pool_status", "--model", "gemini-3.8-flash", "--json"))
        assert (found["model"], found["listed"], found["would_be_asked"], found["skipped"], found["disabled"]) == (
            ("gemini-3.8-flash", True, 2, 3, 1)
        )
        by_name = {candidate["credential"]: candidate for candidate in found["candidates"]}
        assert [by_name[name]["turn"] for name in ("better", "first", "rests", "dead", "lacks")] == [1, 2, None, None, None]
        assert (by_name["rests"]["project"], by_name["rests"]["why"]) == ("p-1", "minute quota used up")
        assert timedelta(minutes=9) < datetime.fromisoformat(by_name["rests"]["until"]) - now() < timedelta(minutes=10)
        assert by_name["dead"]["until"] is None
        assert found["reasons"] == {"minute quota used up": 1, "reported as leaked": 1, "does not list the model": 1}

    def test_of_a_large_pool_the_first_are_shown_and_the_others_counted(self):
        keys = [
            ApiKey(secret=f"{CANARY}-{number}", fingerprint=f"{number}", masked="x", label=f"key-{number}")
            for number in range(300)
        ]
        made = ApiKey.objects.bulk_create(keys)
        at = now().timestamp()
        rest = Rest(State.RATE_LIMITED, Reason.DAY_QUOTA, at + 600, at)
        store.save(Learned(changes=[Change((f"key:{key.pk}", "gemini-3.8-flash"), key.pk, rest) for key in made[100:]]))
        output = run("pool_status", "--model", "gemini-3.8-flash")
        assert len(output.splitlines()) < 2 * 50 + 12
        assert "100 would be asked" in output
        assert "… and 50 more." in output
        assert "200 would be skipped: 200 × day quota used up." in output
        assert "… and 150 more. With --all each one is shown." in output
        assert sum("key-" in line for line in run("pool_status", "--model", "gemini-3.8-flash", "--all").splitlines()) == 300
        found = json.loads(run("pool_status", "--model", "gemini-3.8-flash", "--json"))
        assert (len(found["candidates"]), found["reasons"]) == (100, {"day quota used up": 200})

    def test_no_secret_is_printed_nor_needed(self, keys, settings):
        settings.CREDENTIAL_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
        assert CANARY not in run("pool_status", "--model", "gemini-3.8-flash", "--all") + run(
            "pool_status", "--model", "x", "--json"
        )

    def test_an_empty_pool_says_how_to_fill_it(self):
        assert "import_credentials" in run("pool_status", "--model", "gemini-3.8-flash")

    def test_open_alerts_stand_on_top_of_both_tables(self, keys):
        alert = AlertChange("gemini-3.8-flash", now().timestamp(), Outcome.THROTTLED, "Half of the credentials fail alike.")
        store.save(Learned(alerts=[alert]))
        for command in (["pool_status"], ["pool_status", "--model", "gemini-3.8-flash"]):
            first, second, *_ = run(*command).splitlines()
            assert re.fullmatch(r"! Since [-\d]+ [:\d]+ \w+, gemini-3.8-flash: Half of the credentials fail alike.", first)
            assert not second.startswith("!")
        store.save(Learned(alerts=[AlertChange("gemini-3.8-flash", now().timestamp())]))
        assert not run("pool_status").startswith("!")


class TestRotateEncryptionKeys:
    def test_everything_is_sealed_with_the_first_key_and_a_second_run_changes_nothing(self, settings):
        old, new = settings.CREDENTIAL_ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
        ApiKey.objects.create(secret=CANARY)
        settings.CREDENTIAL_ENCRYPTION_KEYS = [new, old]
        assert "1 secrets encrypted anew, 0 were up to date." in run("rotate_encryption_keys")
        sealed = sealed_secrets()
        assert "0 secrets encrypted anew, 1 were up to date." in run("rotate_encryption_keys")
        assert sealed_secrets() == sealed
        settings.CREDENTIAL_ENCRYPTION_KEYS = [new]
        assert ApiKey.objects.get().secret == CANARY

    def test_a_secret_that_no_key_opens_is_named_and_left_alone(self, settings):
        key = ApiKey.objects.create(secret=CANARY)
        sealed = sealed_secrets()
        settings.CREDENTIAL_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
        errors = io.StringIO()
        with pytest.raises(CommandError, match="1 secrets cannot be decrypted"):
            call_command("rotate_encryption_keys", stdout=io.StringIO(), stderr=errors)
        assert f"credential {key.pk}: none of the keys opens its secret" in errors.getvalue()
        assert sealed_secrets() == sealed


def sealed_secrets() -> list[tuple[str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM credentials_credential ORDER BY id")
        return cursor.fetchall()


class TestFirstRun:
    def test_the_first_admin_can_sign_in_and_the_first_token_is_known(self, client):
        made = json.loads(run("first_run", "--json"))
        assert client.login(**made["admin"])
        assert ClientToken.objects.get(digest=crypto.token_digest(made["token"])).owner.username == "admin"

    def test_a_second_run_makes_nothing(self):
        run("first_run")
        assert json.loads(run("first_run", "--json")) == {"admin": None, "token": None}
        assert "already" in run("first_run")
        assert (User.objects.count(), ClientToken.objects.count()) == (1, 1)

    def test_tokens_of_the_environment_need_no_first_one_beside_them(self, settings):
        settings.PROXY_AUTH_KEYS = ["team-token-1"]
        assert json.loads(run("first_run", "--json"))["token"] is None

    def test_people_read_both_in_plain_lines(self):
        output = run("first_run")
        assert "Admin: admin, password: " in output
        assert "Client token: castor-" in output

    def test_an_ordinary_user_named_admin_is_not_promoted(self):
        User.objects.create_user("admin")
        with pytest.raises(CommandError, match="createsuperuser"):
            run("first_run")


class TestManage:
    """`manage.py` as a program: one sentence on stderr, exit code 1, no traceback."""

    @pytest.mark.parametrize(
        ("variable", "value", "says"),
        [
            ("CREDENTIAL_ENCRYPTION_KEYS", "nonsense", "CREDENTIAL_ENCRYPTION_KEYS holds a key that is not a Fernet key"),
            ("PORT", "much", "PORT must be a number"),
            ("DATABASE_URL", "postgres://castor:pass-word@127.0.0.1:9/castor", "The database cannot be used"),
        ],
    )
    def test_what_an_operator_can_put_right_is_one_sentence(self, variable, value, says, tmp_path):
        keys = {"SECRET_KEY": "only for this test " * 3, "CREDENTIAL_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
        environment = os.environ | keys | {"CASTOR_VAR": str(tmp_path), variable: value}
        command = [sys.executable, str(product_settings.BASE_DIR / "manage.py"), "rotate_encryption_keys"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert says in done.stderr
        assert "Traceback" not in done.stderr
        assert "pass-word" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1

    def test_a_database_without_tables_says_migrate(self, tmp_path):
        environment = os.environ | {"CASTOR_VAR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3"}
        command = [sys.executable, str(product_settings.BASE_DIR / "manage.py"), "pool_status"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert done.stderr.strip().endswith("manage.py migrate")
        assert "Traceback" not in done.stderr
