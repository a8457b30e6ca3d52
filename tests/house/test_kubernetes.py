"""What deploy/kubernetes promises, as far as it can be read from it."""

import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.urls import resolve

from proxy_site.secrecy import check_secret

HOME = Path(__file__).parents[2]
FOLDER = HOME / "deploy/kubernetes"
DEFAULTS = dict(re.findall(r"^#([A-Z_]+)=(.*)$", (HOME / ".env.example").read_text(), re.MULTILINE))
COMPOSE = yaml.safe_load((HOME / "docker-compose.yml").read_text())["services"]
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
SETTINGS = dict(re.findall(r"^([A-Z_]+)=(.*)$", (FOLDER / "settings.env").read_text(), re.MULTILINE))


def documents(*names: str) -> list[dict]:
    return [document for name in names for document in yaml.safe_load_all((FOLDER / name).read_text())]


BASE = documents(*KUSTOMIZATION["resources"])
EXAMPLES = {path.name: documents(path.name)[0] for path in sorted(FOLDER.glob("*.example.yaml"))}
SECRET = EXAMPLES["secret.example.yaml"]
WORKLOADS = {document["metadata"]["name"]: document for document in BASE if "template" in document["spec"]}
PODS = {name: workload["spec"]["template"] for name, workload in WORKLOADS.items()}
CONTAINERS = {
    f"{name}: {container['name']}": (pod["spec"], container)
    for name, pod in PODS.items()
    for container in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]
}
every_pod = pytest.mark.parametrize("name", PODS)
every_container = pytest.mark.parametrize("name", CONTAINERS)


def one(kind: str, name: str) -> dict:
    [found] = [document for document in BASE if (document["kind"], document["metadata"]["name"]) == (kind, name)]
    return found


def chosen(labels: dict[str, str]) -> set[str]:
    """The workloads whose pods a selector means."""
    return {name for name, pod in PODS.items() if labels.items() <= pod["metadata"]["labels"].items()}


def view_of(path: str) -> str:
    return resolve(path, urlconf="openai_api.urls").func.view_class.__name__


def test_all_that_is_no_example_is_applied_and_no_example_is():
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(KUSTOMIZATION["resources"]) == files - set(EXAMPLES)
    assert set(PODS) == {"castor-web", "castor-worker", "castor-beat"}


def test_nothing_names_a_namespace():
    assert [document for document in [*BASE, *EXAMPLES.values()] if "namespace" in document["metadata"]] == []
    assert "namespace" not in KUSTOMIZATION


def test_every_setting_is_one():
    assert SETTINGS.keys() | SECRET["stringData"].keys() <= DEFAULTS.keys()
    assert not SETTINGS.keys() & SECRET["stringData"].keys()


@every_container
def test_a_container_has_the_settings_and_runs_what_compose_runs(name):
    _, container = CONTAINERS[name]
    service = COMPOSE[{"prepare": "migrate"}.get(container["name"], container["name"])]
    assert container["image"] == re.fullmatch(r"\$\{CASTOR_IMAGE:-(.+)\}", service["image"])[1]
    assert container.get("args") == service.get("command")
    assert container["envFrom"] == [{"configMapRef": {"name": "castor"}}, {"secretRef": {"name": "castor"}}]
    assert KUSTOMIZATION["configMapGenerator"][0]["name"] == SECRET["metadata"]["name"] == "castor"


@every_container
def test_a_container_is_bounded_and_confined(name):
    pod, container = CONTAINERS[name]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"].keys() == {"requests", "limits"}
    # Whatever it writes to.
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert mounted.keys() >= {"/tmp", "/var/lib/castor"}
    kept = [claim["metadata"]["name"] for claim in WORKLOADS[name.split(":")[0]]["spec"].get("volumeClaimTemplates", [])]
    assert set(mounted.values()) <= {volume["name"] for volume in pod["volumes"]} | set(kept)


@every_pod
def test_a_pod_is_not_root_s_and_has_no_account(name):
    pod = PODS[name]["spec"]
    [uid] = re.findall(r"useradd --uid (\d+)", (HOME / "Dockerfile").read_text())
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert [security[key] for key in ("runAsUser", "runAsGroup", "fsGroup")] == [int(uid)] * 3
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False


@every_pod
def test_a_pod_s_claims_are_made(name):
    claims = [volume["persistentVolumeClaim"] for volume in PODS[name]["spec"]["volumes"] if "emptyDir" not in volume]
    assert all(one("PersistentVolumeClaim", claim["claimName"]) for claim in claims)


@every_container
def test_what_probes_ask_for_is_there(name):
    _, container = CONTAINERS[name]
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
    probes = [probe for key, probe in container.items() if key.endswith("Probe")]
    assert probes or container["name"] == "prepare"
    for probe in probes:
        if "httpGet" in probe:
            assert ports[probe["httpGet"]["port"]] == int(DEFAULTS["PORT"])
            assert view_of(probe["httpGet"]["path"]) in ("HealthView", "ReadyView")
        else:
            assert probe["exec"]["command"] == ["healthy.sh", container["name"]]


