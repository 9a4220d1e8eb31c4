"""Each command runs with its extra alone, and says which one it lacks."""

from pathlib import Path

import pytest

from gristmill.cli import _COMMANDS
from gristmill.extras import EXTRAS
from gristmill.ports import free_port
from tests.bare_environment import BareEnvironment

SETTINGS = {
    "GRISTMILL_DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/nothing",
    "GRISTMILL_BROKER_URL": "amqp://nobody:nothing@127.0.0.1:1/nothing",
    "GRISTMILL_REDIS_URL": "redis://127.0.0.1:1/0",
    "GRISTMILL_SMTP_URL": "smtp://127.0.0.1:1",
    "GRISTMILL_SECRET_KEY": "0" * 64,
}
COMMANDS = {name: [name] for name in EXTRAS} | {"worker": ["worker", "--queue", "email_queue"], "db": ["db", "upgrade"]}
PROCESS = "from gristmill.shared.plugins.load import load_plugins; load_plugins()"
# What each process imports. Nothing is started: whatever is lacking would stop an import.
IMPORTS = {
    "platform": f"{PROCESS}; from gristmill import migrations; import gristmill.shared.database.connect",
    "web": f"{PROCESS}; import gristmill.ingress.serve, gristmill.ingress.app, gristmill.web",
    "worker": (
        f"{PROCESS}; import gristmill.workers.celery.worker, gristmill.workers.celery.beat, "
        "gristmill.workers.relay.loop, gristmill.workers.repair.maintenance, redis"
    ),
    "flower": f"{PROCESS}; import gristmill.workers.celery.flower, flower.command, redis",
    "embedded": (
        "import gristmill.up.run, gristmill.demo.run, gristmill.services.mailcatcher_process; "
        "from gristmill.services import postgres, valkey; "
        "postgres.find_postgres_binaries(), valkey.find_valkey_server()"
    ),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BareEnvironment:
    return BareEnvironment(tmp_path_factory.mktemp("base"), "")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_whose_extra_is_missing_says_what_to_install(base: BareEnvironment, command: str) -> None:
    ended = base.run("-m", "gristmill", *COMMANDS[command], **SETTINGS)
    extra = EXTRAS.get(command, "platform")
    assert ended.stderr == f"Error: gristmill {command} needs the extra {extra}: pip install 'gristmill[{extra}]'\n"
    assert ended.returncode == 1


@pytest.mark.parametrize("command", ["", *_COMMANDS])
def test_help_needs_no_extra(base: BareEnvironment, command: str) -> None:
    ended = base.run("-m", "gristmill", *command.split(), "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("Usage: ")


@pytest.mark.parametrize("command", ["jobs list", "keys list", "queues pause email_queue --reason x", "tasks list"])
def test_a_platform_elsewhere_is_operated_without_an_extra(base: BareEnvironment, command: str) -> None:
    far = {"GRISTMILL_URL": f"http://127.0.0.1:{free_port()}", "GRISTMILL_API_KEY": "gm_aaaaaaaaaaaa_x"}
    ended = base.run("-m", "gristmill", *command.split(), **far)
    assert (ended.returncode, "does not answer" in ended.stderr) == (1, True), ended.stderr


@pytest.mark.parametrize("extra", IMPORTS)
def test_an_extra_brings_all_that_its_processes_import(extra: str, tmp_path: Path) -> None:
    ended = BareEnvironment(tmp_path, extra).run("-c", IMPORTS[extra], **SETTINGS)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_module_of_the_project_that_is_missing_is_no_missing_extra(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.gristmill]\nplugin = "shop.mill:plugin"\n')
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "mill.py").write_text("import heavy_library\n")
    ended = BareEnvironment(tmp_path, "worker").run("-m", "gristmill", "relay", **SETTINGS)
    assert "No module named 'heavy_library'" in ended.stderr
    assert "needs the extra" not in ended.stderr


def test_the_plugin_of_pytest_stands_in_nobodys_way_where_no_extra_is_installed(tmp_path: Path) -> None:
    (tmp_path / "test_shop.py").write_text("from gristmill import enqueue\n\ndef test_it():\n    assert enqueue\n")
    ended = BareEnvironment(tmp_path, "", "pytest").run("-m", "pytest", "-q", "test_shop.py")
    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr


def test_a_platform_elsewhere_is_operated_without_an_extra_and_a_database_is_not(base: BareEnvironment) -> None:
    address = {"GRISTMILL_URL": "http://127.0.0.1:1", "GRISTMILL_API_KEY": "0" * 40}
    elsewhere = base.run("-m", "gristmill", "queues", "list", **address)
    assert elsewhere.returncode == 1
    assert "http://127.0.0.1:1" in elsewhere.stderr
    assert "extra" not in elsewhere.stderr
    here = base.run("-m", "gristmill", "queues", "list", **SETTINGS)
    assert here.stderr == "Error: gristmill queues needs the extra platform: pip install 'gristmill[platform]'\n"
