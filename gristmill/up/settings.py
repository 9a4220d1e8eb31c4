"""Declare the settings that only `gristmill up` reads; those of every process are in gristmill.shared.settings."""

from typing import Final

from gristmill.shared.base.settings_declaration import Setting

MAIL_PORT: Final = 8025

# The setting of each embedded server's port. A port that is not set is chosen once and kept in the data folder.
SERVER_PORTS: Final = {
    "postgres": "GRISTMILL_POSTGRES_PORT",
    "valkey": "GRISTMILL_VALKEY_PORT",
    "rabbitmq": "GRISTMILL_RABBITMQ_PORT",
    "rabbitmq_management": "GRISTMILL_RABBITMQ_MANAGEMENT_PORT",
    "smtp": "GRISTMILL_SMTP_PORT",
}


def _of_up(attribute: str, text: str, default: str = "") -> Setting:
    return Setting(attribute=attribute, text=text, default=default, group="gristmill up alone")


UP_SETTINGS: Final = (
    _of_up("mail_port", "Port on which caught mail is read.", str(MAIL_PORT)),
    _of_up("smtp_port", "Port to which mail is sent to be caught; a free one by default."),
    _of_up("postgres_port", "Port of the embedded Postgres; a free one by default."),
    _of_up("valkey_port", "Port of the embedded Valkey; a free one by default."),
    _of_up("rabbitmq_port", "AMQP port of the private RabbitMQ node; a free one by default."),
    _of_up("rabbitmq_management_port", "Port of the node's management page and API; a free one by default."),
    _of_up("postgres_bin", "Folder of an installed Postgres's programs, instead of the packaged one."),
    _of_up("rabbitmq_bin", "Folder of an installed RabbitMQ's start script, if it is not found."),
)
