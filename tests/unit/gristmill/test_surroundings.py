"""What `up` takes from the environment, and what it makes itself."""

import socket
from pathlib import Path

import pytest

from gristmill import ports
from gristmill.ports import PortInUseError
from gristmill.process import ServiceFailedError
from gristmill.shared.queues import QUEUES
from gristmill.up.environment import given_settings, port_of, require_free
from gristmill.up.folder import Folder
from gristmill.up.plan import STOP_ORDER, Options, choose_embedded, programs
from gristmill.up.screen import curl

URLS = {
    "GRISTMILL_DATABASE_URL": "postgresql://u:p@db/mill",
    "GRISTMILL_BROKER_URL": "amqp://u:p@mq//",
    "GRISTMILL_REDIS_URL": "redis://cache/0",
    "GRISTMILL_SMTP_URL": "smtp://mail:25",
}


def names(data: Path, given: dict[str, str], **options: bool) -> list[str]:
    chosen = choose_embedded(Options(data=data, **options), Folder(data), given, mail_port=ports.free_port())
    return [server.name for server in chosen.servers]


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
    with pytest.raises(PortInUseError, match="must differ"):
        require_free({"GRISTMILL_PORT": port, "GRISTMILL_FLOWER_PORT": port}, "127.0.0.1")


def test_there_is_one_worker_for_each_queue_with_the_queue_s_concurrency() -> None:
    workers = [arguments for arguments in programs(flower=True).values() if arguments[0] == "worker"]
    assert [(line[2], int(line[4])) for line in workers] == [(q.name, q.concurrency) for q in QUEUES.values()]


def test_everything_that_runs_has_its_place_in_the_order_of_stopping(tmp_path: Path) -> None:
    placed = frozenset().union(*(stage.names for stage in STOP_ORDER))
    servers = {"postgres", "valkey", "rabbitmq", "mailcatcher"}
    assert placed == servers | programs(flower=True).keys()


def test_the_command_to_paste_survives_a_folder_with_spaces(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "a folder's data")
    assert curl(folder).splitlines()[0].startswith(". '/")
