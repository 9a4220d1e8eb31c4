"""Choose what `up` runs: the embedded servers that nothing replaces, and our processes, in their order of stopping."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gristmill import ports
from gristmill.process import ServiceFailedError
from gristmill.services.mailcatcher_process import MailCatcher
from gristmill.services.postgres import Postgres
from gristmill.services.rabbitmq import INSTALL, RabbitMQ, find_rabbitmq
from gristmill.services.service import Service
from gristmill.services.valkey import Valkey
from gristmill.up.environment import port_of
from gristmill.up.folder import Folder
from gristmill.up.settings import SERVER_PORTS
from gristmill.up.supervisor import Stage

WORKER_PREFIX: Final = "worker_"
STOP_SECONDS: Final = 9.5  # in all; ten are promised


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `gristmill up`."""

    data: Path
    port: int | None = None
    rabbitmq: bool = False
    flower: bool = True
    mail: bool = True
    reload: bool = True


@dataclass(slots=True)
class Embedded:
    """The servers that `up` runs itself.

    Attributes:
        servers: The servers, not started yet.
        settings: The settings that lead to them.
        ports: The ports they listen on, by the setting that changes each.
        mail: The mail catcher, if there is one.
    """

    servers: list[Service] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    mail: MailCatcher | None = None

    def use_port(self, server: str, chosen: Mapping[str, int]) -> int:
        """Note that a port is listened on, and return it."""
        self.ports[SERVER_PORTS[server]] = chosen[server]
        return chosen[server]


def choose_embedded(
    options: Options, folder: Folder, given: Mapping[str, str], *, public: Mapping[str, int]
) -> Embedded:
    """Return the servers for every part that no setting replaces.

    Args:
        options: The options of the command.
        folder: Keeps their data, and the ports that no setting names.
        given: The settings from the environment and `.env`.
        public: The ports of the other parts, by their settings; caught mail is read on GRISTMILL_MAIL_PORT.

    Raises:
        ServiceFailedError: RabbitMQ was asked for and is not installed, or is replaced by a setting; or the database
            behind a pooler is given without the pooler.
        PortInUseError: a setting does not name a port.
    """
    _refuse_contradictions(options, given)
    chosen = _choose_ports(folder, given, public)
    embedded = Embedded()
    if "GRISTMILL_DATABASE_URL" not in given:
        _add_postgres(embedded, folder, chosen)
    if options.rabbitmq:
        _add_rabbitmq(embedded, folder, chosen)
    missing = {"GRISTMILL_REDIS_URL", "GRISTMILL_BROKER_URL"} - given.keys() - embedded.settings.keys()
    if missing:
        _add_valkey(embedded, folder, chosen, missing)
    if "GRISTMILL_SMTP_URL" not in given:
        _add_mail(embedded, folder, chosen, public["GRISTMILL_MAIL_PORT"] if options.mail else None)
    return embedded


def programs(workers: Mapping[str, int], *, flower: bool) -> dict[str, list[str]]:
    """Return our processes by name, with the arguments of `gristmill` that run them; the first ones matter most.

    Args:
        workers: the child processes of each queue's worker, by the name of the queue.
        flower: whether Flower runs, too.
    """
    plan = {"web": ["web"], "relay": ["relay"]}
    for queue, concurrency in workers.items():
        name = WORKER_PREFIX + queue.removesuffix("_queue")
        plan[name] = ["worker", "--queue", queue, "--concurrency", str(concurrency)]
    plan |= {"beat": ["beat"], "maintenance": ["maintenance"]}
    if flower:
        plan["flower"] = ["flower"]
    return plan


def stop_order(names: Iterable[str]) -> tuple[Stage, ...]:
    """Return the stages in which everything is stopped.

    Those that accept work come first, then those that hand it out, then those that do it (a kill is safe: the job is
    run again), then the rest.

    Args:
        names: of all that runs.
    """
    return (
        Stage(frozenset({"web"}), 2.0),
        Stage(frozenset({"beat", "relay"}), 1.0),
        Stage(frozenset(name for name in names if name.startswith(WORKER_PREFIX)), 3.5),
        Stage(frozenset({"maintenance", "flower", "mailcatcher"}), 1.0),
        Stage(frozenset({"valkey", "rabbitmq"}), 1.5),
        Stage(frozenset({"postgres"}), 2.0),
    )


def _refuse_contradictions(options: Options, given: Mapping[str, str]) -> None:
    if "GRISTMILL_DATABASE_DIRECT_URL" in given and "GRISTMILL_DATABASE_URL" not in given:
        raise ServiceFailedError(
            "GRISTMILL_DATABASE_DIRECT_URL names the database behind a pooler, and GRISTMILL_DATABASE_URL, which "
            "names the pooler, is missing: set both or none"
        )
    if not options.rabbitmq:
        return
    if "GRISTMILL_BROKER_URL" in given:
        raise ServiceFailedError(
            "--rabbitmq starts a broker here, and GRISTMILL_BROKER_URL names another one: leave one of them out"
        )
    if find_rabbitmq() is None:
        raise ServiceFailedError(f"{INSTALL}. Or leave --rabbitmq out: Valkey, which needs nothing, is the broker then")


def _choose_ports(folder: Folder, given: Mapping[str, str], public: Mapping[str, int]) -> dict[str, int]:
    """Return a port for each server: the one that its setting names, or a free one."""
    fixed = {name: port_of(given, setting) for name, setting in SERVER_PORTS.items() if setting in given}
    others = [name for name in SERVER_PORTS if name not in fixed]
    return fixed | folder.ports(others, avoid={*fixed.values(), *public.values()})


def _add_postgres(embedded: Embedded, folder: Folder, chosen: Mapping[str, int]) -> None:
    postgres = Postgres(folder.path / "postgres", embedded.use_port("postgres", chosen))
    embedded.servers.append(postgres)
    embedded.settings["GRISTMILL_DATABASE_URL"] = postgres.url


def _add_rabbitmq(embedded: Embedded, folder: Folder, chosen: Mapping[str, int]) -> None:
    amqp, management = (embedded.use_port(name, chosen) for name in ("rabbitmq", "rabbitmq_management"))
    rabbitmq = RabbitMQ(folder.path / "rabbitmq", amqp, management)
    embedded.servers.append(rabbitmq)
    embedded.settings["GRISTMILL_BROKER_URL"] = rabbitmq.url()


def _add_valkey(embedded: Embedded, folder: Folder, chosen: Mapping[str, int], missing: set[str]) -> None:
    valkey = Valkey(folder.path / "valkey", embedded.use_port("valkey", chosen))
    embedded.servers.append(valkey)
    # A database each for the broker and the cache, so that emptying one leaves the other alone.
    urls = {"GRISTMILL_BROKER_URL": valkey.url_of(0), "GRISTMILL_REDIS_URL": valkey.url_of(1)}
    embedded.settings |= {name: urls[name] for name in missing}


def _add_mail(embedded: Embedded, folder: Folder, chosen: Mapping[str, int], http_port: int | None) -> None:
    if http_port is None:  # mail then waits in its queue, with retries, for a server that listens there later
        embedded.settings["GRISTMILL_SMTP_URL"] = f"smtp://{ports.LOOPBACK}:{chosen['smtp']}"
        return
    mail = MailCatcher(folder.path / "mailcatcher", embedded.use_port("smtp", chosen), http_port)
    embedded.servers.append(mail)
    embedded.ports["GRISTMILL_MAIL_PORT"] = http_port
    embedded.settings["GRISTMILL_SMTP_URL"] = mail.smtp_url
    embedded.mail = mail
