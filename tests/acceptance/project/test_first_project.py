"""docs/your-first-project.md, followed as it is written: from an empty folder to the mail in the catcher."""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from bench.first_project import INSTALL, Reader, Step, lend_environment, read_steps, shell_environment, split_at_run
from gristmill import __version__
from tests.acceptance.project.built_wheel import build_wheel, write_constraints
from tests.acceptance.ups import ROOT, START_SECONDS, folder_for
from tests.eventually import eventually

pytestmark = pytest.mark.timeout(START_SECONDS + 600)


@pytest.fixture
def reader() -> Iterator[Reader]:
    """Somebody in an empty folder."""
    with folder_for(None) as folder:
        yield Reader(folder, shell_environment(folder))


def subjects(reader: Reader, to: str) -> list[str]:
    with urlopen(f"http://127.0.0.1:{reader.env['GRISTMILL_MAIL_PORT']}/mail?to={to}", timeout=60) as answer:
        return [message["subject"] for message in json.load(answer)["messages"]]


def follow_to_the_end(reader: Reader, *, installs: bool) -> None:
    before, meanwhile = split_at_run(read_steps())
    for step in before:
        if installs or INSTALL not in step.text:
            reader.follow(step)
    with reader.running():
        for step in meanwhile:
            reader.follow(step)
        eventually(lambda: subjects(reader, "ada@example.com") == ["Your invoice R-1001"], within=120)
        (subject,) = eventually(lambda: subjects(reader, "canteen@example.com"), within=120)
        assert re.fullmatch(r"Your invoice \d{4}-\d\d-\d\dT\S+", subject)
        text = reader.here / "shop" / "templates" / "invoice.txt"
        text.write_text(text.read_text().replace("Thank you", "Many thanks"))
        eventually(lambda: "Reloaded in" in reader.said, within=START_SECONDS)


def test_every_step_of_the_page_works_in_the_environment_of_this_clone(reader: Reader) -> None:
    lend_environment(reader.folder)
    reader.env["PATH"] = f"{Path(sys.executable).parent}:{reader.env['PATH']}"
    follow_to_the_end(reader, installs=False)


def test_the_page_names_no_file_of_the_platform_and_is_read_in_three_minutes() -> None:
    files = [step.file for step in read_steps() if step.file]
    assert files
    assert [file for file in files if not file.startswith(("shop/", "tests/"))] == []
    words = len((ROOT / "docs" / "your-first-project.md").read_text().split())
    assert words < 3 * 250


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_every_step_of_the_page_works_on_a_machine_that_has_only_python(reader: Reader, tmp_path: Path) -> None:
    """The wheel is found in place of the published one, and every other package comes from the index."""
    build_wheel(tmp_path)
    constraints = write_constraints(tmp_path, f"gristmill=={__version__}")
    links = f"{os.environ.get('PIP_FIND_LINKS', '')} {tmp_path}".strip()
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("GRISTMILL_", "PYTHON"))}
    reader.env = ours | reader.env | {"PIP_CONSTRAINT": str(constraints), "PIP_FIND_LINKS": links, "HOME": ours["HOME"]}
    follow_to_the_end(reader, installs=True)
    reader.follow(Step("pip install -e '.[dev]'\nruff check .\nmypy"))
