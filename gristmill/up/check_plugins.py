"""Load all plugins as the processes do, and write down the workers that they need; run as a process of its own.

`up` asks before it replaces what runs, so that a mistake in a project's file stops nothing.
"""

import json
import sys
import traceback
from pathlib import Path
from typing import Final

from gristmill.shared.errors import GristmillError

_OURS: Final = Path(__file__).parents[1]


def planned_workers() -> dict[str, int]:
    """Load all plugins, and return the processes of each queue's worker by the name of the queue."""
    from gristmill.shared.plugins.load import load_plugins
    from gristmill.shared.queues import QUEUES

    load_plugins()
    return {queue.name: queue.concurrency for queue in QUEUES.values()}


def describe_failure(error: BaseException) -> str:
    """Return why plugins could not be loaded: a sentence, or the traceback from the project's first line on."""
    notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
    if isinstance(error, GristmillError):
        details = "".join(f"\n  {path}: {problem}" for path, problem in error.details.items())
        return f"{error.message}{details}{notes}"
    frames = traceback.StackSummary.from_list(
        [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_ours(frame.filename)]
    )
    is_shown = frames and not isinstance(error, SyntaxError)  # that one tells its own place, and no frame adds to it
    lines = ["Traceback (most recent call last):\n", *frames.format()] if is_shown else []
    return "".join([*lines, *traceback.format_exception_only(error)]).rstrip()


def main() -> int:
    """Write the workers into a file, as JSON; or say on standard error what is wrong, and return 1.

    The command line names the file, and those that have changed.
    """
    answer, *changed = sys.argv[1:]
    try:
        for name in changed:
            _compile(Path(name))
        workers = planned_workers()
        _load_the_rest()
    except Exception as error:  # noqa: BLE001  whatever a project's module raises is described
        sys.stderr.write(f"{describe_failure(error)}\n")
        return 1
    Path(answer).write_text(json.dumps(workers), encoding="utf-8")
    return 0


def _compile(file: Path) -> None:
    """Find the syntax errors of a file that is imported later, by a handler or a test."""
    if file.suffix == ".py" and file.is_file():
        compile(file.read_bytes(), str(file), "exec", dont_inherit=True)


def _load_the_rest() -> None:
    """Load what only the ingress or only a job needs: routes, templates."""
    from gristmill.ingress.app import create_app
    from gristmill.shared.settings import load_settings
    from gristmill.tasks.mail.catalogue import mail_templates

    create_app(load_settings(dotenv=None))
    for template in mail_templates().values():
        _ = template.required  # reads and parses its files


def _is_ours(filename: str) -> bool:
    return filename.startswith("<frozen ") or Path(filename).is_relative_to(_OURS) or "importlib" in filename


if __name__ == "__main__":
    sys.exit(main())
