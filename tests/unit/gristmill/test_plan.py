"""`gristmill up`: settings from the environment, and the plan that is made of them."""

import re
import socket
from pathlib import Path

import pytest

from gristmill import ports
from gristmill.ports import PortInUseError
from gristmill.process import ServiceFailedError
from gristmill.services.mailcatcher_process import MailCatcher
from gristmill.services.postgres import Postgres
from gristmill.services.rabbitmq import RabbitMQ
from gristmill.services.valkey import Valkey
from gristmill.shared.queues import QUEUES
from gristmill.up.environment import given_settings, port_of, require_free
from gristmill.up.folder import Folder
from gristmill.up.plan import Embedded, Options, choose_embedded, programs, stop_order
from gristmill.up.screen import curl
from gristmill.up.settings import SERVER_PORTS, UP_SETTINGS

URLS = {
    "GRISTMILL_DATABASE_URL": "postgresql://u:p@db/mill",
    "GRISTMILL_BROKER_URL": "amqp://u:p@mq//",
    "GRISTMILL_REDIS_URL": "redis://cache/0",
    "GRISTMILL_SMTP_URL": "smtp://mail:25",
}


def names(data: Path, given: dict[str, str], **options: bool) -> list[str]:
    return [server.name for server in chosen(data, given, **options).servers]


def chosen(data: Path, given: dict[str, str], *, public: int = 0, **options: bool) -> Embedded:
    listened = {"GRISTMILL_PORT": public or ports.free_port(), "GRISTMILL_MAIL_PORT": ports.free_port()}
    return choose_embedded(Options(data=data, **options), Folder(data), given, public=listened)


def test_everything_is_embedded_when_nothing_is_set(tmp_path: Path) -> None:
    assert names(tmp_path, {}) == ["postgres", "valkey", "mailcatcher"]


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (["GRISTMILL_DATABASE_URL"], ["valkey", "mailcatcher"]),
        (["GRISTMILL_BROKER_URL"], ["postgres", "valkey", "mailcatcher"]),
        (["GRISTMILL_BROKER_URL", "GRISTMILL_REDIS_URL"], ["postgres", "mailcatcher"]),
        (["GRISTMILL_SMTP_URL"], ["postgres", "valkey"]),
        (list(URLS), []),
    ],
)
def test_a_url_replaces_its_embedded_part(tmp_path: Path, given: list[str], left: list[str]) -> None:
    assert names(tmp_path, {name: URLS[name] for name in given}) == left


def test_without_a_catcher_there_is_no_catcher(tmp_path: Path) -> None:
    assert names(tmp_path, {}, mail=False) == ["postgres", "valkey"]


def test_a_private_rabbitmq_and_another_broker_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(ServiceFailedError, match="leave one of them out"):
        names(tmp_path, {"GRISTMILL_BROKER_URL": URLS["GRISTMILL_BROKER_URL"]}, rabbitmq=True)


def test_the_way_past_a_pooler_is_of_no_use_without_the_pooler(tmp_path: Path) -> None:
    direct = {"GRISTMILL_DATABASE_DIRECT_URL": URLS["GRISTMILL_DATABASE_URL"]}
    with pytest.raises(ServiceFailedError, match="set both or none"):
        names(tmp_path, direct)
    assert names(tmp_path, {**URLS, **direct}) == []


def test_rabbitmq_that_is_not_installed_is_named_with_the_way_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRISTMILL_RABBITMQ_BIN", str(tmp_path))
    with pytest.raises(ServiceFailedError, match="apt-get install rabbitmq-server"):
        names(tmp_path, {}, rabbitmq=True)


def test_the_environment_wins_over_the_file_and_empty_counts_as_not_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("GRISTMILL_PORT=1\nGRISTMILL_HOST=h\nGRISTMILL_REDIS_URL=\nOTHER=x\n")
    monkeypatch.setenv("GRISTMILL_PORT", "2")
    found = given_settings(dotenv)
    assert (found["GRISTMILL_PORT"], found["GRISTMILL_HOST"]) == ("2", "h")
    assert "GRISTMILL_REDIS_URL" not in found
    assert "OTHER" not in found


