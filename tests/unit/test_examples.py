"""The applications of examples/ stand on the public face of the platform alone, and are found from the docs."""

import ast
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from tests.documents import ROOT, links

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/pyproject.toml"))
FACES = ("gristmill", "gristmill.testing", "gristmill.web")
SHARED_NAMES = {"models", "settings", "shared", "tasks"}


def imported_from_us(file: Path) -> list[str]:
    """Return what a module imports of the platform, inside of its functions, too: each as `module:name`."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}:{each.name}" for each in node.names]
        elif isinstance(node, ast.Import):
            found += [f"{each.name}:" for each in node.names]
    return [each for each in found if each.split(":")[0].split(".")[0] == "gristmill"]


def is_public(reference: str) -> bool:
    module, _, name = reference.partition(":")
    return module in FACES and name in import_module(module).__all__


def test_there_is_an_example_of_each_way_to_connect() -> None:
    assert [folder.name for folder in EXAMPLES] == ["django_app", "flask_app", "psycopg_app"]


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_imports_nothing_but_the_public_face(folder: Path) -> None:
    imports = {file: imported_from_us(file) for file in folder.rglob("*.py")}
    wrong = {
        str(file.relative_to(ROOT)): each for file, names in imports.items() for each in names if not is_public(each)
    }
    assert wrong == {}
    assert {
        "gristmill:enqueue",
        "gristmill:task",
        "gristmill:Plugin",
        "gristmill:Schedule",
        "gristmill.testing:Mill",
    } <= {name for names in imports.values() for name in names}


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_the_web_process_of_an_example_needs_no_extra(folder: Path) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert "gristmill" in project["project"]["dependencies"]
    assert ":" in project["tool"]["gristmill"]["plugin"]


def test_one_example_has_packages_of_the_names_that_the_platform_uses() -> None:
    folder = ROOT / "examples" / "psycopg_app"
    assert {path.stem for path in folder.iterdir()} >= SHARED_NAMES


@pytest.mark.parametrize("page", ["README.md", "docs/enqueue-from-your-application.md"])
def test_a_page_leads_to_each_example(page: str) -> None:
    targets = {((ROOT / page).parent / link).resolve() for link in links((ROOT / page).read_text())}
    assert {folder / "README.md" for folder in EXAMPLES} <= targets
