"""List, count, group, show, redrive and discard dead letters: `gristmill dead-letters`."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import click

from gristmill.commands.common.api_command import ApiGroup, ask_pages, open_backend
from gristmill.commands.common.choices import say_unknown, suggesting
from gristmill.commands.common.columns import age_column, error_of, title
from gristmill.commands.common.filter_options import body_of, group_options, letter_options
from gristmill.commands.operating.dead_letters_redrive import LETTERS, discard, find_letter, redrive
from gristmill.commands.operating.job_tables import ATTEMPTS
from gristmill.commands.operating.jobs import counted
from gristmill.output.fields import show_fields
from gristmill.output.paper import Paper
from gristmill.output.table import Column, plain, table
from gristmill.output.values import moment, number
from gristmill.output.view import View, list_options, say_more, view_options

GROUPS: Final = (
    Column(name="COUNT", value=lambda row, _paper: number(row["count"]), right=True),
    age_column("first_seen", "FIRST"),
    age_column("last_seen", "LAST"),
    plain("FINGERPRINT", "fingerprint", is_id=True),
    plain("TASK", "task", least=8),
    Column(name="MESSAGE", value=lambda row, _paper: error_of(row["sample"], "message"), least=10),
    Column(name="ERROR", value=lambda row, _paper: error_of(row["sample"], "code"), wide=True),
    Column(name="SAMPLE", value=lambda row, _paper: row["sample"]["id"], wide=True),
)


@click.group(cls=ApiGroup)
def dead_letters() -> None:
    """List, group, show, redrive and discard dead letters: jobs that ended without success.

    \b
    Examples:
      gristmill dead-letters list --task email.send
      gristmill dead-letters groups
      gristmill dead-letters show 01993c1e-…        the id of the dead letter, or of its job
      gristmill dead-letters redrive 01993c1e-… --args '{"to": "ada@example.com", "template": "welcome"}'
      gristmill dead-letters redrive --task email.send --rate 10 --dry-run
      gristmill dead-letters count --where '{"field": "error_message", "like": "%timed out%"}'
      gristmill dead-letters discard 01993c1e-… --reason "the customer has left"
    """  # noqa: D301  click's mark for text that is not to be wrapped


@dead_letters.command(name="list")
@letter_options
@click.option("--all", "with_resolved", is_flag=True, help="Include those that were redriven or discarded.")
@list_options()
def list_(*, view: View, with_resolved: bool, **filters: Any) -> None:
    """List dead letters, newest first."""
    body = {**body_of(filters), "resolution": "all" if with_resolved else "open"}
    with open_backend() as backend, suggesting(backend, "queue", body.get("queue")):

        def ask() -> Any:
            found = ask_pages(backend, "search_dead_letters", view.limit, body)
            say_unknown(backend, found, "task", body.get("task"))
            say_more(found, view.limit)
            return found

        view.show(backend, ask, lambda found, paper: _drawn(found, LETTERS, paper), "dead letters")


@dead_letters.command()
@letter_options
@view_options
def count(*, view: View, **filters: Any) -> None:
    """Count open dead letters, up to 10,000."""
    body = {**body_of(filters), "resolution": "open"}
    with open_backend() as backend, suggesting(backend, "queue", body.get("queue")):
        view.show(
            backend,
            lambda: backend.ask("count_dead_letters", body),
            lambda found, _paper: [counted(found)],
            "dead letters",
        )


@dead_letters.command()
@group_options
@list_options()
def groups(*, view: View, **filters: Any) -> None:
    """Group open dead letters by task and error, the largest group first."""
    body = body_of(filters)
    with open_backend() as backend, suggesting(backend, "queue", body.get("queue")):

        def ask() -> Any:
            found = ask_pages(backend, "group_dead_letters", view.limit, body)
            say_more(found, view.limit)
            return found

        view.show(backend, ask, lambda found, paper: _drawn(found, GROUPS, paper), "dead letters by error")


@dead_letters.command()
@click.argument("letter_id", metavar="ID", type=click.UUID)
@view_options
def show(*, letter_id: UUID, view: View) -> None:
    """Show one dead letter with its error, its attempts and its resolution. ID is its own, or that of its job."""
    with open_backend() as backend:
        view.show(backend, lambda: find_letter(backend, letter_id), _draw_letter, f"dead letter {letter_id}")


def _drawn(found: Mapping[str, Any], columns: tuple[Column, ...], paper: Paper) -> list[str]:
    return table(found["items"], columns, paper) if found["items"] else ["No dead letters"]


def _draw_letter(letter: Mapping[str, Any], paper: Paper) -> list[str]:
    lines = show_fields(_fields(letter, paper), paper)
    if letter["attempts"]:
        lines += ["", title("Attempts", paper), *table(letter["attempts"], ATTEMPTS, paper)]
    traceback = letter["error"].get("traceback")
    return [*lines, "", title("Traceback", paper), *traceback.splitlines()] if traceback else lines


def _fields(letter: Mapping[str, Any], paper: Paper) -> dict[str, Any]:
    error, raw = letter["error"], letter["raw_body"] or {}
    return {
        "id": letter["id"],
        "job": letter["job_id"],
        "task": letter["task"],
        "queue": letter["queue"],
        "reason": letter["reason"],
        "attempt": letter["attempt"],
        "created": moment(letter["created_at"], paper.now),
        "error": " ".join(filter(None, (error["type"], error["code"]))),
        "message": error["message"],
        "fingerprint": letter["fingerprint"],
        "broker": letter["broker"],
        "body": raw.get("excerpt"),
        "resolution": letter["resolution"],
        "resolved": moment(letter["resolved_at"], paper.now),
        "resolved by": letter["resolved_by"],
        "note": letter["note"],
    }


dead_letters.add_command(redrive)
dead_letters.add_command(discard)