def test_an_outage_of_the_database_takes_no_web_pod_out_that_has_begun_to_serve():
    _, web = CONTAINERS["castor-web: web"]
    asked = {key: web[key]["httpGet"]["path"] for key in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert asked == {"startupProbe": "/ready", "readinessProbe": "/health", "livenessProbe": "/health"}


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_means_its_own_pods(name):
    assert chosen(WORKLOADS[name]["spec"]["selector"]["matchLabels"]) == {name}


def test_selectors_mean_whom_they_should():
    web = {"castor-web"}
    assert chosen(one("Service", "castor")["spec"]["selector"]) == web
    assert chosen(one("PodDisruptionBudget", "castor-web")["spec"]["selector"]["matchLabels"]) == web
    assert chosen(one("NetworkPolicy", "castor-web")["spec"]["podSelector"]["matchLabels"]) == web
    assert chosen(one("NetworkPolicy", "castor")["spec"]["podSelector"]["matchLabels"]) == set(PODS)
    for spread in PODS["castor-web"]["spec"]["topologySpreadConstraints"]:
        assert chosen(spread["labelSelector"]["matchLabels"]) == web


def test_whoever_leads_to_web_leads_to_its_service():
    service = one("Service", "castor")
    [port] = service["spec"]["ports"]
    [path] = EXAMPLES["ingress.example.yaml"]["spec"]["rules"][0]["http"]["paths"]
    assert path["backend"]["service"] == {"name": "castor", "port": {"name": port["name"]}}
    monitor = EXAMPLES["servicemonitor.example.yaml"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    [endpoint] = monitor["endpoints"]
    assert (endpoint["port"], view_of(endpoint["path"])) == (port["name"], "MetricsView")
    assert endpoint["authorization"]["credentials"] == {"name": "castor", "key": "METRICS_TOKEN"}


def test_answers_have_the_time_to_end():
    pod, web = CONTAINERS["castor-web: web"]
    [command, seconds] = web["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    assert pod["terminationGracePeriodSeconds"] >= int(seconds) + int(SETTINGS["SHUTDOWN_SECONDS"]) + 30


def test_the_ingress_lets_through_what_castor_takes():
    annotations = EXAMPLES["ingress.example.yaml"]["metadata"]["annotations"]
    told = {name.rpartition("/")[2]: value for name, value in annotations.items()}
    assert int(told["proxy-body-size"].removesuffix("m")) * 2**20 == int(DEFAULTS["MAX_UPLOAD_BYTES"])
    assert int(told["proxy-read-timeout"]) > int(DEFAULTS["TIMEOUT"])


def test_nothing_is_shared_but_what_needs_no_locks():
    """The journal's locks do not hold over a network file system, which a volume of several pods usually is."""
    assert one("PersistentVolumeClaim", "castor-media")["spec"]["accessModes"] == ["ReadWriteMany"]
    mounts = {mount["mountPath"] for _, each in CONTAINERS.values() for mount in each["volumeMounts"] if mount["name"] == "media"}
    assert mounts == {"/var/lib/castor/media", "/var/lib/castor/late_errors"}
    [data] = WORKLOADS["castor-web"]["spec"]["volumeClaimTemplates"]
    assert data["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_one_beat_is_gone_before_the_next_begins():
    beat = WORKLOADS["castor-beat"]["spec"]
    assert (beat["replicas"], beat["strategy"]) == (1, {"type": "Recreate"})


def test_the_sample_secrets_are_refused():
    samples = SECRET["stringData"]
    with pytest.raises(ImproperlyConfigured):
        check_secret("SECRET_KEY", samples["SECRET_KEY"], least=32, remedy="")
    with pytest.raises(ValueError, match="Fernet"):
        Fernet(samples["CREDENTIAL_ENCRYPTION_KEYS"])
    assert all(urlsplit(samples[name]).hostname.endswith(".invalid") for name in ("DATABASE_URL", "REDIS_URL"))
    assert samples["METRICS_TOKEN"] == ""


def test_the_documented_commands_make_the_secret(tmp_path):
    page = (HOME / "docs/kubernetes.md").read_text()
    [block] = re.findall(r"^```\n(umask .*?)^```$", page, re.MULTILINE | re.DOTALL)
    subprocess.run(["bash", "-euc", block], check=True, cwd=tmp_path, timeout=30)
    [file] = tmp_path.iterdir()
    assert f"kubectl -n castor create secret generic {SECRET['metadata']['name']} --from-env-file={file.name}\n" in page
    made = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert made.keys() == SECRET["stringData"].keys()
    check_secret("SECRET_KEY", made["SECRET_KEY"], least=32, remedy="")
    Fernet(made["CREDENTIAL_ENCRYPTION_KEYS"])
    assert file.stat().st_mode & 0o777 == 0o600
