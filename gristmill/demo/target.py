"""Where the demo runs: the `up` of this folder, or one of its own that is stopped afterwards."""

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
class Place:
    """A running platform; a temporary one ends with the demo."""

    url: str
    key: str
    mail_url: str | None
    data: Path
    temporary: bool = False

    def use_settings(self) -> None:
        """Take its settings over into this process."""
        os.environ.update(read_exports(self.data / "settings"))


@contextmanager
def find_or_start(data: Path) -> Iterator[Place]:
    """Yield the platform that runs with this data folder, or a new one, which is stopped at the end.

    Raises:
        ServiceFailedError: the new one did not come up.
    """
    place = _read(data)
    if place is not None and _answers(place.url):
        print(f"Using the platform at {place.url}", flush=True)
        yield place
        return
    folder = Path(tempfile.mkdtemp(prefix="gristmill-demo-"))
    folder.chmod(_PASSABLE)
    try:
        with _running(folder / "data") as own:
            yield own
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(data: Path) -> Iterator[Place]:
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
        place = _read(data)
        if place is None:
            raise ServiceFailedError(f"`gristmill up` is ready and left no {data / 'env'}: look at {data / 'logs'}")
        yield replace(place, temporary=True)
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
    """Show what `up` says until it is ready; afterwards only what begins as a report on a process."""
    with pipe:
        for line in pipe:
            text = line.decode(errors="replace").rstrip()
            if text.startswith("ready "):
                ready.set()
            if not ready.is_set():
                print(f"  up: {text}" if text else "", flush=True)


def _read(data: Path) -> Place | None:
    values = read_exports(data / "env")
    if not {"GRISTMILL_URL", "GRISTMILL_API_KEY"} <= values.keys():
        return None
    return Place(values["GRISTMILL_URL"], values["GRISTMILL_API_KEY"], values.get("GRISTMILL_MAIL_URL"), data)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
