"""`gristmill up`, whole: real processes, a pasted command, and what is left when it ends."""

import os
import re
import signal
import socket
import subprocess
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.acceptance.ups import ORDINARY, START_SECONDS, Up, folder_for, running, starting
from tests.conftest import require_rabbitmq
from tests.eventually import eventually
from tests.hostile_folder import fill
from tests.processes import all_have_ended, command_line

pytestmark = pytest.mark.timeout(START_SECONDS + 600)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    with running() as started:
        yield started


@pytest.fixture(scope="module")
def up_on_rabbitmq() -> Iterator[Up]:
    require_rabbitmq()
    with running("--rabbitmq") as started:
        yield started


@pytest.fixture(params=["valkey", "rabbitmq"])
def up_on_either(request: pytest.FixtureRequest) -> Up:
    up: Up = request.getfixturevalue("up" if request.param == "valkey" else "up_on_rabbitmq")
    return up


def paste(up: Up, folder: Path) -> str:
    """Run the command of the screen in a plain shell, in another folder, and return the status and the body."""
    command = up.pasted_command() + " -w '\\n%{http_code}'"
    env = {"PATH": os.defpath}
    pasted = subprocess.run(["sh", "-c", command], cwd=folder, env=env, capture_output=True, timeout=120, check=True)
    return pasted.stdout.decode()


def test_a_pasted_command_is_accepted_and_its_mail_is_caught(up_on_either: Up, tmp_path: Path) -> None:
    before = up_on_either.mails("you@example.com")
    body, status = paste(up_on_either, tmp_path).rsplit("\n", 1)
    assert status == "202", body
    eventually(lambda: up_on_either.mails("you@example.com") == before + 1, within=60)


def test_the_demo_ends_as_expected(up_on_either: Up) -> None:
    demo = up_on_either.command("demo")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "All as expected" in demo.stdout


def test_doctor_finds_everything_well(up_on_either: Up) -> None:
    doctor = up_on_either.command("doctor", "--wait", "60")  # its last processes start when it is ready
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert re.findall(r"^(\w+) +ok ", doctor.stdout, re.MULTILINE) == [
        "settings", "postgres", "schema", "broker", "processes", "plugins", "redis", "smtp",
    ]  # fmt: skip


def test_nothing_in_the_folder_is_taken_for_a_part_of_the_platform() -> None:
    with starting(prepare=fill) as up:
        up.wait_until_ready()
        doctor = up.command("doctor", "--wait", "60")
        assert doctor.returncode == 0, doctor.stdout + doctor.stderr
        job = up.command("jobs", "post", "demo.echo", "message=hello").stdout.strip()
        eventually(lambda: up.state_of(job) == "succeeded", within=60)
        for log in up.data.rglob("*.log"):
            assert "hostile" not in log.read_text(errors="replace"), log


def test_a_second_one_in_the_same_folder_says_who_runs(up: Up) -> None:
    second = up.command("up")
    assert second.returncode == 1
    assert f"pid {up.process.pid}, http://127.0.0.1:{up.port}" in second.stderr
    assert "Traceback" not in second.stderr
    assert up.process.poll() is None


def test_secrets_stay_in_files_that_only_their_owner_reads(up: Up) -> None:
    assert up.data.stat().st_mode & 0o066 == 0
    key = re.search(r"GRISTMILL_API_KEY=(\S+)", (up.data / "env").read_text())
    assert key is not None
    for secret in (key[1], *((up.data / name).read_text() for name in ("secret_key", "flower_password"))):
        assert secret not in up.output
        for log in (up.data / "logs").glob("*.log"):
            assert secret not in log.read_text(errors="replace"), log
    shared = [path for path in (up.data, up.data / "env", up.data / "settings") if path.stat().st_mode & 0o066]
    assert shared == []


def test_flower_asks_for_its_password_and_only_looks(up: Up) -> None:
    address = f"http://127.0.0.1:{up.flower_port}"

    def status(path: str, method: str = "GET", **headers: str) -> int:
        try:
            with urlopen(Request(address + path, method=method, headers=headers), timeout=60) as answer:  # noqa: S310
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    import base64

    password = (up.data / "flower_password").read_text().strip()
    authorization = "Basic " + base64.b64encode(f"gristmill:{password}".encode()).decode()
    eventually(lambda: status("/workers") == 401, within=60)
    assert status("/api/workers") == 401
    assert status("/workers", Authorization=authorization) == 200
    assert status("/api/worker/shutdown/x", "POST", Authorization=authorization) == 403


def test_ctrl_c_stops_everything_and_the_next_start_finds_it_all_again() -> None:
    with running() as up:
        key, family = (up.data / "env").read_text(), up.family()
        assert len(family) > 10
        assert up.stop() == 0
        eventually(lambda: all_have_ended(family))
        assert re.search(r"^Stopped in [\d.]+ s", up.output, re.MULTILINE)
        up.start()
        up.wait_until_ready()
        assert (up.data / "env").read_text() == key
        listed = up.command("keys", "list")
        assert listed.stdout.count("local-admin") == 1


