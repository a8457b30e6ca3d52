"""The management commands: what they print, what they refuse in one sentence, what a second run does."""

import io
import json
import os
import re
import subprocess
import sys
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as product_settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils.timezone import now

from credentials import crypto
from credentials.health import Reason, State
from credentials.models import ApiKey, ClientToken, Credential, ServedModel

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
        keys = {"SECRET_KEY": "x" * 40, "CREDENTIAL_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
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
