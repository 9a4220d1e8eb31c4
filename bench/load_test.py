"""`python -m bench.load_test`: Locust in an environment of its own, against a platform that runs, or one of its own.

All other options go to Locust: `python -m bench.load_test --users 200 --run-time 30s`. They come
last, and so win over the usual ones.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.peers import environments
from bench.stack import Stack, broker_or_valkey, say
from gristmill import ports
from gristmill.process import ServiceFailedError

LOCUSTFILE: Final = Path(__file__).with_name("locustfile.py")
REQUIREMENTS: Final = Path(__file__).parent / "requirements"
USUAL: Final = ["--headless", "--users", "1000", "--spawn-rate", "50", "--run-time", "90s", "--reset-stats"]
HERE: Final = "--here"
_KNOWN: Final = Path(".gristmill") / "env"


def main() -> int:
    """Run Locust, and return its exit code: 0 when all criteria were met."""
    options = [option for option in sys.argv[1:] if option != HERE]
    try:
        locust = environments.python("load", REQUIREMENTS).with_name("locust")
        command = [str(locust), "-f", str(LOCUSTFILE), *USUAL, *options]
        if HERE not in sys.argv:
            return _run(command, _running_platform())
        os.environ["GRISTMILL_TRUSTED_PROXIES"] = "1"  # of our own web alone: people come from many addresses
        with Stack(broker_or_valkey("rabbitmq")[0]) as stack:
            stack.run_only("web", "relay", "worker", "user worker", "maintenance")
            url = f"http://{ports.LOOPBACK}:{stack.port}"
            return _run(command, {"GRISTMILL_URL": url, "GRISTMILL_API_KEY": stack.key})
    except ServiceFailedError as error:
        say(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


def _run(command: list[str], where: dict[str, str]) -> int:
    return subprocess.run(command, env={**os.environ, **where}, check=False).returncode


def _running_platform() -> dict[str, str]:
    """Return where the platform is: what the environment says, or what `make up` has written down."""
    if "GRISTMILL_URL" in os.environ or not _KNOWN.is_file():
        return {}
    lines = [line.removeprefix("export ") for line in _KNOWN.read_text(encoding="utf-8").splitlines()]
    pairs = (line.split("=", 1) for line in lines if line.startswith("GRISTMILL_"))
    return {name: value.strip("'\"") for name, value in pairs}


if __name__ == "__main__":
    sys.exit(main())
