"""An operator on a laptop, with GRISTMILL_URL and a key alone, in an empty folder."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from gristmill import ports
from gristmill.process import Process
from gristmill.shared.jobs import moves
from gristmill.shared.jobs.enqueue import JobOptions
from gristmill.shared.states import DeadReason
from tests.acceptance.operating.conftest import Place, Web
from tests.acceptance.operating.terminal import open_screen
from tests.eventually import eventually
from tests.factories import FAILURE, begin, post, state
from tests.warm import process as warm


@pytest.fixture
def laptop(web: Web, tmp_path: Path) -> Place:
    """A laptop with the key of an operator, and nothing else of ours."""
    home = tmp_path / "home"
    home.mkdir()
    env = {name: value for name, value in web.laptop.env.items() if not name.startswith("GRISTMILL_")}
    mine = {"GRISTMILL_URL": web.cluster.url, "GRISTMILL_API_KEY": web.make_key("operator"), "HOME": str(home)}
    folder = tmp_path / "empty"
    folder.mkdir()
    return Place(folder, {**env, **mine})


def die(web: Web, job: UUID) -> None:
    for one in begin(web.database, job):
        with web.database.transaction() as session:
            assert moves.kill(session, one.id, one.attempt, reason=DeadReason.EXHAUSTED, failure=FAILURE)


@contextmanager
def in_background(place: Place, *arguments: str) -> Iterator[tuple[Path, Process]]:
    """Run a command whose output is read while it runs."""
    shown = place.folder.parent / "shown"
    with shown.open("wb") as output:
        started = warm.start(arguments, cwd=place.folder, env=place.env, output=output)
    try:
        yield shown, started
    finally:
        if started.poll() is None:
            os.kill(started.pid, signal.SIGKILL)


def test_an_operator_lists_shows_cancels_redrives_and_follows(web: Web, laptop: Place) -> None:
    dead, waits = post(web.database, "demo.echo", message="one"), post(web.database, "demo.echo", message="two")
    die(web, dead)
    assert str(waits) in laptop.says("jobs", "list", "--state", "queued")
    shown = laptop.says("jobs", "show", str(waits))
    assert '{"message": "two"}' in shown
    assert laptop.says("jobs", "cancel", str(waits)) == f"{waits} is cancelled"
    assert state(web.database, waits) == "cancelled"
    assert FAILURE.message in laptop.says("dead-letters", "list")
    followed = laptop.call("jobs", "watch", str(dead), "-o", "json")
    assert followed.returncode == 1
    events = [json.loads(line)["event"] for line in followed.stdout.splitlines()]
    assert events == ["job.accepted", "attempt.started", "job.dead"]
    assert "is redriven" in laptop.says("dead-letters", "redrive", str(dead), "--args", '{"message": "three"}')
    assert state(web.database, dead) == "queued"
    assert list(laptop.folder.iterdir()) == []


def test_a_job_is_followed_while_it_runs_and_its_end_is_the_exit_code(web: Web, laptop: Place) -> None:
    job = post(web.database, "demo.echo", message="m")
    with in_background(laptop, "jobs", "watch", str(job)) as (shown, following):
        eventually(lambda: "job.accepted" in shown.read_text())
        assert following.poll() is None
        laptop.says("jobs", "cancel", str(job))
        assert following.wait(60) == 1
        assert shown.read_text().splitlines()[-1].endswith("job.cancelled")
    timed_out = laptop.call("jobs", "watch", str(post(web.database, "demo.echo", message="m")), "--timeout", "1")
    assert (timed_out.returncode, "has not ended within 1 s" in timed_out.stderr) == (124, True)


def test_a_list_is_drawn_again_and_again_until_ctrl_c(web: Web, laptop: Place) -> None:
    job = post(web.database, "demo.echo", JobOptions(tags=("drawn",)), message="m")
    command = ("jobs", "list", "--tag", "drawn", "--watch", "--every", "1")
    screen = open_screen(*command, env=laptop.env, folder=laptop.folder, lines=8)
    screen.wait_for(str(job))
    web.laptop.says("jobs", "cancel", str(job))
    screen.wait_for("cancelled")
    screen.type("\x03")
    assert screen.end() == 130
    assert "Traceback" not in screen.shown
    frames = screen.shown.split("\x1b[H")[1:]
    assert len(frames) >= 2
    assert max(frame.count("\n") for frame in frames[:-1]) < 8  # it never scrolls


def test_without_a_terminal_the_blocks_follow_each_other(web: Web, laptop: Place) -> None:
    with in_background(laptop, "queues", "list", "--watch", "--every", "1") as (shown, running):
        eventually(lambda: shown.read_text().count("email_queue") >= 2)
        os.kill(running.pid, signal.SIGINT)
        assert running.wait(60) == 130
        assert "\x1b" not in shown.read_text()


def test_what_is_shown_again_and_again_outlives_a_restart_of_the_ingress(web: Web, laptop: Place) -> None:
    with in_background(laptop, "jobs", "count", "--watch", "--every", "1") as (shown, running):
        eventually(lambda: shown.read_text().strip())
        web.cluster.members["web"].kill()
        eventually(lambda: "does not answer" in shown.read_text())
        before = len(shown.read_text())
        web.cluster.up()
        eventually(lambda: any(line.isdecimal() for line in shown.read_text()[before:].splitlines()))
        assert running.poll() is None


def test_many_are_changed_only_after_a_yes(web: Web, laptop: Place) -> None:
    jobs = [post(web.database, "demo.echo", message="m") for _ in range(3)]
    command = ("jobs", "cancel", "--task", "demo.echo")
    for answer, code, after in (("n\n", 1, "queued"), ("y\n", 0, "cancelled")):
        screen = open_screen(*command, env=laptop.env, folder=laptop.folder)
        screen.wait_for("[y/N]")
        assert f"jobs on {web.cluster.url}" in screen.shown
        screen.type(answer)
        assert screen.end() == code
        assert {state(web.database, job) for job in jobs} == {after}
    screen = open_screen(*command, "--yes", env=laptop.env, folder=laptop.folder)
    assert (screen.end(), "nothing was done" in screen.shown) == (0, True)


def test_a_guarded_profile_asks_for_its_name(web: Web, laptop: Place) -> None:
    url, key = laptop.env.pop("GRISTMILL_URL"), laptop.env.pop("GRISTMILL_API_KEY")
    laptop.says("profile", "add", "production", "--guarded", "--url", url, GRISTMILL_API_KEY=key)
    job = post(web.database, "demo.echo", message="m")
    command = ("jobs", "cancel", "--task", "demo.echo", "--yes")
    refused = laptop.call(*command)
    assert (refused.returncode, "--confirm" in refused.stderr) == (2, True)
    for typed, code, after in (("staging\n", 2, "queued"), ("production\n", 0, "cancelled")):
        screen = open_screen(*command, env=laptop.env, folder=laptop.folder)
        screen.wait_for("name of the profile")
        screen.type(typed)
        assert screen.end() == code
        assert state(web.database, job) == after
    other = post(web.database, "demo.echo", message="m")
    laptop.says(*command, "--confirm", "production")
    assert state(web.database, other) == "cancelled"


def test_profiles_choose_the_platform_and_never_show_a_key(web: Web, laptop: Place) -> None:
    url, key = laptop.env.pop("GRISTMILL_URL"), laptop.env.pop("GRISTMILL_API_KEY")
    told = [laptop.says("profile", "add", "here", "--url", f"{url}/", GRISTMILL_API_KEY=key)]
    nowhere = f"http://127.0.0.1:{ports.free_port()}"
    told += [laptop.says("profile", "add", "there", "--no-check", "--url", nowhere, GRISTMILL_API_KEY=key)]
    assert laptop.says("jobs", "count").isdecimal()
    assert laptop.call("profile", "use", "elsewhere").returncode == 1
    told += [laptop.says("profile", "use", "there")]
    for failing in (("jobs", "count"), ("--profile", "there", "jobs", "count")):
        answer = laptop.call(*failing)
        assert (answer.returncode, f"{nowhere} does not answer" in answer.stderr) == (1, True)
        assert "the profile there" in answer.stderr
        told += [answer.stderr]
    for working in (("--profile", "here", "jobs", "count"), ("jobs", "count", "--profile", "here")):
        assert laptop.says(*working).isdecimal()
    assert laptop.says("jobs", "count", GRISTMILL_PROFILE="here").isdecimal()
    assert laptop.says("jobs", "count", GRISTMILL_URL=url, GRISTMILL_API_KEY=key).isdecimal()
    told += [laptop.says("profile", "list", "-o", form) for form in ("table", "wide", "json")]
    assert key.split("_")[1] in told[-1]
    told += [laptop.says("profile", "remove", "there"), laptop.says("profile", "remove", "here")]
    assert key.split("_", 2)[2] not in "".join(told)
    assert "no profiles yet" in laptop.says("profile", "list")


def test_a_key_is_typed_unseen_or_piped_in(web: Web, laptop: Place) -> None:
    url, key = laptop.env.pop("GRISTMILL_URL"), laptop.env.pop("GRISTMILL_API_KEY")
    screen = open_screen("profile", "add", "typed", "--url", url, env=laptop.env, folder=laptop.folder)
    screen.wait_for("Key:")
    screen.type(f"{key}\n")
    assert screen.end() == 0, screen.shown
    assert key not in screen.shown
    piped = [sys.executable, "-m", "gristmill", "profile", "add", "piped", "--url", url, "--key-stdin"]
    subprocess.run(piped, input=key, text=True, env=laptop.env, cwd=laptop.folder, timeout=120, check=True)
    for name in ("typed", "piped"):
        assert laptop.says("jobs", "count", "--profile", name).isdecimal()
    nothing = laptop.call("profile", "add", "none", "--url", url)
    assert (nothing.returncode, "there is no key" in nothing.stderr) == (2, True)


def test_a_profile_is_not_kept_if_the_api_refuses_its_key(web: Web, laptop: Place) -> None:
    url = laptop.env.pop("GRISTMILL_URL")
    answer = laptop.call("profile", "add", "here", "--url", url, GRISTMILL_API_KEY="gm_aaaaaaaaaaaa_wrong")
    assert (answer.returncode, "refuses the key" in answer.stderr) == (1, True)
    assert "no profiles yet" in laptop.says("profile", "list")


@pytest.mark.parametrize(
    ("scopes", "command", "told"),
    [
        (["jobs:read"], ["queues", "list"], "lacks the scope queues:read"),
        (["jobs:read"], ["jobs", "cancel", "--all"], "lacks the scope jobs:write"),
        (["operator"], ["keys", "list"], "lacks the scope admin"),
    ],
)
def test_a_key_without_the_scope_is_told_with_what_it_lacks(
    web: Web, laptop: Place, scopes: list[str], command: list[str], told: str
) -> None:
    key = web.make_key(*scopes)
    answer = laptop.call(*command, GRISTMILL_API_KEY=key)
    assert answer.returncode == 1
    assert told in answer.stderr
    assert f"The key {key.split('_')[1]} " in answer.stderr
    assert "GRISTMILL_API_KEY" in answer.stderr
    assert "request id" in answer.stderr


SERVER_ONLY = (
    "db current",
    "db upgrade",
    "doctor --wait 0",
    "relay",
    "web",
    "maintenance",
    "worker --queue email_queue",
)


@pytest.mark.parametrize("command", SERVER_ONLY)
def test_what_needs_the_database_says_so(web: Web, laptop: Place, command: str) -> None:
    answer = laptop.call(*command.split())
    told = answer.stdout + answer.stderr
    assert answer.returncode == 1
    assert "works on the server" in told
    assert "GRISTMILL_DATABASE_URL" in told
    assert web.cluster.url in told


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"GRISTMILL_API_KEY": ""}, "GRISTMILL_API_KEY is not set"),
        ({"GRISTMILL_API_KEY": "gm_aaaaaaaaaaaa_wrong"}, "refuses the key of GRISTMILL_API_KEY"),
        ({"GRISTMILL_URL": "mill.example.com"}, "is no URL of an API"),
        ({"GRISTMILL_URL": "https://me:secret@mill.example.com"}, "may hold no user and no password"),
        ({"GRISTMILL_PROFILE": "x", "GRISTMILL_URL": ""}, "No profile is called 'x': there are none"),
    ],
)
def test_a_wrong_setting_is_a_sentence(web: Web, laptop: Place, env: dict[str, str], told: str) -> None:
    answer = laptop.call("jobs", "list", **env)
    assert answer.returncode == 1
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr
    assert "wrong" not in answer.stderr.replace("unknown, wrong", "")


def test_a_key_is_never_sent_to_a_url_that_a_folder_names(web: Web, laptop: Place) -> None:
    laptop.env.pop("GRISTMILL_URL")
    (laptop.folder / ".env").write_text(f"GRISTMILL_URL={web.cluster.url}\n")
    answer = laptop.call("jobs", "list")
    assert (answer.returncode, "GRISTMILL_API_KEY in .env is not set" in answer.stderr) == (1, True)


def test_a_shell_completes_the_names_of_the_platform(web: Web, laptop: Place) -> None:
    laptop.says("completion", "install", "bash")
    script = laptop.says("completion", "show", "bash")
    assert "_gristmill_completion" in script

    def completes(*words: str) -> list[str]:
        asked = {"_GRISTMILL_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["gristmill", *words])}
        shown = laptop.call(**asked, COMP_CWORD=str(len(words)))
        return [line.partition(",")[2] for line in shown.stdout.splitlines() if line]

    assert completes("dead-") == ["dead-letters"]
    assert completes("queues", "pause", "email") == ["email_queue"]
    assert "email.send" in completes("jobs", "list", "--task", "em")
    assert completes("jobs", "list", "--state", "de") == ["dead"]
    laptop.env["GRISTMILL_URL"] = f"http://127.0.0.1:{ports.free_port()}"
    assert completes("queues", "pause", "email") == []
