"""Make the programs of `up`: our own processes, with their environment and their log files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gristmill.children import gristmill_command
from gristmill.up.unit import Program, ReportLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """Makes programs.

    Attributes:
        env: the whole environment of each.
        logs: the folder of their log files.
        report: called with a program's name and each line that is a warning or worse.
    """

    env: Mapping[str, str]
    logs: Path
    report: ReportLine

    def make(self, name: str, arguments: Sequence[str]) -> Program:
        """Return a program that runs `gristmill …`; it is not started yet."""
        return Program(name, gristmill_command(*arguments), env=self.env, logs=self.logs, report=self.report)
