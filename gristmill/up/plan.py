"""What `up` runs: the embedded parts that nothing replaces, and our processes, with the order in which they stop."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gristmill import ports
from gristmill.process import ServiceFailedError
from gristmill.services.mailcatcher_process import MailCatcher
from gristmill.services.postgres import Postgres
from gristmill.services.rabbitmq import INSTALL, RabbitMQ, find_rabbitmq
from gristmill.services.service import Service
from gristmill.services.valkey import Valkey
from gristmill.shared.queues import QUEUES
from gristmill.up.folder import Folder
from gristmill.up.supervisor import Stage

WORKER_PREFIX: Final = "worker_"
STOP_SECONDS: Final = 9.5  # in all; ten are promised

# Doors first, then those who give work, then those who do it (a kill is safe: the job is run again), then the rest.
STOP_ORDER: Final = (
    Stage(frozenset({"web"}), 2.0),
    Stage(frozenset({"beat", "relay"}), 1.0),
    Stage(frozenset(WORKER_PREFIX + name.removesuffix("_queue") for name in QUEUES), 3.5),
    Stage(frozenset({"maintenance", "flower", "mailcatcher"}), 1.0),
    Stage(frozenset({"valkey", "rabbitmq"}), 1.5),
    Stage(frozenset({"postgres"}), 2.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the person who called `up` asked for."""

    data: Path
    port: int | None = None
    rabbitmq: bool = False
    flower: bool = True
    mail: bool = True


@dataclass(frozen=True, slots=True)
class Embedded:
    """The servers that `up` runs itself, and the settings that lead to them."""

    servers: list[Service]
    settings: dict[str, str]
    mail: MailCatcher | None


def choose_embedded(options: Options, folder: Folder, given: Mapping[str, str], *, mail_port: int) -> Embedded:
    """Return the servers for every part that no setting replaces.

    Args:
        options: What was asked for.
        folder: Where their data and ports are kept.
        given: The settings from the environment and `.env`.
        mail_port: Where caught mail is read.

    Raises:
        ServiceFailedError: RabbitMQ was asked for and is not installed, or is replaced by a setting; or the way past a
            pooler is given, and not the pooler.
    """
    servers: list[Service] = []
    settings: dict[str, str] = {}
    kept = folder.ports(["postgres", "valkey", "rabbitmq", "rabbitmq_management", "smtp"])

    if "GRISTMILL_DATABASE_URL" not in given:
        if "GRISTMILL_DATABASE_DIRECT_URL" in given:
            raise ServiceFailedError(
                "GRISTMILL_DATABASE_DIRECT_URL names the database behind a pooler, and GRISTMILL_DATABASE_URL, which "
                "names the pooler, is missing: set both or none"
            )
        postgres = Postgres(folder.path / "postgres", kept["postgres"])
        servers.append(postgres)
        settings["GRISTMILL_DATABASE_URL"] = postgres.url
    if options.rabbitmq:
        rabbitmq = _private_rabbitmq(folder, given, kept)
        servers.append(rabbitmq)
        settings["GRISTMILL_BROKER_URL"] = rabbitmq.url()
    needed = {"GRISTMILL_REDIS_URL", "GRISTMILL_BROKER_URL"} - given.keys() - settings.keys()
    if needed:
        valkey = Valkey(folder.path / "valkey", kept["valkey"])
        servers.append(valkey)
        # The broker's database and the cache's, so that emptying the one leaves the other alone.
        urls = {"GRISTMILL_BROKER_URL": valkey.url_of(0), "GRISTMILL_REDIS_URL": valkey.url_of(1)}
        settings |= {name: urls[name] for name in needed}
    mail = None
    if "GRISTMILL_SMTP_URL" not in given:
        mail = MailCatcher(folder.path / "mailcatcher", kept["smtp"], mail_port) if options.mail else None
        # Without a catcher mails wait in their queue, with retries, for whoever listens there later.
        settings["GRISTMILL_SMTP_URL"] = mail.smtp_url if mail else f"smtp://{ports.LOOPBACK}:{kept['smtp']}"
        servers += [mail] if mail else []
    return Embedded(servers, settings, mail)


def programs(*, flower: bool) -> dict[str, list[str]]:
    """Return our processes by name, with the arguments of `gristmill` that run them; the first ones matter most."""
    plan = {"web": ["web"], "relay": ["relay"]}
    for queue in QUEUES.values():
        name = WORKER_PREFIX + queue.name.removesuffix("_queue")
        plan[name] = ["worker", "--queue", queue.name, "--concurrency", str(queue.concurrency)]
    plan |= {"beat": ["beat"], "maintenance": ["maintenance"]}
    if flower:
        plan["flower"] = ["flower"]
    return plan


def _private_rabbitmq(folder: Folder, given: Mapping[str, str], kept: Mapping[str, int]) -> RabbitMQ:
    if "GRISTMILL_BROKER_URL" in given:
        raise ServiceFailedError(
            "--rabbitmq starts a broker here, and GRISTMILL_BROKER_URL names another one: leave one of them out"
        )
    if find_rabbitmq() is None:
        raise ServiceFailedError(f"{INSTALL}. Or leave --rabbitmq out: Valkey, which needs nothing, is the broker then")
    return RabbitMQ(folder.path / "rabbitmq", kept["rabbitmq"], kept["rabbitmq_management"])
