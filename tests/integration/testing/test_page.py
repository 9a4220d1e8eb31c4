"""The tests on the page about the test kit pass in the project that it describes."""

import re
from pathlib import Path

import pytest

from tests.integration.testing.runs import ROOT, copy_project, run_pytest

PAGE = ROOT / "docs" / "test-your-tasks.md"
FILE = re.compile(r"^`(tests/\w+\.py)`\n\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.timeout(300)
def test_the_tests_on_the_page_pass_as_they_are_written(tmp_path: Path) -> None:
    project = copy_project(tmp_path)
    for file in (project / "tests").glob("check_*.py"):
        file.unlink()
    (project / "conftest.py").unlink()
    files = FILE.findall(PAGE.read_text())
    assert len(files) == PAGE.read_text().count("```python")
    for name, code in files:
        (project / name).write_text(code)
    run = run_pytest(project, "-o", "python_files=test_*.py")
    assert run.exit_code == 0, run.output
    assert len(run.failures) == sum(code.count("\ndef test_") for _, code in files)
