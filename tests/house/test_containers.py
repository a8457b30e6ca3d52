"""What the Dockerfile and docker-compose.yml promise, as far as it can be read from them."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

HOME = Path(__file__).parents[2]
COMPOSE_TEXT = (HOME / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
SERVICES = COMPOSE["services"]
DOCKERFILE = (HOME / "Dockerfile").read_text()
EXAMPLE = (HOME / ".env.example").read_text()
ONCE = {"migrate", "secrets", "setup"}
"""Services that do something and end."""
every_service = pytest.mark.parametrize("name", SERVICES)


def test_all_parts_are_there():
    assert {"web", "worker", "beat", "migrate", "postgres", "redis", "caddy"} <= set(SERVICES)


def test_only_caddy_publishes_ports():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["caddy"]


@every_service
def test_a_service_is_bounded_and_confined(name):
    service = SERVICES[name]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert "privileged" not in service
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))


@every_service
def test_a_service_goes_on_or_has_ended(name):
    service = SERVICES[name]
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    assert ("test" in service["healthcheck"]) is (name not in ONCE)


@every_service
def test_an_image_has_a_version(name):
    version = SERVICES[name]["image"].removesuffix("}").rpartition(":")[2]
    assert version not in ("", "latest")


def test_nothing_that_is_replaced_at_an_upgrade_takes_the_database_or_caddy_along():
    """Compose makes anew whatever depends on something new."""
    ours = {name for name, service in SERVICES.items() if "castor:local" in service["image"]}
    assert not ours & {needed for name in ("postgres", "redis", "caddy") for needed in SERVICES[name].get("depends_on", {})}


def test_the_image_is_not_root_s_and_its_bases_have_versions():
    last_user = re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE)[-1]
    assert last_user == "castor"
    [base] = re.findall(r"^ARG PYTHON_IMAGE=(.+)$", DOCKERFILE, re.MULTILINE)
    assert ":" in base
    assert "latest" not in base


def test_secrets_are_made_once_and_stay(tmp_path):
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy/secrets.sh").write_text((HOME / "deploy/secrets.sh").read_text())
    (tmp_path / ".env.example").write_text(EXAMPLE)

    def run() -> str:
        subprocess.run(["sh", tmp_path / "deploy/secrets.sh"], check=True, capture_output=True, timeout=30)
        return (tmp_path / ".env").read_text()

    first = run()
    made = dict(re.findall(r"^(SECRET_KEY|CREDENTIAL_ENCRYPTION_KEYS|POSTGRES_PASSWORD)=(.+)$", first, re.MULTILINE))
    assert {name: len(value) for name, value in made.items()} == {
        "SECRET_KEY": 48, "CREDENTIAL_ENCRYPTION_KEYS": 44, "POSTGRES_PASSWORD": 48,
    }  # fmt: skip
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert run() == first


@pytest.mark.parametrize(
    ("password", "starts"),
    [("", False), ("short", False), ("change-me-please-now", False), ("my-Password-1234567", False), ("kX3vB9mQ2tLw8ZrY", True)],
)
def test_the_database_is_not_made_with_a_password_that_is_none(password, starts):
    [script] = SERVICES["secrets"]["command"]
    done = subprocess.run(
        ["sh", "-c", script.replace("$$", "$")],
        check=False, capture_output=True, text=True, timeout=30, env={"POSTGRES_PASSWORD": password},
    )  # fmt: skip
    assert (done.returncode == 0) is starts
    assert starts or "POSTGRES_PASSWORD" in done.stderr


def test_shell_scripts_can_be_read():
    for script in (HOME / "deploy").glob("*.sh"):
        subprocess.run(["sh", "-n", script], check=True, timeout=30)
