"""The contract is tried against the running server: whatever is sent, the answer is one that the contract names."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from gristmill.shared.database.connect import Database
from gristmill.shared.producers.queries import find_producer
from gristmill.shared.settings import Settings
from tests.integration.ingress.conftest import KeyMaker, served
from tests.integration.ingress.dead import make_dead
from tests.integration.ingress.people import make_person, sign_in

CONFIG = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = int(os.environ.get("GRISTMILL_FUZZ_EXAMPLES", "3"))  # for each operation; `make fuzz` tries more
MANY = 30
LONG = pytest.mark.long
SECONDS = 200 + 4 * max(EXAMPLES, MANY)


def test_every_example_of_a_job_is_accepted(client: FlaskClient, make_key: KeyMaker) -> None:
    contract = client.get("/openapi.json").get_json()
    body = contract["paths"]["/api/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    headers = make_key("jobs:write")
    answers = {
        name: client.post("/api/v1/jobs", json=example["value"], headers=headers).status_code
        for name, example in body["examples"].items()
    }
    assert answers == dict.fromkeys(answers, 202)
    assert len(answers) > 5


@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("examples", [pytest.param(EXAMPLES, id="few"), pytest.param(MANY, id="many", marks=LONG)])
def test_schemathesis_finds_nothing(
    settings: Settings,
    database: Database,
    client: FlaskClient,
    make_key: KeyMaker,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    examples: int,
) -> None:
    """All its checks, with good and bad input, one call by one and in sequences that hang together."""
    headers = make_key("admin", name="fuzz")
    _, letter = make_dead(client, headers, database)
    make_key("jobs:read", name="other")
    with database.transaction() as session:
        other = find_producer(session, "other")
    assert other is not None
    make_person(database)
    given = {
        "GRISTMILL_API_KEY": headers["Authorization"].removeprefix("Bearer "),
        "GRISTMILL_PRODUCER": str(other.id),
        "GRISTMILL_LETTER": letter,
        "GRISTMILL_MEMBER": sign_in(client)["access_token"],
        "GRISTMILL_LEAVER": sign_in(client)["access_token"],
    }
    often = replace(settings, wrong_keys=1_000_000, logins=1_000_000, registrations=1_000_000)
    chosen = replace(often, web_waiters=0, web_stream_seconds=1)  # nothing takes its time
    with served(chosen) as (_, url):
        run = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"),
                *("--config-file", CONFIG, "run", f"{url}/openapi.json"),
                *("--checks", "all", "--mode", "all", "--max-examples", str(examples), "--no-color"),
                *(["--seed", "1"] if "GRISTMILL_FUZZ_EXAMPLES" not in os.environ else []),
            ],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **given},
            cwd=tmp_path,
            stdout=subprocess.PIPE if request.config.getoption("capture") != "no" else None,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert run.returncode == 0, run.stdout
