"""The measurements run, in short: what they print is a table, and no figure of it is judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.peers.figures import LINES
from tests.cluster import ROOT
from tests.conftest import require_rabbitmq


def run(module: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=570, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(600)
def test_the_platform_is_measured(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    table = run("bench", "relay", "execute", "--quick", "--json", str(figures))
    assert "jobs a second, bundled" in table
    assert {row["part"] for row in json.loads(figures.read_text())["rows"]} == {"relay", "execute"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("parts", [("tables", "bloat"), ("partitions",), ("relays",)], ids=" ".join)
def test_growth_is_measured(tmp_path: Path, parts: tuple[str, ...]) -> None:
    figures = tmp_path / "figures.json"
    sizes = ("--rows", "1000", "2000", "--rounds", "1", "--jobs", "1000", "--hints", "1000")
    run("bench.growth", *parts, *sizes, "--json", str(figures))
    assert {row["part"] for row in json.loads(figures.read_text())["rows"]} == set(parts)


def test_imports_are_measured(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    table = run("bench.imports", "--rounds", "1", "--json", str(figures))
    assert "broker" not in table, "no server runs"
    assert {row["part"] for row in json.loads(figures.read_text())["rows"]} == {"ratio", "start"}


@pytest.mark.timeout(600)
def test_the_ingress_is_compared_with_what_most_would_build() -> None:
    table = run("bench.ingress", "compare", "sign_ins", "--rounds", "1", "--seconds", "0.5")
    assert "baseline" in table
    assert "p99, signing in from everywhere to calm" in table


@pytest.mark.timeout(600)
def test_other_job_queues_are_compared(tmp_path: Path) -> None:
    require_rabbitmq()
    page, figures = tmp_path / "page.md", tmp_path / "figures.json"
    run("bench.peers", "--quick", "--only", "celery", "--markdown", str(page), "--json", str(figures))
    assert "| Celery |" in page.read_text()
    measured = json.loads(figures.read_text())["rounds"]["1"]["celery"]
    assert measured.keys() == {line.name for line in LINES} - {"batch"}, "Celery has no call for many"


@pytest.mark.timeout(600)
def test_what_a_job_costs_is_told_by_process_and_by_statement() -> None:
    require_rabbitmq()
    told = run("bench.peers", "--quick", "--costs", "noop", "--only", "gristmill", "gristmill-alone")
    assert told.count("µs of processor a job") == 2
    assert "worker's children" in told
    assert "`WITH claimed AS ( UPDATE gristmill.jobs" in told, "the claim of a bundle"
    assert "`UPDATE gristmill.jobs SET state = $1, attempt = attempt" in told, "the claim of a job alone"
