"""Find the platform that runs in this folder, or start one for the demo and stop it afterwards."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

import httpx

from gristmill import ports, process
from gristmill.children import gristmill_command
from gristmill.process import Process, ServiceFailedError
from gristmill.up.environment import child_environment
from gristmill.up.folder import read_exports

START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 12.0  # `up` promises ten
_PASSABLE: Final = 0o711  # a database server that runs as `nobody` must get through


@dataclass(frozen=True, slots=True)
class RunningPlatform:
    """A platform that runs; a temporary one is stopped with the demo."""

    url: str
    key: str
    mail_url: str | None
    data: Path
    temporary: bool = False

    def use_settings(self) -> None:
        """Put its settings into this process's environment."""
        os.environ.update(read_exports(self.data / "settings"))


@contextmanager
def find_or_start(data: Path) -> Iterator[RunningPlatform]:
    """Yield the platform that runs with this data folder, or a new one, which is stopped afterwards.

    Raises:
        ServiceFailedError: the new one did not start.
    """
    platform = _read(data)
    if platform is not None and _answers(platform.url):
        print(f"Using the platform at {platform.url}", flush=True)
        yield platform
        return
    folder = Path(tempfile.mkdtemp(prefix="gristmill-demo-"))
    folder.chmod(_PASSABLE)
    try:
        with _running(folder / "data") as own:
            yield own
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(data: Path) -> Iterator[RunningPlatform]:
    print(f"No `gristmill up` runs in {Path.cwd()}: starting one for the demo", flush=True)
    ours = {
        "GRISTMILL_PORT": str(ports.free_port()),
        "GRISTMILL_MAIL_PORT": str(ports.free_port()),
    }
    started = process.spawn(gristmill_command("up", "--no-flower", "--data", data), env=child_environment(ours))
    pipe, started.stdout = started.stdout, None
    assert pipe is not None  # noqa: S101  spawn without a log gives a pipe
    ready = threading.Event()
    reader = threading.Thread(target=_show, args=(pipe, ready), daemon=True)
    reader.start()
    try:
        _wait(started, ready)
        platform = _read(data)
        if platform is None:
            raise ServiceFailedError(f"`gristmill up` is ready, but {data / 'env'} is missing: see {data / 'logs'}")
        yield replace(platform, temporary=True)
    finally:
        process.stop(started, deadline_seconds=STOP_SECONDS)
        reader.join(timeout=1)


def _wait(started: Process, ready: threading.Event) -> None:
    ends_at = time.monotonic() + START_SECONDS
    while not ready.wait(0.1):
        if started.poll() is not None:
            raise ServiceFailedError("`gristmill up` ended while it started; the lines above say why")
        if time.monotonic() > ends_at:
            raise ServiceFailedError(f"`gristmill up` was not ready within {START_SECONDS:g} s")


def _show(pipe: BinaryIO, ready: threading.Event) -> None:
    """Print the output of `up` until it is ready; read on afterwards, so that its pipe does not fill up."""
    with pipe:
        for line in pipe:
            text = line.decode(errors="replace").rstrip()
            if text.startswith("ready "):
                ready.set()
            if not ready.is_set():
                print(f"  up: {text}" if text else "", flush=True)


def _read(data: Path) -> RunningPlatform | None:
    values = read_exports(data / "env")
    if not {"GRISTMILL_URL", "GRISTMILL_API_KEY"} <= values.keys():
        return None
    return RunningPlatform(values["GRISTMILL_URL"], values["GRISTMILL_API_KEY"], values.get("GRISTMILL_MAIL_URL"), data)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
