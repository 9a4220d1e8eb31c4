"""The examples of the client's page run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import ROOT, Cluster

EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python-client.md").read_text(), re.DOTALL)
TOLD = [
    r"queued\n(queued|scheduled) .+",
    r"queued\n(queued|scheduled) .+",
    r"(\S+ scheduled\n){3}Count\(count=3, more=False\)\nCancelled\(matched=3, .*\njob\.accepted\njob\.cancelled\n",
    r"(\S+ scheduled\n){3}Count\(count=3, more=False\)\nCancelled\(matched=3, .*\njob\.accepted\njob\.cancelled\n",
    r"Flushed\(sent=0, refused=0, left=0, error=None\) \[\]",
    r"Flushed\(sent=0, refused=0, left=0, error=None\) \[\]",
    r"\{'type': 'job\.succeeded'\}\nno signature matches",
]


@pytest.mark.parametrize("number", range(len(TOLD)))
def test_an_example_of_the_page_runs(ingress: Cluster, key: str, tmp_path: Path, number: int) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT), "GRISTMILL_URL": ingress.url, "GRISTMILL_API_KEY": key}
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES[number].replace("timeout=10", "timeout=0.1")],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(TOLD[number], done.stdout), done.stdout


def test_every_example_of_the_page_is_run() -> None:
    assert len(EXAMPLES) == len(TOLD)
