"""An application that only enqueues, and declares tasks, loads next to nothing."""

import json
import subprocess
import sys

ALLOWED = {"gristmill", "marshmallow", "orjson"}
# `Client` and `AsyncClient` bring httpx, and are for applications elsewhere.
DECLARES_AND_ENQUEUES = """
import json, sys
before = set(sys.modules)
from datetime import timedelta
from gristmill import (
    Cancel, Context, Discard, JobOptions, PermanentError, Plugin, Queue, RetryPolicy, Schedule, Snooze, TransientError,
    enqueue, task,
)
from gristmill.shared.errors import GristmillError
from marshmallow import Schema, fields

class Args(Schema):
    to = fields.Email(required=True)
    amount = fields.Decimal(places=2)

@task(name="shop.send", queue="shop_queue", args=Args, retry=RetryPolicy(max_attempts=3))
def send(ctx: Context, *, to: str, amount=None) -> None:
    "Send."

Plugin(name="shop", tasks=["shop.jobs"], queues=[Queue("shop_queue", "shop.*")],
       schedules=[Schedule("daily", cron="30 7 * * *", task="shop.send", args={"to": "a@b.example"})])
try:
    enqueue(object(), send, JobOptions(delay=timedelta(1), tags=("a",)), to="a@b.example", amount="1.20")
except GristmillError as error:
    refused = type(error).__name__
print(json.dumps({"refused": refused, "loaded": sorted(set(sys.modules) - before)}))
"""


def test_declaring_and_enqueuing_load_marshmallow_and_orjson_and_nothing_else() -> None:
    told = subprocess.run(
        [sys.executable, "-P", "-c", DECLARES_AND_ENQUEUES], capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 0, told.stderr
    answer = json.loads(told.stdout)
    assert answer["refused"] == "EnqueueError", "an object without a transaction is told so, after all was imported"
    tops = {name.partition(".")[0] for name in answer["loaded"]}
    assert tops - sys.stdlib_module_names - ALLOWED == set()


def test_enqueuing_loads_little_of_the_platform_itself() -> None:
    told = subprocess.run(
        [sys.executable, "-P", "-c", DECLARES_AND_ENQUEUES], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = [name for name in json.loads(told.stdout)["loaded"] if name.startswith("gristmill.")]
    rooms = {".".join(name.split(".")[:3]) for name in loaded}
    assert {"gristmill.shared.database", "gristmill.shared.settings", "gristmill.shared.operating"} & rooms == set()
    assert {name.split(".")[1] for name in loaded} == {"shared"}
