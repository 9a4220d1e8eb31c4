"""Command line of Gristmill: a group of subcommands that are imported when they are called."""

import os
import sys
from difflib import get_close_matches
from importlib import import_module
from typing import Final, NoReturn

import click

from gristmill import __version__

# Name, module (in gristmill.commands, or its full name), one line of help. Kept here so that --help imports none.
_COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "up": ("up", "Run the whole platform here, without Docker."),
    "demo": ("demo", "Post real jobs of every kind and follow them to their ends."),
    "web": ("processes", "Serve the HTTP ingress."),
    "worker": ("processes", "Execute the jobs of one queue."),
    "relay": ("processes", "Publish due hints from the outbox to the broker."),
    "beat": ("processes", "Fire the schedules that are due."),
    "maintenance": ("processes", "Rescue lost jobs, record the broker's dead letters, prune history."),
    "flower": ("processes", "Serve Flower, the workers' dashboard."),
    "doctor": ("doctor", "Check the settings and everything that they name."),
    "db": ("db", "Migrate the database's schema."),
    "jobs": ("operating.jobs", "List, count, show, post, cancel, run and follow jobs."),
    "dead-letters": ("operating.dead_letters", "List, group, show, redrive and discard dead letters."),
    "queues": ("operating.queues", "List, show, pause and resume queues."),
    "schedules": ("operating.schedules", "List, show, run, pause, resume, create and backfill schedules."),
    "tasks": ("operating.tasks", "List and show the tasks that jobs can be posted for."),
    "producers": ("operating.producers", "List, show, change and disable producers."),
    "keys": ("operating.keys", "Create, list, rotate and revoke API keys."),
    "profile": ("profile", "Keep the URLs and keys of several platforms."),
    "completion": ("completion", "Let the shell complete commands and names."),
    "deploy": ("gristmill.deploy.command", "Print files for Compose and Kubernetes, with all queues."),
    "init": ("new", "Write a project of your own."),
    "new": ("new", "Write a task, a table, a mail template or a schedule into your project."),
}
PROFILE: Final = "gristmill.profile"  # of a context: the value of --profile, wherever it stands
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
        name = _COMMANDS[cmd_name][0]
        module = import_module(name if name.startswith("gristmill.") else f"gristmill.commands.{name}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            close = get_close_matches(args[0], _COMMANDS, n=1)
            meant = f" Did you mean {close[0]!r}?" if close else ""
            ctx.fail(f"No such command {args[0]!r}.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="gristmill")
@click.option("--profile", metavar="NAME", help="Work on the platform of this profile; see `gristmill profile`.")
@click.pass_context
def cli(ctx: click.Context, profile: str | None) -> None:
    """Background jobs that end exactly once: a thin HTTP ingress, Celery workers, Postgres as the record.

    \b
    Examples:
      gristmill up                                   run everything here; Ctrl-C stops it
      gristmill init shop                            write a project of your own: docs/your-first-project.md
      gristmill demo                                 follow jobs of every kind to their ends
      gristmill jobs post demo.echo message=hello    post a job
      gristmill doctor                               check everything, and say how to mend what fails

    Settings are read from GRISTMILL_… variables and from .env, or else from a `gristmill up` that runs in this folder.
    With GRISTMILL_URL and GRISTMILL_API_KEY, or a profile, commands work on a platform elsewhere, over HTTP.
    """  # noqa: D301  click's mark for text that is not to be wrapped
    if profile:
        ctx.meta[PROFILE] = profile


def main() -> NoReturn:
    """Run the command and exit: 0 on success, 1 on failure, 2 on wrong usage."""
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
    except BrokenPipeError:  # the reader has closed the pipe, as in `gristmill jobs list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if not _explain(error):
            raise
        return 1
    return result if isinstance(result, int) else 0


def _explain(error: Exception) -> bool:
    """Print what a person can do about an error; return false for a fault of our own."""
    from gristmill.explain import explain
    from gristmill.extras import explain_missing_extra

    missing = explain_missing_extra(_called_command()) if isinstance(error, ModuleNotFoundError) else None
    sentence = missing or explain(error, running=_called())
    if sentence is not None:
        click.echo(f"Error: {sentence}", err=True)
    return sentence is not None


def _called_command() -> str:
    return next((word for word in sys.argv[1:] if word in _COMMANDS), "")


def _called() -> str:
    """Return the words of the command that was called: `jobs list`, `doctor`."""
    name = _called_command()
    rest = sys.argv[sys.argv.index(name) + 1 :] if name else []
    command = cli.get_command(click.Context(cli), name)
    inner = getattr(command, "commands", {})
    return " ".join([name, *(word for word in rest[:1] if word in inner)])
