"""The `gristmill` command: one group of subcommands, loaded when they are called, and errors as one plain sentence."""

import os
import sys
from importlib import import_module
from typing import Final, NoReturn

import click

from gristmill import __version__

# Name, module in gristmill.commands, one line of help. Kept here so that --help imports none of them.
_COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "up": ("up", "Run the whole platform here, without Docker."),
    "demo": ("demo", "Post real jobs of every kind and watch them end."),
    "web": ("processes", "Serve the HTTP ingress."),
    "worker": ("processes", "Execute the jobs of one queue."),
    "relay": ("processes", "Move due hints from the outbox to the broker."),
    "beat": ("processes", "Fire the schedules that are due."),
    "maintenance": ("processes", "Rescue what was lost, record what the broker gave up, prune history."),
    "flower": ("processes", "Serve Flower, the workers' dashboard."),
    "doctor": ("doctor", "Check the settings and everything they point at."),
    "db": ("db", "Bring the database's schema up to date."),
    "keys": ("keys", "Create, list and revoke API keys."),
    "jobs": ("jobs", "List, show, post, cancel and hurry jobs."),
    "dead-letters": ("dead_letters", "List, group, show, redrive and discard what ended without success."),
    "schedules": ("schedules", "List the schedules."),
    "queues": ("queues", "List the queues and what waits in them."),
    "tasks": ("tasks", "List the tasks that jobs can be posted for."),
    "new": ("new", "Write a new task and its test."),
}
_INTERRUPTED: Final = 130  # what a shell reports for a program that SIGINT ended


class _Group(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"gristmill.commands.{_COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="gristmill")
def cli() -> None:
    """Background jobs that end exactly once: a thin HTTP ingress, Celery workers, Postgres as the record.

    \b
    Examples:
      gristmill up                                   run everything here; Ctrl-C stops it
      gristmill demo                                 watch jobs of every kind go to their ends
      gristmill jobs post demo.echo message=hello    post a job
      gristmill doctor                               find out what is wrong

    Settings come from GRISTMILL_… variables, from .env, and in a folder where `gristmill up` runs, from it.
    """  # noqa: D301  click's mark for text that is not to be wrapped


def main() -> NoReturn:
    """Run the command and end the process: 0 well, 1 it could not be done, 2 it was called wrongly."""
    sys.exit(_run())


def _run() -> int:
    try:
        result = cli.main(prog_name="gristmill", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except BrokenPipeError:  # the reader has seen enough, as in `gristmill jobs list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        from gristmill.explain import explain

        sentence = explain(error, running=_called())
        if sentence is None:
            raise
        click.echo(f"Error: {sentence}", err=True)
        return 1
    return result if isinstance(result, int) else 0


def _called() -> str:
    """Return the words of the command that was called: `jobs list`, `doctor`."""
    name = next((word for word in sys.argv[1:] if word in _COMMANDS), "")
    rest = sys.argv[sys.argv.index(name) + 1 :] if name else []
    command = cli.get_command(click.Context(cli), name)
    inner = getattr(command, "commands", {})
    return " ".join([name, *(word for word in rest[:1] if word in inner)])
