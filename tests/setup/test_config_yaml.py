"""The replaced rotator's `config.yaml`: what becomes of each option, and what is said of those that are wrong."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from credentials import startup
from credentials.models import Credential
from proxy_site.config_yaml import find_config, read_config

HOME = Path(__file__).parents[2]
WHOLE = """
primary_keys: [AQ.first-primary-key, AQ.second-primary-key]
fallback_keys:
  - AQ.a-fallback-key
ai_studio:
  mode: combined
  prefer_for_pro: true
  base_url: http://127.0.0.1:9/v1beta
  keys: AQ.one-more-key, AQ.and-another-key
rate_limit_settings:
  cooldown_seconds: 30
  recheck_interval_seconds: 120
  consecutive_failures: 4
  max_concurrent: 5
  max_retries: 2
  retry_delay: 250.5
  timeout: 90
logging:
  level: debug
  format: json
"""


def test_every_known_option_is_read():
    config = read_config(WHOLE, "config.yaml")
    assert config.settings == {
        "CREDENTIAL_MODE": "combined",
        "PREFER_AI_STUDIO_FOR_PRO": "true",
        "GEMINI_BASE_URL": "http://127.0.0.1:9/v1beta",
        "COOLDOWN_SECONDS": "30",
        "RECHECK_INTERVAL_SECONDS": "120",
        "CONSECUTIVE_FAILURES": "4",
        "MAX_CONCURRENT": "5",
        "MAX_RETRIES": "2",
        "RETRY_DELAY": "250.5",
        "TIMEOUT": "90",
        "LOG_LEVEL": "debug",
        "LOG_FORMAT": "json",
    }
    assert config.primary_keys == (
        "AQ.first-primary-key",
        "AQ.second-primary-key",
        "AQ.one-more-key",
        "AQ.and-another-key",
    )
    assert config.fallback_keys == ("AQ.a-fallback-key",)
    assert config.unknown == ()


def test_ai_studio_that_is_not_enabled_means_no_keys():
    assert read_config("ai_studio: {enabled: false, mode: combined}", "x").settings == {"CREDENTIAL_MODE": "disabled"}
    assert read_config("ai_studio: {enabled: true}", "x").settings == {}


def test_a_login_in_the_place_of_a_key_becomes_its_json():
    [login] = read_config("primary_keys:\n  - refresh_token: 1//a-token\n    email: ada@example.com\n", "x").primary_keys
    assert json.loads(login) == {"refresh_token": "1//a-token", "email": "ada@example.com"}


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "primary_keys:\nai_studio:\n  keys:\n"])
def test_a_file_without_options_says_nothing(text):
    config = read_config(text, "x")
    assert (config.settings, config.primary_keys, config.unknown) == ({}, (), ())


def test_unknown_options_are_named_with_their_section():
    config = read_config("telemetry: on\nlogging: {colour: red}\nai_studio: {models: []}\n", "x")
    assert config.unknown == ("telemetry", "logging.colour", "ai_studio.models")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("primary_keys: [AQ.a-secret-key\nlogging: {", "line"),
        ("- a\n- b\n", "primary_keys"),
        ("just text", "primary_keys"),
        ("logging: debug", "logging"),
        ("rate_limit_settings: {cooldown_seconds: soon}", "rate_limit_settings.cooldown_seconds"),
        ("rate_limit_settings: {max_retries: true}", "rate_limit_settings.max_retries"),
        ("ai_studio: {enabled: 1}", "ai_studio.enabled"),
        ("ai_studio: {mode: [combined]}", "ai_studio.mode"),
        ("primary_keys: [12345678]", "primary_keys"),
    ],
)
def test_what_is_wrong_is_one_sentence_without_the_value(text, named):
    with pytest.raises(ImproperlyConfigured) as refused:
        read_config(text, "rotator.yaml")
    said = str(refused.value)
    assert "rotator.yaml" in said
    assert named in said
    assert "\n" not in said
    assert "AQ.a-secret-key" not in said


def test_config_yaml_is_a_file_or_the_yaml_itself(tmp_path):
    (tmp_path / "config.yaml").write_text("logging: {level: error}")
    (tmp_path / "other.yaml").write_text("logging: {level: debug}")
    read = [find_config(given, tmp_path) for given in ("", str(tmp_path / "other.yaml"), "logging:\n  level: info\n")]
    assert [config.settings["LOG_LEVEL"] for config in read] == ["error", "debug", "info"]
    assert find_config("{logging: {level: warning}}", tmp_path).settings == {"LOG_LEVEL": "warning"}
    assert find_config("", tmp_path / "nowhere").source == ""


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_bytes(b"\xff\xfe\xff")])
def test_a_named_file_that_cannot_be_read_is_one_sentence(tmp_path, make):
    make(tmp_path / "config.yaml")
    with pytest.raises(ImproperlyConfigured, match=r"config\.yaml.*\.$"):
        find_config(str(tmp_path / "config.yaml"), tmp_path)


def settings_with(tmp_path: Path, *, env_file: str = "", **environment: str) -> str:
    """What the real settings make of the whole file, of `.env` and of the environment."""
    (tmp_path / "env").write_text(env_file)
    (tmp_path / "rotator.yaml").write_text(WHOLE)
    given = {
        "PATH": os.environ["PATH"],
        "CASTOR_VAR": str(tmp_path / "var"),
        "CASTOR_ENV_FILE": str(tmp_path / "env"),
        "CONFIG_YAML": str(tmp_path / "rotator.yaml"),
    }
    code = "from proxy_site import settings as s; print(s.MAX_RETRIES, s.CREDENTIAL_MODE, s.LOG_LEVEL, s.GOOGLE_GEMINI_BASE_URL)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**given, **environment}, cwd=HOME, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_file_gives_settings_and_whatever_the_environment_says_wins(tmp_path):
    assert settings_with(tmp_path) == "2 combined DEBUG http://127.0.0.1:9"
    won = settings_with(tmp_path, env_file="MAX_RETRIES=7\nGEMINI_BASE_URL=http://127.0.0.1:7\n", LOG_LEVEL="error")
    assert won == "7 combined ERROR http://127.0.0.1:7"
    assert settings_with(tmp_path, GOOGLE_GEMINI_BASE_URL="http://127.0.0.1:8").endswith("http://127.0.0.1:8")


def test_a_variable_that_is_set_and_empty_leaves_it_to_the_file(tmp_path):
    assert settings_with(tmp_path, MAX_RETRIES="").startswith("2 ")


@pytest.mark.django_db
def test_primary_keys_are_asked_before_fallback_keys(settings, caplog):
    settings.CONFIG = read_config(WHOLE + "telemetry: on\nserver: {port: 1}\n", "config.yaml")
    settings.GEMINI_API_KEYS = ["AQ.a-key-of-the-environment"]
    with caplog.at_level(logging.WARNING):
        startup.take_in_environment()
        startup.take_in_environment()
    priority = {credential.secret: credential.priority for credential in Credential.objects.all()}
    assert priority.pop("AQ.a-fallback-key") < 0
    assert len(priority) == 5
    assert set(priority.values()) == {0}
    assert [record.getMessage() for record in caplog.records].count(
        "config.yaml: Castor has no such settings: telemetry, server."
    ) == 2