@pytest.mark.parametrize("text", ["x", "0", "65536", "-1"])
def test_what_is_no_port_is_refused_with_its_setting(text: str) -> None:
    with pytest.raises(PortInUseError, match=f"GRISTMILL_PORT={text} is no port"):
        port_of({"GRISTMILL_PORT": text}, "GRISTMILL_PORT", 8000)


def test_a_port_in_use_is_told_with_its_holder_and_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"port {port} is in use by .*\(pid \d+\).*GRISTMILL_PORT"):
            require_free({"GRISTMILL_PORT": port, "GRISTMILL_FLOWER_PORT": ports.free_port()}, "127.0.0.1")


def test_two_parts_cannot_have_one_port() -> None:
    port = ports.free_port()
    with pytest.raises(PortInUseError, match="GRISTMILL_PORT and GRISTMILL_FLOWER_PORT must differ"):
        require_free({"GRISTMILL_PORT": port, "GRISTMILL_FLOWER_PORT": port}, "127.0.0.1")
    with pytest.raises(PortInUseError, match="GRISTMILL_PORT and GRISTMILL_VALKEY_PORT must differ"):
        require_free({"GRISTMILL_PORT": port}, "127.0.0.1", {"GRISTMILL_VALKEY_PORT": port})


def test_each_embedded_server_listens_where_its_setting_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rabbitmq = tmp_path / "rabbitmq-server"
    rabbitmq.touch(mode=0o700)
    monkeypatch.setenv("GRISTMILL_RABBITMQ_BIN", str(tmp_path))
    wanted = {setting: ports.free_port() for setting in SERVER_PORTS.values()}
    found = chosen(tmp_path / "data", {setting: str(port) for setting, port in wanted.items()}, rabbitmq=True)
    assert {setting: found.ports[setting] for setting in wanted} == wanted
    postgres, broker, valkey, mail = found.servers
    assert isinstance(postgres, Postgres)
    assert isinstance(broker, RabbitMQ)
    assert isinstance(valkey, Valkey)
    assert isinstance(mail, MailCatcher)
    listened = [postgres.port, valkey.port, broker.port, broker.management_port, mail.smtp_port]
    assert listened == list(wanted.values())


@pytest.mark.parametrize("setting", SERVER_PORTS.values())
def test_a_server_s_setting_that_is_no_port_is_refused(tmp_path: Path, setting: str) -> None:
    with pytest.raises(PortInUseError, match=f"{setting}=70000 is no port"):
        chosen(tmp_path, {setting: "70000"})


def test_a_port_that_is_not_set_is_found_beside_those_that_are(tmp_path: Path) -> None:
    before = chosen(tmp_path, {}).ports
    assert chosen(tmp_path, {}).ports.items() >= {k: v for k, v in before.items() if "MAIL" not in k}.items()
    taken = before["GRISTMILL_VALKEY_PORT"]
    assert chosen(tmp_path, {"GRISTMILL_POSTGRES_PORT": str(taken)}).ports["GRISTMILL_VALKEY_PORT"] != taken
    again = chosen(tmp_path, {}).ports["GRISTMILL_VALKEY_PORT"]
    assert chosen(tmp_path, {}, public=again).ports["GRISTMILL_VALKEY_PORT"] != again


def test_every_setting_that_a_message_about_ports_names_is_declared() -> None:
    text = "".join(file.read_text() for file in Path(ports.__file__).parent.rglob("*.py"))
    named = set(re.findall(r"setting=\"(GRISTMILL_[A-Z_]+)\"", text))
    assert len(named) == 6
    assert named <= {each.variable for each in UP_SETTINGS}


def test_there_is_one_worker_for_each_queue_with_the_queue_s_concurrency() -> None:
    wanted = {queue.name: queue.concurrency for queue in QUEUES.values()}
    workers = [arguments for arguments in programs(wanted, flower=True).values() if arguments[0] == "worker"]
    assert {line[2]: int(line[4]) for line in workers} == wanted


def test_everything_that_runs_has_its_place_in_the_order_of_stopping() -> None:
    run = programs({"email_queue": 5, "report_queue": 1}, flower=True).keys()
    placed = frozenset().union(*(stage.names for stage in stop_order(run)))
    servers = {"postgres", "valkey", "rabbitmq", "mailcatcher"}
    assert placed == servers | run


def test_the_command_to_paste_survives_a_folder_with_spaces(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "a folder's data")
    assert curl(folder).splitlines()[0].startswith(". '/")
