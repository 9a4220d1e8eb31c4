"""One of several relays: `python -m bench.growth.one_relay PAUSE LIMIT`, on the database of GRISTMILL_DATABASE_URL.

It says `ready`, waits for a line, takes hints until none is due, and says how many those were.
"""

from __future__ import annotations

import sys
import time

from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.outbox import take_due
from gristmill.shared.settings import load_settings


def main(pause: float, limit: int) -> None:
    """Take what is due; the broker's confirms are played by a pause, in which the rows stay locked."""
    database = Database(load_settings(dotenv=None), application_name="growth relay", pool_size=1)
    with database.transaction() as session:
        take_due(session, limit=0)
    print("ready", flush=True)
    sys.stdin.readline()
    taken = 0
    while True:
        with database.transaction(asynchronous_commit=True) as session:
            due = take_due(session, limit=limit)
            if due:
                time.sleep(pause)
        taken += len(due)
        if not due:
            break
    database.dispose()
    print(taken)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
