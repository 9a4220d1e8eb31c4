"""The files around the code agree with each other and with the code."""

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from gristmill import __version__, settings_reference
from gristmill.deploy import files
from gristmill.shared.contract.options import longest_run
from gristmill.shared.queues import PRIORITY_QUEUE, QUEUES
from gristmill.shared.settings import SECRETS, Settings, environment, load_settings
from gristmill.shared.task import registry

ROOT = Path(__file__).parents[2]
GRISTMILL = Path(sys.executable).with_name("gristmill")
LOCKED = [ROOT / "requirements" / f"{name}.txt" for name in ("runtime", "dev", "image")]
ADDRESS = re.compile(r"://|--(?:extra-)?index-url|--find-links|\bfile:|^\s*-[if]\s", re.MULTILINE)
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)(.*?)(?=^[a-z0-9]|\Z)", re.MULTILINE | re.DOTALL)
REQUIRED = {"DATABASE_URL", "BROKER_URL", "REDIS_URL", "SMTP_URL", "SECRET_KEY"}
TO_SETTLE = timedelta(seconds=15)  # after the hard limit, to write down what became of the job


def procfile() -> dict[str, list[str]]:
    lines = (line.partition(":") for line in (ROOT / "Procfile").read_text().splitlines() if line)
    return {name: command.split() for name, _, command in lines}


def compose() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    return services


def deployments() -> dict[str, dict[str, Any]]:
    manifests = [
        manifest
        for file in sorted((ROOT / "deploy" / "k8s").glob("*.yaml"))
        for manifest in yaml.safe_load_all(file.read_text())
    ]
    return {item["metadata"]["name"]: item["spec"] for item in manifests if item["kind"] == "Deployment"}