@pytest.mark.parametrize("broker", ["valkey", "rabbitmq"])
def test_nothing_is_left_running_after_it_was_killed(broker: str) -> None:
    if broker == "rabbitmq":
        require_rabbitmq()
    with running(*(["--rabbitmq"] if broker == "rabbitmq" else [])) as up:
        family = up.family()
        up.process.kill()
        up.process.wait()
        eventually(lambda: all_have_ended(family), within=10)


@pytest.fixture
def heard_hang_ups() -> Iterator[None]:
    """Let started processes handle SIGHUP, even if the tests were started by nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("heard_hang_ups")
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP])
def test_it_can_be_ended_while_it_starts(sig: signal.Signals) -> None:
    with starting("--no-flower") as up:
        up.wait_until_it_starts("web")
        family = up.family()
        up.process.send_signal(sig)
        assert up.process.wait(timeout=60) == 0
        eventually(lambda: all_have_ended(family))


def test_a_worker_that_is_killed_comes_back_and_its_job_ends(up: Up) -> None:
    posted = up.command("jobs", "post", "demo.sleep", "seconds=20", "--max-attempts", "5")
    assert posted.returncode == 0, posted.stderr
    job = posted.stdout.strip()
    eventually(lambda: up.state_of(job) == "running", within=60)
    workers = [each for each in up.family() if "data_processing_queue" in command_line(each)]
    workers[0].kill()  # the eldest: the parent of the others
    eventually(lambda: up.state_of(job) == "succeeded", within=120, every=0.2)
    assert "worker_data_processing: runs again" in up.output


def test_a_database_that_is_killed_comes_back_and_jobs_end(up: Up) -> None:
    servers = [each for each in up.family() if "postgres" in each.name() and each.ppid() == up.process.pid]
    servers[0].kill()
    eventually(lambda: "postgres: runs again" in up.output, within=60)

    def post() -> str:
        return up.command("jobs", "post", "demo.echo", "message=again").stdout.strip()

    job = eventually(post, within=120)
    eventually(lambda: up.state_of(job) == "succeeded", within=60, every=0.2)


def test_a_second_ctrl_c_ends_everything_at_once() -> None:
    with starting("--no-flower") as up:
        up.wait_until_it_starts("relay")
        family = up.family()
        for each in family:
            if "web" in command_line(each):
                each.suspend()  # so that the end in order takes its time
        up.process.send_signal(signal.SIGINT)
        eventually(lambda: "Stopping" in up.output)
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(timeout=60) == 130
        eventually(lambda: all_have_ended(family))


@needs_root
def test_an_ordinary_user_has_all_of_it(tmp_path: Path) -> None:
    with running(user=ORDINARY) as up:
        body, status = paste(up, tmp_path).rsplit("\n", 1)
        assert status == "202", body
        eventually(lambda: up.mails("you@example.com") == 1, within=60)
        family = up.family()
        assert {each.username() for each in family} == {ORDINARY}
        assert up.stop() == 0
        eventually(lambda: all_have_ended(family))


@needs_root
def test_a_folder_that_root_left_is_refused_in_a_plain_sentence() -> None:
    with folder_for(ORDINARY) as folder:
        up = Up(folder, user=ORDINARY)
        up.data.mkdir(mode=0o700)
        refused = up.command("up")
        assert refused.returncode == 1
        assert f"{up.data} belongs to root" in refused.stderr
        assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("part", ["port", "mail_port", "flower_port"])
def test_a_port_in_use_is_told_with_its_holder_and_the_setting(part: str) -> None:
    with folder_for(None) as folder:
        up = Up(folder)
        with socket.create_server(("127.0.0.1", getattr(up, part))):
            refused = up.command("up")
    assert refused.returncode == 1
    holder = rf"port {getattr(up, part)} is in use by .* \(pid {os.getpid()}\): set GRISTMILL_{part.upper()} to another"
    assert re.search(holder, refused.stderr), refused.stderr


def test_taken_ports_of_embedded_servers_are_told_with_their_settings() -> None:
    settings = ("GRISTMILL_POSTGRES_PORT", "GRISTMILL_VALKEY_PORT", "GRISTMILL_SMTP_PORT")
    with folder_for(None) as folder, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = Up(folder, env={setting: str(port) for setting in settings}).command("up")
    assert refused.returncode == 1
    for setting in settings:
        assert re.search(rf"port {port} is in use by .* \(pid {os.getpid()}\): set {setting} to", refused.stderr)


def test_a_wrong_setting_is_told_before_anything_starts() -> None:
    with folder_for(None) as folder:
        up = Up(folder, env={"GRISTMILL_WEB_THREADS": "many"})
        refused = up.command("up")
        assert refused.returncode == 1
        assert "GRISTMILL_WEB_THREADS" in refused.stderr
        assert "Traceback" not in refused.stderr
