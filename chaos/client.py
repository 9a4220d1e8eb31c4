"""The clients, a process of their own: they post jobs over HTTP until each is accepted, and keep the ledger.

`python -m chaos.client CONFIG`. Whenever the answer is in doubt (an error of the connection, a time-out, 5xx), the same
request is sent again with the same Idempotency-Key: the producer's half of exactly once.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from chaos.ledger import LedgerWriter
from chaos.mix import draw

PATIENCE: Final = (1.0, 4.0, 25.0)  # seconds that a client waits for an answer: short ones leave twins in the ingress
LONGEST_PAUSE: Final = 1.0
POSTED_AGAIN: Final = 0.1  # of the accepted jobs: the same answer has to come


class Client:
    """One producer: posts a job, and the next one when that was accepted or given up."""

    def __init__(self, number: int, config: dict[str, Any], ledger: LedgerWriter) -> None:
        self._number, self._config, self._ledger = number, config, ledger
        self._chance = random.Random(f"{config['seed']}/{number}")
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        """Post until the time is over."""
        pace = self._config["clients"] / self._config["rate"]
        next_at = time.monotonic() + self._chance.uniform(0, pace)
        jobs = 0
        while time.time() < self._config["ends_at"]:
            time.sleep(max(0.0, next_at - time.monotonic()))
            next_at = max(next_at + pace, time.monotonic())
            jobs += 1
            self._post_job(f"{self._config['seed']}-{self._number}-{jobs}")

    def _post_job(self, key: str) -> None:
        wanted = draw(self._chance, key)
        self._ledger.write("wanted", key, kind=wanted.kind, task=wanted.body["task"], end=wanted.end)
        body = json.dumps(wanted.body)
        self._post_until_accepted(key, body)
        if self._chance.random() < POSTED_AGAIN:
            self._post_until_accepted(key, body)

    def _post_until_accepted(self, key: str, body: str) -> None:
        pause, posts = 0.05, 0
        while time.time() < self._config["gives_up_at"]:
            posts += 1
            status, answer = self._post(key, body)
            if status in {HTTPStatus.ACCEPTED, HTTPStatus.OK}:
                self._ledger.write("accepted", key, id=json.loads(answer)["id"], posts=posts)
                return
            if status and status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.TOO_MANY_REQUESTS:
                self._ledger.write("refused", key, status=status, answer=answer.decode(errors="replace")[:500])
                return
            time.sleep(self._chance.uniform(pause / 2, pause))
            pause = min(LONGEST_PAUSE, pause * 2)

    def _post(self, key: str, body: str) -> tuple[int, bytes]:
        """Return the status and the answer; 0 when nobody knows."""
        patience = self._chance.choice(PATIENCE)
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._config["port"], timeout=patience)
        elif self._connection.sock is not None:
            self._connection.sock.settimeout(patience)
        headers = {
            "Authorization": f"Bearer {self._config['api_key']}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        try:
            self._connection.request("POST", "/api/v1/jobs", body, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            return 0, b""


def main() -> None:
    """Run all clients until the last job was accepted or given up."""
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    ledger = LedgerWriter(Path(config["ledger"]))
    clients = [Client(number, config, ledger) for number in range(1, config["clients"] + 1)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
