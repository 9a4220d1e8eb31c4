"""Run the client in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from gristmill.process import ServiceFailedError


def drive(plan: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Run `bench.client` with `plan` and return what it measured.

    Raises:
        ServiceFailedError: an answer was another than the plan expects.
    """
    limit = plan.get("seconds", 0) + plan.get("count", 0) * (plan.get("pause", 0) + 1) + 60
    answer = subprocess.run(
        [sys.executable, "-m", "bench.client"],
        input=json.dumps(plan).encode(),
        capture_output=True,
        env=dict(environment),
        timeout=limit,
        check=False,
    )
    if answer.returncode != 0:
        raise ServiceFailedError(answer.stderr.decode(errors="replace").strip())
    measured: dict[str, Any] = json.loads(answer.stdout)
    return measured
