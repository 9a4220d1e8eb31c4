"""Follow docs/your-first-project.md as a reader does, and tell the seconds of each step.

`python -m bench.first_project` runs it, with the packages of this clone: what `pip install` takes is the network's.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gristmill import process
from gristmill.ports import free_port

PAGE: Final = Path(__file__).parents[1] / "docs" / "your-first-project.md"
INSTALL: Final = "pip install"
RUN: Final = "gristmill up"
STEP_SECONDS: Final = 900.0
_BLOCK: Final = re.compile(r"(?:^`([^`\n]+)`\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """A block of the page: commands for a shell, or the text of a file.

    Attributes:
        file: None for commands.
    """

    text: str
    file: str | None = None

    @property
    def title(self) -> str:
        """A line about it."""
        return f"write {self.file}" if self.file else self.text.splitlines()[0]


class Reader:
    """Somebody with a shell in an empty folder.

    Args:
        folder: the folder.
        env: the environment of the shell.
    """

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.here = folder
        self.env = dict(env)
        self._log = folder / "up.log"

    def follow(self, step: Step) -> float:
        """Do a step, and return the seconds that it took.

        Raises:
            RuntimeError: a command failed; with what it said.
        """
        began = time.monotonic()
        if step.file is not None:
            (self.here / step.file).write_text(step.text, encoding="utf-8")
        elif step.text.strip() != RUN:
            self._run(step.text)
        return time.monotonic() - began

    def _run(self, commands: str) -> None:
        """Run commands, and keep the working folder and the search path that they leave, as a terminal does."""
        state = self.folder / ".shell"
        script = f'{commands}\nprintf "%s\\n%s" "$PWD" "$PATH" > {shlex.quote(str(state))}\n'
        ran = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=self.here,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
        if ran.returncode != 0:
            msg = f"$ {commands}\n{ran.stdout}\n{ran.stderr}"
            raise RuntimeError(msg)
        here, self.env["PATH"] = state.read_text(encoding="utf-8").split("\n")
        self.here = Path(here)

    @contextmanager
    def running(self) -> Iterator[float]:
        """Keep `gristmill up` running; yield the seconds until it was ready.

        Raises:
            RuntimeError: it was not.
        """
        began = time.monotonic()
        up = process.spawn(["bash", "-c", f"exec {RUN}"], env=self.env, cwd=self.here, log=self._log)
        try:
            while not re.search(r"^ready in ", self.said, re.MULTILINE):
                if up.poll() is not None or time.monotonic() > began + STEP_SECONDS:
                    raise RuntimeError(self.said)
                time.sleep(0.05)
            yield time.monotonic() - began
        finally:
            process.stop(up, deadline_seconds=60)

    @property
    def said(self) -> str:
        """The output of `gristmill up` so far."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""


def read_steps(page: Path = PAGE) -> list[Step]:
    """Return the steps of the page, in order."""
    return [Step(text, file or None) for file, _, text in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def split_at_run(steps: list[Step]) -> tuple[list[Step], list[Step]]:
    """Return the steps before `gristmill up`, and those while it runs."""
    (at,) = [number for number, step in enumerate(steps) if step.text.strip() == RUN]
    return steps[:at], steps[at + 1 :]


def lend_environment(folder: Path) -> None:
    """Let `. .venv/bin/activate` in `folder` find the programs of this environment, in place of an installation."""
    script = folder / ".venv" / "bin" / "activate"
    script.parent.mkdir(parents=True)
    script.write_text(f'PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"\n', encoding="utf-8")


def shell_environment(folder: Path) -> dict[str, str]:
    """Return the environment of a shell that knows nothing of the platform, with ports that are free."""
    ports = {f"GRISTMILL_{name}": str(free_port()) for name in ("PORT", "FLOWER_PORT", "MAIL_PORT")}
    return process.plain_environment({"HOME": str(folder), **ports})


def main() -> int:
    """Follow the page and print the seconds of each step."""
    total = 0.0
    with tempfile.TemporaryDirectory(prefix="gristmill-first-project-") as name:
        folder = Path(name)
        lend_environment(folder)
        reader = Reader(folder, shell_environment(folder))
        before, meanwhile = split_at_run(read_steps())
        reader.follow(Step(". .venv/bin/activate"))
        for step in before:
            if INSTALL not in step.text:
                total += _tell(reader.follow(step), step.title)
        with reader.running() as seconds:
            total += _tell(seconds, RUN)
            for step in meanwhile:
                total += _tell(reader.follow(step), step.title)
    print(f"{total:6.1f} s in all, without pip")
    return 0


def _tell(seconds: float, title: str) -> float:
    print(f"{seconds:6.1f} s  {title}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