def example_settings() -> dict[str, str]:
    return dict(re.findall(r"^# (GRISTMILL_[A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))


def queue_of(command: list[str]) -> str:
    return command[command.index("--queue") + 1]


def concurrency_of(command: list[str]) -> int:
    return int(command[command.index("--concurrency") + 1])


WORKERS = {name: command for name, command in procfile().items() if "worker" in command}


@pytest.mark.parametrize("file", LOCKED, ids=lambda file: file.name)
def test_a_requirement_file_names_packages_and_hashes_and_no_address(file: Path) -> None:
    text = file.read_text()
    pins = PIN.findall(text)
    assert len(pins) > 50
    assert [name for name, _, rest in pins if "--hash=sha256:" not in rest] == []
    assert ADDRESS.findall(text) == []


@pytest.mark.parametrize("file", sorted((ROOT / "bench").rglob("requirements/*.txt")), ids=lambda file: file.stem)
def test_what_only_measurements_need_is_pinned_by_hash_and_names_no_address(file: Path) -> None:
    text = file.read_text()
    pins = PIN.findall(text)
    assert pins
    assert [name for name, _, rest in pins if "--hash=sha256:" not in rest] == []
    assert ADDRESS.findall(text) == []


@pytest.mark.parametrize("file", sorted((ROOT / "bench").rglob("requirements/*.json")), ids=lambda file: file.stem)
def test_node_packages_of_measurements_have_exact_versions_and_no_address(file: Path) -> None:
    named = json.loads(file.read_text())
    versions = {**named.get("dependencies", {}), **named.get("optionalDependencies", {})}
    assert versions
    assert [version for version in versions.values() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []


def test_no_lock_file_of_node_is_kept() -> None:
    assert [path for path in (ROOT / "bench").rglob("*lock*.json") if path.is_file()] == []


def test_development_runs_on_the_versions_that_production_runs_on() -> None:
    runtime, dev, image = ({name: version for name, version, _ in PIN.findall(file.read_text())} for file in LOCKED)
    assert {name: dev.get(name) for name in runtime} == runtime
    assert {name: runtime.get(name) for name in image} == image


def test_compose_file_manifests_and_procfile_are_what_the_command_prints() -> None:
    image = f"gristmill:{__version__}"
    assert (ROOT / "docker-compose.yaml").read_text() == files.compose(image), "gristmill deploy compose"
    assert (ROOT / "Procfile").read_text() == files.procfile(), "gristmill deploy procfile"
    kept = {path.name: path.read_text() for path in (ROOT / "deploy" / "k8s").iterdir()}
    assert kept == files.kubernetes(image), "gristmill deploy kubernetes --into deploy/k8s"


def test_the_procfile_has_one_group_of_workers_for_each_queue() -> None:
    groups = sorted((queue_of(command), concurrency_of(command)) for command in WORKERS.values())
    assert groups == sorted((queue.name, queue.concurrency) for queue in QUEUES.values())


def test_compose_starts_what_the_procfile_starts() -> None:
    services = compose()
    assert {name: ["gristmill", *services[name]["command"]] for name in procfile()} == procfile()


def test_kubernetes_starts_what_the_procfile_starts() -> None:
    started = {
        name.replace("-", "_"): ["gristmill", *spec["template"]["spec"]["containers"][0]["args"]]
        for name, spec in deployments().items()
    }
    assert started == procfile()


@pytest.mark.parametrize("command", [*procfile().values(), ["gristmill", "db", "upgrade"]], ids=" ".join)
def test_the_command_knows_what_the_procfile_calls(command: list[str]) -> None:
    # --help is answered after all options have been parsed, so an unknown one still fails.
    asked = [str(GRISTMILL), *command[1:], "--help"]
    answer = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_is_given_the_time_to_end_what_it_runs(name: str) -> None:
    import tests.platform_tasks  # noqa: F401  fills the registry

    queue = QUEUES[queue_of(WORKERS[name])]
    runs = [
        task for task in registry if not task.demo and queue in (task.queue, PRIORITY_QUEUE)
    ]  # any task may be urgent
    needed = TO_SETTLE + max((longest_run(task.time_limit, task.bundle) for task in runs), default=timedelta())
    pod = deployments()[name.replace("_", "-")]["template"]["spec"]
    assert timedelta(seconds=pod["terminationGracePeriodSeconds"]) >= needed
    assert timedelta(seconds=int(compose()[name]["stop_grace_period"].removesuffix("s"))) >= needed


def test_compose_has_no_secret_of_its_own_and_publishes_on_loopback_only() -> None:
    secrets = {f"GRISTMILL_{name.upper()}" for name in SECRETS if not name.endswith("url")}
    for name, service in compose().items():
        for variable, value in service.get("environment", {}).items():
            if variable in secrets or variable.endswith("_PASS") or ("://" in value and "@" in value):
                assert re.search(r"\$\{[A-Z_]+:\?[^}]+\}", value), f"{name}: {variable} must come from the environment"
        assert [port for port in service.get("ports", []) if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", settings_reference.FILES)
def test_the_files_that_list_the_settings_are_made_from_their_declaration(name: str) -> None:
    made = settings_reference.FILES[name]()
    assert (ROOT / name).read_text() == made, f"{name} is not what the declaration says: {settings_reference.COMMAND}"


def test_the_example_names_every_setting_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    example = example_settings()
    assert sorted(example) == sorted(setting.variable for setting in settings_reference.SETTINGS)
    of_a_process = {f"GRISTMILL_{name.upper()}" for name in Settings.__dataclass_fields__}
    assert of_a_process <= example.keys()

    for name in example:
        monkeypatch.delenv(name, raising=False)
    for name in REQUIRED:
        monkeypatch.setenv(f"GRISTMILL_{name}", example[f"GRISTMILL_{name}"] or "k" * 32)
    defaults = environment(load_settings(dotenv=None))
    without_default = {f"GRISTMILL_{name}" for name in REQUIRED}
    shown = {name: value for name, value in example.items() if name in of_a_process - without_default and value}
    assert shown == {name: value for name, value in defaults.items() if name in shown}
    assert {name for name in defaults if name not in shown} == without_default


def test_the_example_holds_no_secret_of_its_own() -> None:
    example = example_settings()
    assert example["GRISTMILL_SECRET_KEY"] == ""
    assert example["GRISTMILL_FLOWER_PASSWORD"] == ""
