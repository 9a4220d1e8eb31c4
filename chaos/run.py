"""One run: start everything, let clients and nemesis loose, heal, drain, judge; then end everything."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

import psycopg2

from chaos.faults import Arena
from chaos.ledger import read_ledger
from chaos.logs import read_logs
from chaos.nemesis import Nemesis
from chaos.network import Network
from chaos.observations import Redeliveries, live_jobs
from chaos.outcome import Options, Outcome, Verdict
from chaos.plan import make_plan
from chaos.programs import Programs
from chaos.servers import Servers
from chaos.verdict import MAIL_FROM, TICK, judge
from gristmill import migrations, ports, process
from gristmill.children import python_module, search_path
from gristmill.process import Process, ServiceFailedError
from gristmill.services.secret import write_private
from gristmill.shared.base.principal import ADMIN
from gristmill.shared.database.connect import opened
from gristmill.shared.producers.queries import create_producer
from gristmill.shared.producers.queries_keys import create_key
from gristmill.shared.settings import load_settings
from gristmill.up.environment import child_environment

READY_SECONDS: Final = 90.0
ACCEPTED_SECONDS: Final = 30.0  # after healing, until a client gives a request up
DRAIN_SECONDS: Final = 120.0
ZOMBIE_SECONDS: Final = 3.0  # after the last end: an attempt that was taken over may still wake up, and must do nothing
LEASE: Final = 3.0
_ROOT: Final = Path(__file__).parents[1]


class Run:
    """Everything that runs, in one folder; closed, nothing of it is left but the folder."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.folder = Path(tempfile.mkdtemp(prefix="gristmill-chaos-"))
        self.folder.chmod(0o755)  # Postgres may have to run as nobody; what is in it is private
        self.logs = self.folder / "logs"
        self.servers = Servers(self.folder, options.broker)
        self.port = ports.free_port()
        self._env = _environment({})
        self._network: Network | None = None
        self._programs: Programs | None = None
        self._client: Process | None = None
        self._began = time.monotonic()

    def close(self) -> None:
        """End everything."""
        if self._client is not None:
            process.stop(self._client, deadline_seconds=1)
        if self._programs is not None:
            self._programs.stop()
        if self._network is not None:
            self._network.stop()
        self.servers.stop()

    def go(self) -> Outcome:
        """Do all of it.

        Raises:
            ServiceFailedError: something of the harness itself did not start.
        """
        options = self.options
        plan = make_plan(options.seed, options.seconds, options.broker)
        write_private(self.folder / "plan.txt", "".join(f"{fault}\n" for lane in plan.values() for fault in lane))
        self._say(f"seed {options.seed}: starting Postgres, Valkey and the broker in {self.folder} …")
        self.servers.start()
        network = self._network = Network(
            self.folder, {**self.servers.ports(), "web": self.port}, seed=str(options.seed), env=self._env
        )
        network.start()
        api_key = self._prepare(network)
        programs = self._programs = Programs(self.logs, self._env)
        programs.start()
        self._wait_until_ready()
        redeliveries = Redeliveries(self.servers)
        redeliveries.start()
        ends_at = time.time() + options.seconds
        self._start_clients(api_key, network.ports["web"], ends_at)
        arena = Arena(self.servers, programs, network)
        with (self.folder / "diary.txt").open("w", encoding="utf-8") as diary:
            nemesis = Nemesis(plan, arena, diary)
            self._say(f"{options.clients} clients post, and the nemesis begins: {options.seconds:g} s")
            nemesis.start()
            try:
                self._show_progress(ends_at)
            finally:
                nemesis.stop()
            outcome = Outcome(options, faults=dict(nemesis.done), missed=dict(nemesis.missed))
            outcome.recovered = self._heal_and_drain(network)
            diary.write(f"{time.strftime('%H:%M:%S')} drained\n")
        redeliveries.stop()
        outcome.redelivered = redeliveries.count
        outcome.entries = read_ledger(self.folder / "ledger.jsonl")
        outcome.verdict = judge(self.servers, outcome.entries)
        outcome.restarts, outcome.own_ends = dict(programs.restarts), programs.own_ends
        outcome.told = read_logs(self.logs)
        outcome.traces = self._traces(outcome.verdict)
        return outcome

    def _prepare(self, network: Network) -> str:
        """Migrate, make a producer and the schedule, and set the environment of the processes."""
        migrations.upgrade(self.servers.postgres.url)
        made = {
            **self.servers.urls(network.ports),
            "GRISTMILL_SECRET_KEY": secrets.token_hex(32),
            "GRISTMILL_HOST": ports.LOOPBACK,
            "GRISTMILL_PORT": str(self.port),
            "GRISTMILL_DEMO_TASKS": "true",
            "GRISTMILL_MAIL_FROM": MAIL_FROM,
            "GRISTMILL_LEASE": str(LEASE),
            "GRISTMILL_MAINTENANCE_POLL": "0.3",
            "GRISTMILL_BEAT_POLL": "0.5",
            "GRISTMILL_WEB_THREADS": "16",
        }
        os.environ.update(made)
        self._env = _environment(made)
        with (
            opened(load_settings(dotenv=None), application_name="chaos") as database,
            database.transaction() as session,
        ):
            api_key = create_key(session, create_producer(session, "chaos", [ADMIN]))
        self.servers.query(
            "INSERT INTO gristmill.schedules (name, every, task, args, catch_up, next_fire_at) "
            "VALUES (%s, 1, 'demo.effect', '{\"key\": \"{fire_at}\"}', 'all', date_trunc('second', clock_timestamp()))",
            TICK,
        )
        return api_key

    def _start_clients(self, api_key: str, port: int, ends_at: float) -> None:
        config = self.folder / "client.json"
        settings = {
            "seed": self.options.seed,
            "clients": self.options.clients,
            "rate": self.options.rate,
            "port": port,
            "api_key": api_key,
            "ledger": str(self.folder / "ledger.jsonl"),
            "ends_at": ends_at,
            "gives_up_at": ends_at + ACCEPTED_SECONDS,
        }
        write_private(config, json.dumps(settings))
        command = python_module("chaos.client", config)
        self._client = process.spawn(command, env=self._env, log=self.folder / "client.log", cwd=self.folder)

    def _show_progress(self, ends_at: float) -> None:
        while (left := ends_at - time.time()) > 0:
            time.sleep(min(5.0, left))
            self._say(f"{max(0.0, ends_at - time.time()):3.0f} s to go, live: {_shown(live_jobs(self.servers))}")

    def _heal_and_drain(self, network: Network) -> float | None:
        """Make everything whole, and wait until no job is live; returns the seconds it took, None when it did not."""
        self._say("healing")
        network.heal()
        self.servers.heal()
        healed = time.monotonic()
        self._wait_until_ready()
        assert self._client is not None  # noqa: S101  started before
        while self._client.poll() is None and time.monotonic() < healed + ACCEPTED_SECONDS + READY_SECONDS:
            time.sleep(0.1)
        self.servers.query("UPDATE gristmill.schedules SET enabled = false")
        drained, said = None, 0.0
        while drained is None and time.monotonic() < healed + DRAIN_SECONDS:
            live = live_jobs(self.servers)
            if live is not None and not live:
                drained = time.monotonic() - healed
            elif time.monotonic() - said > 5:  # noqa: PLR2004  seconds between two lines
                said = time.monotonic()
                self._say(f"draining, live: {_shown(live)}")
            time.sleep(0.1)
        time.sleep(ZOMBIE_SECONDS)
        return drained

    def _wait_until_ready(self) -> None:
        """Wait until the ingress says that it and all behind it are well, and each queue has its worker.

        Raises:
            ServiceFailedError: not in time.
        """
        ends_at = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if time.monotonic() > ends_at:
                raise ServiceFailedError(f"the platform was not ready within {READY_SECONDS:g} s: see {self.logs}")
            time.sleep(0.2)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection(ports.LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _traces(self, verdict: Verdict) -> list[str]:
        """Return what Postgres knows of the jobs that are no good, a line each."""
        shown = []
        for job_id in dict.fromkeys(job for _, job in verdict.lost + verdict.twice + verdict.unexpected if job):
            for table, column in (
                ("jobs", "id"),
                ("attempts", "job_id"),
                ("dead_letters", "job_id"),
                ("outbox", "job_id"),
            ):
                try:
                    statement = f"SELECT to_jsonb(t) - 'traceback' FROM gristmill.{table} t WHERE {column} = %s"
                    shown += [f"{table}: {json.dumps(row)}" for (row,) in self.servers.query(statement, str(job_id))]
                except psycopg2.Error as error:
                    shown.append(f"{table}: {error}")
        return shown

    def _say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._began:4.0f} s] {text}", file=sys.stderr, flush=True)


def _shown(live: dict[str, int] | None) -> str:
    if live is None:
        return "Postgres does not answer"
    return ", ".join(f"{count} {state}" for state, count in sorted(live.items())) or "none"


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the processes, which find the modules of chaos as well."""
    return {**child_environment(settings), **search_path(_ROOT)}
