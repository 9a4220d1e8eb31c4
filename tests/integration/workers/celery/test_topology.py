"""What is declared on RabbitMQ, as RabbitMQ tells it."""

from typing import Any

import pytest

from gristmill.services.rabbitmq import RabbitMQ
from gristmill.shared.queues import QUEUES
from gristmill.workers.celery import topology
from tests.integration.workers.messages import connected, described, vhost_of

# From the architecture's table: binding, time to live in milliseconds (a week for what lives for ever), dead letters.
WEEK = 7 * 24 * 3600 * 1000
TABLE = {
    "user_queue": ("user.*", WEEK, "user_dlq"),
    "email_queue": ("email.*", 3_600_000, "email_dlq"),
    "notification_queue": ("notification.*", 1_800_000, "notification_dlq"),
    "data_processing_queue": ("processing.*", 21_600_000, "processing_dlq"),
    "priority_queue": ("priority.*", 300_000, "priority_dlq"),
}


def test_rabbitmq_has_the_queues_of_the_architecture_with_their_guards(
    rabbitmq_server: RabbitMQ, rabbitmq_url: str
) -> None:
    with connected(rabbitmq_url) as connection:
        topology.declare(connection)
        topology.declare(connection)  # once more changes nothing
    queues = described(rabbitmq_server, rabbitmq_url, "queues")
    assert set(queues) == {name for queue, (_, _, dead) in TABLE.items() for name in (queue, dead)}
    assert all(queue["durable"] for queue in queues.values())
    for name, (_, stay, dead) in TABLE.items():
        assert queues[name]["arguments"] == {
            "x-queue-type": "quorum",
            "x-dead-letter-exchange": "app_dlx",
            "x-dead-letter-routing-key": dead,
            "x-dead-letter-strategy": "at-most-once",
            "x-overflow": "reject-publish",
            "x-delivery-limit": topology.DELIVERY_LIMIT,
            "x-message-ttl": stay,
        }
        assert queues[dead]["arguments"] == {"x-queue-type": "quorum"}


def test_rabbitmq_has_the_exchanges_and_bindings_of_the_architecture(
    rabbitmq_server: RabbitMQ, rabbitmq_url: str
) -> None:
    with connected(rabbitmq_url) as connection:
        topology.declare(connection)
    exchanges = described(rabbitmq_server, rabbitmq_url, "exchanges")
    assert (exchanges["app_exchange"]["type"], exchanges["app_exchange"]["durable"]) == ("topic", True)
    assert (exchanges["app_dlx"]["type"], exchanges["app_dlx"]["durable"]) == ("direct", True)
    bindings: Any = rabbitmq_server.api("GET", f"/api/bindings/{vhost_of(rabbitmq_url)}")
    made = {(each["source"], each["routing_key"], each["destination"]) for each in bindings if each["source"]}
    expected = {("app_exchange", binding, queue) for queue, (binding, _, _) in TABLE.items()}
    assert made == expected | {("app_dlx", dead, dead) for _, _, dead in TABLE.values()}


def test_a_queue_of_our_name_with_other_arguments_is_refused_with_the_cure(rabbitmq_url: str) -> None:
    with connected(rabbitmq_url) as connection:
        channel: Any = connection.channel()
        channel.queue_declare("email_queue", durable=True, auto_delete=False)
    with (
        connected(rabbitmq_url) as connection,
        pytest.raises(topology.TopologyError, match=r"email_queue.*Drain and delete it"),
    ):
        topology.declare(connection)


def test_the_architectures_table_names_every_queue() -> None:
    assert set(TABLE) == set(QUEUES)
