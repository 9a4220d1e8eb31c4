"""Post the scenario, watch every job to its end, and say whether all went as it must."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gristmill.demo.client import Client, Seen, count_mails
from gristmill.demo.scenario import STREAM, STREAM_SCHEMA, Case, Scenario, make_scenario
from gristmill.demo.target import Place, find_or_start
from gristmill.demo.view import View

DEADLINE: Final = 180.0  # seconds for all jobs; with back-off and a crash they take about ten
FINAL: Final = frozenset({"succeeded", "dead", "cancelled"})
_LOOK_SECONDS: Final = 0.2
_MAIL_SECONDS: Final = 60.0  # the verification mail is a job of its own


@dataclass(frozen=True, slots=True)
class _Outcome:
    posted: dict[str, str]
    seen: dict[str, Seen]


def run(data: Path) -> int:
    """Run the demo; return 0 when everything ended as it must, else 1.

    Args:
        data: The data folder of the `up` to use; where none runs, one is started and stopped again.

    Raises:
        ServiceFailedError: there is no platform, and none could be started.
    """
    with find_or_start(data) as place, Client(place.url, place.key) as client:
        _make_stream(place)
        scenario = make_scenario()
        with View(scenario.cases) as view:
            outcome = _watch(client, scenario, view)
        problems = _compare(scenario, outcome) + _count(client, place, scenario)
        view.say(_summary(scenario, outcome, problems, place), style="red" if problems else "green")
    return 1 if problems else 0


def _watch(client: Client, scenario: Scenario, view: View) -> _Outcome:
    posted: dict[str, str] = {}
    seen: dict[str, Seen] = {}
    ends_at = time.monotonic() + DEADLINE
    while time.monotonic() < ends_at:
        for case in scenario.cases:
            if case.name not in posted and (case.after is None or _has_ended(seen.get(case.after))):
                results = {name: each.result or {} for name, each in seen.items()}
                if (args := _arguments(case, results)) is not None:
                    posted[case.name] = client.post_job(case.task, args, **case.options)
            if case.name in posted and not _has_ended(seen.get(case.name)):
                seen[case.name] = client.look(posted[case.name])
                view.update(case, seen[case.name], ended=_has_ended(seen[case.name]))
        if all(_has_ended(seen.get(case.name)) for case in scenario.cases):
            break
        time.sleep(_LOOK_SECONDS)
    return _Outcome(posted, seen)


def _arguments(case: Case, results: dict[str, Any]) -> dict[str, Any] | None:
    """Return the arguments; None when the job they are made from did not leave what they need."""
    try:
        return case.args(results)
    except KeyError:
        return None


def _compare(scenario: Scenario, outcome: _Outcome) -> list[str]:
    problems = []
    for case in scenario.cases:
        seen = outcome.seen.get(case.name)
        if seen is None:
            problems.append(f"{case.task} ({case.name}) was never posted: the job before it did not end as it must")
            continue
        wanted = [f"{case.ends!r}"] if seen.state != case.ends else []
        if case.error is not None and seen.error != case.error:
            wanted.append(f"the error {case.error}")
        if case.attempts is not None and _has_ended(seen) and seen.attempts != case.attempts:
            wanted.append(f"{case.attempts} attempt(s)")
        if wanted:
            problems.append(
                f"{case.task} ({case.name}) is {seen.state!r} after {seen.attempts} attempt(s), error {seen.error}, "
                f"and not with {', '.join(wanted)}: gristmill jobs show {seen.id}"
            )
    return problems


def _count(client: Client, place: Place, scenario: Scenario) -> list[str]:
    problems = []
    effects = client.count_effects(scenario.effect)
    if effects != 1:
        problems.append(f"demo.effect left {effects} rows, and not one")
    if place.mail_url is not None:
        ends_at = time.monotonic() + _MAIL_SECONDS
        for address in (scenario.person, scenario.reader):
            while (mails := count_mails(place.mail_url, address)) == 0 and time.monotonic() < ends_at:
                time.sleep(_LOOK_SECONDS)
            if mails != 1:
                problems.append(f"{address} got {mails} mails, and not one")
    return problems


def _summary(scenario: Scenario, outcome: _Outcome, problems: list[str], place: Place) -> str:
    counts = {state: sum(each.state == state for each in outcome.seen.values()) for state in sorted(FINAL)}
    ends = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    mails = f"; their mails are at {place.mail_url}" if place.mail_url and not place.temporary else ""
    if not problems:
        return f"\nAll as expected: {len(scenario.cases)} jobs, {ends}, each effect once{mails}."
    listed = "\n".join(f"  {problem}" for problem in problems)
    return f"\nNot as expected ({ends or 'nothing ended'}):\n{listed}"


def _has_ended(seen: Seen | None) -> bool:
    return seen is not None and seen.state in FINAL


def _make_stream(place: Place) -> None:
    """Write the stream of the demo's records, straight into the database."""
    from gristmill.shared.database.connect import Database
    from gristmill.shared.settings import load_settings
    from gristmill.tasks.records.queries_streams import put_stream

    place.use_settings()
    database = Database(load_settings(dotenv=None), application_name="gristmill demo", pool_size=1)
    try:
        with database.transaction() as session:
            put_stream(
                session, name=STREAM, json_schema=STREAM_SCHEMA, measures=["temperature"], dimensions=["machine"]
            )
    finally:
        database.dispose()
