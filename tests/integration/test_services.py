"""The private servers start, ask for their password, and survive a kill with their data."""

import os
import smtplib
from collections.abc import Iterator
from contextlib import closing, suppress
from email.message import EmailMessage

import httpx
import kombu
import psutil
import psycopg2
import pytest
import redis

from gristmill import process
from gristmill.services.mailcatcher_process import MailCatcher
from gristmill.services.postgres import Postgres
from gristmill.services.rabbitmq import RabbitMQ
from gristmill.services.valkey import Valkey
from tests.conftest import Make
from tests.eventually import eventually
from tests.processes import working_in

# A cold RabbitMQ takes up to 25 s on a busy machine, and some of these tests start it twice.


def query(server: Postgres, statement: str) -> object:
    with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


def test_postgres_keeps_what_was_committed_over_a_kill(make: Make) -> None:
    server = make(Postgres)
    assert isinstance(server, Postgres)
    server.start()
    query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    url = server.url

    server.kill()
    server.start()

    assert server.url == url
    assert query(server, "SELECT answer FROM kept") == [(42,)]


def test_postgres_starts_although_its_stale_pid_file_names_a_stranger(make: Make) -> None:
    server = make(Postgres)
    assert isinstance(server, Postgres)
    server.start()
    pid_file = server.data_dir / "cluster" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    server.kill()

    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    eventually(lambda: not working_in(server.data_dir))
    server.start()

    assert query(server, "SELECT 1") == [(1,)]


def test_two_postgres_servers_do_not_share_a_folder(make: Make) -> None:
    server = make(Postgres)
    server.start()
    second = Postgres(server.data_dir)

    with pytest.raises(process.ServiceFailedError, match=r"is in use by another Postgres \(pid \d+\)"):
        second.start()


def test_postgres_speaks_utf8_and_asks_for_its_password(postgres_server: Postgres) -> None:
    assert query(postgres_server, "SHOW server_encoding") == [("UTF8",)]
    assert query(postgres_server, "SHOW listen_addresses") == [("127.0.0.1",)]
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(host="127.0.0.1", port=postgres_server.port, user="gristmill", password="guess")


def test_each_test_has_a_migrated_database_of_its_own(database_url: str) -> None:
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM gristmill.alembic_version")
        assert cursor.fetchone() == (1,)
        cursor.execute("SELECT count(*) FROM gristmill.jobs")
        assert cursor.fetchone() == (0,)


def test_valkey_keeps_what_it_answered_over_a_kill(make: Make) -> None:
    server = make(Valkey)
    assert isinstance(server, Valkey)
    server.start()
    with closing(redis.Redis.from_url(server.url)) as client:
        client.set("kept", "42")

    server.kill()
    server.start()

    with closing(redis.Redis.from_url(server.url)) as client:
        assert client.get("kept") == b"42"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_valkey_refuses_whoever_has_no_password(valkey_server: Valkey) -> None:
    with closing(redis.Redis(port=valkey_server.port)) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_rabbitmq_keeps_confirmed_messages_over_a_kill(make: Make) -> None:
    node = make(RabbitMQ)
    assert isinstance(node, RabbitMQ)
    node.start()
    url = node.create_vhost("kept")
    quorum = {"x-queue-type": "quorum"}
    confirmed = kombu.Connection(url, transport_options={"confirm_publish": True})
    with confirmed as connection, connection.SimpleQueue("kept", queue_args=quorum) as simple:
        for number in range(20):
            simple.put(number)

    # RabbitMQ writes its list of quorum queues to disk every half second; a queue that a kill finds missing there never
    # gets a leader again.
    (names,) = node.data_dir.glob("mnesia/*/quorum/*/names.dets")
    eventually(lambda: b"kept_kept" in names.read_bytes())
    node.kill()
    node.start()

    def received() -> list[object]:
        with kombu.Connection(url) as connection, connection.SimpleQueue("kept", queue_args=quorum) as simple:
            return [simple.get(timeout=30).payload for _ in range(20)]

    assert eventually(received, within=60) == list(range(20))


def test_each_broker_is_empty_and_ours(broker_url: str) -> None:
    with kombu.Connection(broker_url) as connection, connection.SimpleQueue("mine") as simple:
        with pytest.raises(simple.Empty):
            simple.get(block=False)
        simple.put("grist")
        assert simple.get(timeout=30).payload == "grist"


def statuses(processes: list[psutil.Process]) -> Iterator[str]:
    """The states of those that run still: a node starts helpers that end by themselves."""
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            yield each.status()


def test_a_paused_rabbitmq_stands_still_at_once_and_goes_on_where_it_was(
    rabbitmq_server: RabbitMQ, rabbitmq_url: str
) -> None:
    assert rabbitmq_server.process is not None
    node = psutil.Process(rabbitmq_server.process.pid)
    everybody = [node, *node.children(recursive=True)]
    for _ in range(100):
        rabbitmq_server.pause()
        try:
            assert set(statuses(everybody)) == {psutil.STATUS_STOPPED}
        finally:
            rabbitmq_server.resume()
    with kombu.Connection(rabbitmq_url) as connection:
        connection.connect()
        assert connection.connected


def test_the_mail_catcher_shows_what_it_caught(mailcatcher: MailCatcher) -> None:
    for name in ("ann", "bob"):
        message = EmailMessage()
        message["From"] = "Mill <mill@example.org>"
        message["To"] = f"{name}@example.org"
        message["Subject"] = f"Größe für {name}"
        message["Message-ID"] = f"<{name}@mill>"
        message.set_content("plain & short")
        message.add_alternative("<p>rich</p>", subtype="html")
        with smtplib.SMTP("127.0.0.1", mailcatcher.smtp_port, timeout=30) as client:
            client.send_message(message)

    with httpx.Client(base_url=mailcatcher.url, trust_env=False, timeout=60) as http:
        caught = http.get("/mail").json()
        assert caught["count"] == 2
        assert [each["to"] for each in caught["messages"]] == [["bob@example.org"], ["ann@example.org"]]
        (ann,) = http.get("/mail", params={"to": "ANN@example.org", "limit": 5}).json()["messages"]
        assert (ann["from"], ann["subject"]) == ("Mill <mill@example.org>", "Größe für ann")
        assert (ann["text"].strip(), ann["html"].strip()) == ("plain & short", "<p>rich</p>")
        assert ann["message_id"] == "<ann@mill>"
        assert "Message-ID: <ann@mill>" in http.get(f"/mail/{ann['id']}").text
        assert "plain &amp; short" in http.get("/").text
        assert http.get("/mail", params={"limit": "many"}).status_code == 400
        assert http.delete("/mail").status_code == 200
        assert http.get("/mail").json() == {"count": 0, "messages": []}


def test_the_mail_catcher_keeps_what_is_broken_and_shows_it(mailcatcher: MailCatcher) -> None:
    broken = b"From: <<@@\r\nTo: \xff\r\nContent-Type: text/plain; charset=no-such\r\nMessage-ID: <\r\n\r\n\xff body"
    with smtplib.SMTP("127.0.0.1", mailcatcher.smtp_port, timeout=30) as client:
        client.sendmail("a@example.org", ["b@example.org"], broken)

    with httpx.Client(base_url=mailcatcher.url, trust_env=False, timeout=60) as http:
        (caught,) = http.get("/mail").json()["messages"]
        assert caught["to"] == ["b@example.org"]
        assert "body" in caught["text"]
        assert http.get("/").status_code == 200
