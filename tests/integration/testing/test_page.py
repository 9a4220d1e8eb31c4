"""The page about the test kit shows tests that pass."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_tests_on_the_page_pass_in_a_folder_of_their_own(tmp_path: Path) -> None:
    blocks = CODE.findall((ROOT / "docs" / "test-your-tasks.md").read_text())
    (tmp_path / "test_page.py").write_text("\n".join(blocks))
    given = {name: value for name, value in os.environ.items() if not name.startswith(("GRISTMILL_", "PYTEST_"))}
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."]
    env = given | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stdout
    assert "3 passed" in ended.stdout
