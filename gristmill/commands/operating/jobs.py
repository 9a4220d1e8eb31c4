"""List, count, show, post, cancel, run and follow jobs: `gristmill jobs`."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from gristmill.commands.common.api_command import ApiGroup, act_on_each, ask_pages, open_backend
from gristmill.commands.common.arguments import arguments_of
from gristmill.commands.common.choices import Named, say_unknown, suggesting
from gristmill.commands.common.filter_options import body_of, job_options
from gristmill.commands.operating.job_tables import JOBS, draw_job
from gristmill.commands.operating.jobs_cancel import cancel, would
from gristmill.commands.operating.jobs_follow import follow
from gristmill.output.table import table
from gristmill.output.view import View, list_options, say_more, view_options

if TYPE_CHECKING:
    from gristmill.backends.operations import Backend


@click.group(cls=ApiGroup)
def jobs() -> None:
    """List, count, show, post, cancel and follow jobs; run waiting ones immediately.

    \b
    Examples:
      gristmill jobs list --state dead --task email.send
      gristmill jobs list --state running --watch
      gristmill jobs show 01993c1e-…
      gristmill jobs post demo.echo message=hello
      gristmill jobs post email.send --args '{"to": "me@example.com", "subject": "Hi", "text": "…"}' --delay 60
      gristmill jobs watch 01993c1e-…               follow it to its end
      gristmill jobs run 01993c1e-…                 run it immediately, instead of when it is due
      gristmill jobs cancel 01993c1e-…
      gristmill jobs cancel --task email.send --state retrying --dry-run
      gristmill jobs count --where '{"field": "attempt", "gt": 2}'
    """  # noqa: D301  click's mark for text that is not to be wrapped


@jobs.command(name="list")
@job_options
@list_options()
def list_(*, view: View, **filters: Any) -> None:
    """List jobs, newest first."""
    body = body_of(filters)
    with open_backend() as backend, suggesting(backend, "queue", body.get("queue")):

        def ask() -> Any:
            found = ask_pages(backend, "search_jobs", view.limit, body)
            say_unknown(backend, found, "task", body.get("task"))
            say_more(found, view.limit)
            return found

        view.show(
            backend,
            ask,
            lambda found, paper: table(found["items"], JOBS, paper) if found["items"] else ["No jobs"],
            "jobs",
        )


@jobs.command()
@job_options
@view_options
def count(*, view: View, **filters: Any) -> None:
    """Count jobs, up to 10,000."""
    body = body_of(filters)
    with open_backend() as backend, suggesting(backend, "queue", body.get("queue")):
        view.show(backend, lambda: backend.ask("count_jobs", body), lambda found, _paper: [counted(found)], "jobs")


@jobs.command()
@click.argument("job_id", metavar="ID", type=click.UUID)
@view_options
def show(*, job_id: UUID, view: View) -> None:
    """Show one job: its state, why it waits, its arguments, result and attempts."""
    with open_backend() as backend:
        view.show(backend, lambda: backend.ask("show_job", job_id=job_id), draw_job, f"job {job_id}")


@jobs.command()
@click.argument("task", type=Named("task"))
@click.argument("pairs", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--args", "document", help="The arguments as a JSON object, instead of NAME=VALUE.")
@click.option("--delay", type=click.FloatRange(0, 365 * 86_400), help="Run it this many seconds from now.")
@click.option("--high", is_flag=True, help="Post it with high priority, through the priority queue.")
@click.option("--max-attempts", type=click.IntRange(1, 100), help="Attempts it may take.  [default: the task's own]")
@click.option("--unique-key", help="While a live job of the task has this key, that job is returned.")
@click.option("--tag", "tags", multiple=True, help="A tag of the job; repeat it for more.")
def post(*, task: str, pairs: tuple[str, ...], document: str | None, high: bool, **options: Any) -> None:
    """Post a job of TASK and print its id. A VALUE that is JSON (3, true, [1]) is read as JSON, any other as text."""
    body = {"task": task, "args": arguments_of(pairs, document), **body_of(options)}
    body |= {"priority": "high" if high else "normal", "tags": list(options["tags"])}
    with open_backend() as backend, suggesting(backend, "task", task):
        click.echo(backend.ask("post_job", body)["id"])


@jobs.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=click.UUID)
@click.option("--dry-run", is_flag=True, help="Print their states and change nothing.")
def run(*, ids: tuple[UUID, ...], dry_run: bool) -> int:
    """Run jobs immediately that wait for their time or for their next attempt."""

    def act(backend: "Backend", each: UUID) -> str:
        if dry_run:
            return would("run now", backend, each)
        backend.ask("retry_job", job_id=each)
        return f"{each} is due now"

    return act_on_each(ids, act)


jobs.add_command(cancel)
jobs.add_command(follow)
# The name of the API's operation, which scripts use.
jobs.add_command(click.Command("retry", callback=run.callback, params=run.params, help=run.help, hidden=True))


def counted(found: Any) -> str:
    """Return a count as people read it: with a plus if there are more."""
    return f"{found['count']}{'+' if found['more'] else ''}"
