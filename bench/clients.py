"""Run the client in a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gristmill.children import python_module, search_path
from gristmill.process import ServiceFailedError

_ROOT: Final = Path(__file__).parents[1]


def drive(plan: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Run `bench.client` with `plan` and return what it measured.

    Raises:
        ServiceFailedError: an answer was another than the plan expects.
    """
    limit = plan.get("seconds", 0) + plan.get("count", 0) * (plan.get("pause", 0) + 1) + 60
    answer = subprocess.run(
        python_module("bench.client"),
        input=json.dumps(plan).encode(),
        capture_output=True,
        env={**environment, **search_path(_ROOT)},
        timeout=limit,
        check=False,
    )
    if answer.returncode != 0:
        raise ServiceFailedError(answer.stderr.decode(errors="replace").strip())
    measured: dict[str, Any] = json.loads(answer.stdout)
    return measured
