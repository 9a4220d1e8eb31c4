"""Declare the settings that only `gristmill up` reads; those of every process are in gristmill.shared.settings."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class UpSetting:
    """A setting of `gristmill up`.

    Attributes:
        name: The environment variable.
        default: Its value when it is not set; empty where `up` finds one by itself.
        text: Its description, in one line.
    """

    name: str
    default: str
    text: str


MAIL_PORT: Final = 8025

# The setting of each embedded server's port. A port that is not set is chosen once and kept in the data folder.
SERVER_PORTS: Final = {
    "postgres": "GRISTMILL_POSTGRES_PORT",
    "valkey": "GRISTMILL_VALKEY_PORT",
    "rabbitmq": "GRISTMILL_RABBITMQ_PORT",
    "rabbitmq_management": "GRISTMILL_RABBITMQ_MANAGEMENT_PORT",
    "smtp": "GRISTMILL_SMTP_PORT",
}

UP_SETTINGS: Final = (
    UpSetting("GRISTMILL_MAIL_PORT", str(MAIL_PORT), "Port on which caught mail is read."),
    UpSetting("GRISTMILL_SMTP_PORT", "", "Port to which mail is sent to be caught; a free one by default."),
    UpSetting("GRISTMILL_POSTGRES_PORT", "", "Port of the embedded Postgres; a free one by default."),
    UpSetting("GRISTMILL_VALKEY_PORT", "", "Port of the embedded Valkey; a free one by default."),
    UpSetting("GRISTMILL_RABBITMQ_PORT", "", "AMQP port of the private RabbitMQ node; a free one by default."),
    UpSetting(
        "GRISTMILL_RABBITMQ_MANAGEMENT_PORT", "", "Port of the node's management page and API; a free one by default."
    ),
    UpSetting("GRISTMILL_POSTGRES_BIN", "", "Folder of an installed Postgres's programs, instead of the packaged one."),
    UpSetting("GRISTMILL_RABBITMQ_BIN", "", "Folder of an installed RabbitMQ's start script, if it is not found."),
)
