"""Post the jobs of the demo, follow each to its end, and compare the ends with those expected."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gristmill.demo.client import Client, JobSnapshot, count_mails
from gristmill.demo.scenario import STREAM, STREAM_SCHEMA, Case, Scenario, make_scenario
from gristmill.demo.target import RunningPlatform, find_or_start
from gristmill.demo.view import View
from gristmill.process import ServiceFailedError

DEADLINE: Final = 180.0  # seconds for all jobs; with back-off and a crash they take about ten
FINAL: Final = frozenset({"succeeded", "dead", "cancelled"})
_POLL_SECONDS: Final = 0.2
_MAIL_SECONDS: Final = 60.0  # the verification mail is a job of its own


@dataclass(frozen=True, slots=True)
class _Outcome:
    posted: dict[str, str]
    seen: dict[str, JobSnapshot]


def run(data: Path) -> int:
    """Run the demo; return 0 if every job ended as expected, else 1.

    Args:
        data: The data folder of the `up` to use; if none runs there, one is started and stopped afterwards.

    Raises:
        ServiceFailedError: no platform runs, and none could be started.
    """
    with find_or_start(data) as platform, Client(platform.url, platform.key) as client:
        scenario = make_scenario()
        _refuse_missing_tasks(client, scenario)
        _make_stream(platform)
        with View(scenario.cases) as view:
            outcome = _follow(client, scenario, view)
        problems = _compare(scenario, outcome) + _count(client, platform, scenario)
        view.say(_summary(scenario, outcome, problems, platform), style="red" if problems else "green")
    return 1 if problems else 0


def _refuse_missing_tasks(client: Client, scenario: Scenario) -> None:
    """Refuse a platform that does not offer all tasks of the demo.

    Raises:
        ServiceFailedError: names the tasks, and says what to do.
    """
    missing = sorted({case.task for case in scenario.cases} - client.list_tasks())
    if missing:
        posts = f"The demo posts {', '.join(missing)}, which this platform does not offer"
        cure = "load the plugins accounts, demo, mail, notifications and records, and set GRISTMILL_DEMO_TASKS=true"
        raise ServiceFailedError(f"{posts}: {cure}")


def _follow(client: Client, scenario: Scenario, view: View) -> _Outcome:
    posted: dict[str, str] = {}
    seen: dict[str, JobSnapshot] = {}
    ends_at = time.monotonic() + DEADLINE
    while time.monotonic() < ends_at:
        for case in scenario.cases:
            if case.name not in posted and (case.after is None or _has_ended(seen.get(case.after))):
                _post(client, case, seen, posted)
            if case.name in posted and not _has_ended(seen.get(case.name)):
                seen[case.name] = client.get_job(posted[case.name])
                view.update(case, seen[case.name], ended=_has_ended(seen[case.name]))
        if all(_has_ended(seen.get(case.name)) for case in scenario.cases):
            break
        time.sleep(_POLL_SECONDS)
    return _Outcome(posted, seen)


def _post(client: Client, case: Case, seen: Mapping[str, JobSnapshot], posted: dict[str, str]) -> None:
    results = {name: each.result or {} for name, each in seen.items()}
    if (args := _arguments(case, results)) is not None:
        posted[case.name] = client.post_job(case.task, args, **case.options)


def _arguments(case: Case, results: dict[str, Any]) -> dict[str, Any] | None:
    """Return the arguments; None if the result of the job before lacks what they are made from."""
    try:
        return case.args(results)
    except KeyError:
        return None


def _compare(scenario: Scenario, outcome: _Outcome) -> list[str]:
    problems = (_problem_of(case, outcome.seen.get(case.name)) for case in scenario.cases)
    return [problem for problem in problems if problem is not None]


def _problem_of(case: Case, seen: JobSnapshot | None) -> str | None:
    if seen is None:
        return f"{case.task} ({case.name}) was never posted: the job before it did not end as expected"
    wanted = [f"{case.final_state!r}"] if seen.state != case.final_state else []
    if case.error is not None and seen.error != case.error:
        wanted.append(f"the error {case.error}")
    if case.attempts is not None and _has_ended(seen) and seen.attempts != case.attempts:
        wanted.append(f"{case.attempts} attempt(s)")
    if not wanted:
        return None
    return (
        f"{case.task} ({case.name}) is {seen.state!r} after {seen.attempts} attempt(s), error {seen.error}, "
        f"instead of {', '.join(wanted)}: run `gristmill jobs show {seen.id}`"
    )


def _count(client: Client, platform: RunningPlatform, scenario: Scenario) -> list[str]:
    problems = []
    effects = client.count_effects(scenario.effect)
    if effects != 1:
        problems.append(f"demo.effect left {effects} rows instead of one")
    if platform.mail_url is not None:
        ends_at = time.monotonic() + _MAIL_SECONDS
        for address in (scenario.person, scenario.reader):
            while (mails := count_mails(platform.mail_url, address)) == 0 and time.monotonic() < ends_at:
                time.sleep(_POLL_SECONDS)
            if mails != 1:
                problems.append(f"{address} got {mails} mails instead of one")
    return problems


def _summary(scenario: Scenario, outcome: _Outcome, problems: list[str], platform: RunningPlatform) -> str:
    counts = {state: sum(each.state == state for each in outcome.seen.values()) for state in sorted(FINAL)}
    ended = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    mails = f"; their mails are at {platform.mail_url}" if platform.mail_url and not platform.temporary else ""
    if not problems:
        return f"\nAll as expected: {len(scenario.cases)} jobs, {ended}, each effect once{mails}."
    listed = "\n".join(f"  {problem}" for problem in problems)
    return f"\nNot as expected ({ended or 'nothing ended'}):\n{listed}"


def _has_ended(seen: JobSnapshot | None) -> bool:
    return seen is not None and seen.state in FINAL


def _make_stream(platform: RunningPlatform) -> None:
    """Create the stream of the demo's records, straight in the database."""
    from gristmill.shared.database.connect import opened
    from gristmill.shared.settings import load_settings
    from gristmill.tasks.records.queries_streams import put_stream

    platform.use_settings()
    settings = load_settings(dotenv=None)
    with opened(settings, application_name="gristmill demo") as database, database.transaction() as session:
        put_stream(session, name=STREAM, json_schema=STREAM_SCHEMA, measures=["temperature"], dimensions=["machine"])
