"""The rooms of the code: what may stand where, and how large a file, a function or a folder may be."""

import ast
import statistics
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.sql_text import holds_sql

ROOT = Path(__file__).parents[2]
PACKAGE = ("shared", "tasks", "workers", "ingress", "migrations")  # real folders that gristmill/ has links to
PRODUCT = (*PACKAGE, "gristmill", "bench", "chaos")
VOCABULARY = {"args", "context", "errors", "outcomes", "queues", "retry", "settings", "states", "task"}
LONGEST_FILE, MEDIAN_FILE, LONG_FUNCTION, MOST_MODULES = 300, 90, 16, 20

# Where SQL may stand beside `queries*.py`, `moves*.py` and `models.py`.
SQL_ROOMS = {
    "shared/jobs": "each file is one step in the life of a row",
    "shared/database": "how statements are executed",
    "migrations": "the schema's history",
    "gristmill/services/postgres.py": "makes the role and the database of a private server",
}


@cache
def files(*folders: str) -> tuple[Path, ...]:
    """The Python files that git knows of in the real folders, without the revisions of the schema."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    found = (Path(name) for name in listed if name.endswith(".py") and "/versions/" not in name)
    return tuple(path for path in sorted(found) if (ROOT / path).is_file())


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def module_of(path: Path) -> str:
    parts = [*path.with_suffix("").parts]
    name = ".".join(parts).removesuffix(".__init__")
    return f"gristmill.{name}" if parts[0] in PACKAGE else name


def imported_at_module_level(path: Path, known: set[str]) -> Iterator[str]:
    """Yield what a module imports outside of its functions; an import for types only counts, too."""
    pending: list[ast.AST] = list(tree_of(path).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        pending.extend(ast.iter_child_nodes(node))


def function_lengths() -> list[int]:
    """Count the lines of each function, without those of its docstring."""
    return [
        node.end_lineno - node.lineno + 1 - len((ast.get_docstring(node, clean=False) or "").splitlines())
        for path in files(*PRODUCT)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
    ]


def test_sql_stands_only_where_it_may() -> None:
    def may_hold_sql(path: Path) -> bool:
        named_so = path.stem.startswith(("queries", "moves")) or path.stem == "models"
        return named_so or any(path.is_relative_to(room) for room in SQL_ROOMS)

    elsewhere = [
        str(path) for path in files(*PACKAGE, "gristmill") if not may_hold_sql(path) and holds_sql(tree_of(path))
    ]
    assert elsewhere == [], f"move the statements of {elsewhere} into the queries of their noun"


def test_the_top_of_shared_holds_what_the_author_of_a_task_says_and_nothing_else() -> None:
    top = {path.stem for path in files("shared") if path.parent == Path("shared")} - {"__init__"}
    assert top == VOCABULARY, "give it a room: see docs/map.md"


def test_a_file_has_one_duty_and_a_size_to_match() -> None:
    sizes = {path: len((ROOT / path).read_text().splitlines()) for path in files(*PRODUCT)}
    assert {str(path): size for path, size in sizes.items() if size > LONGEST_FILE} == {}
    assert statistics.median(sizes.values()) <= MEDIAN_FILE


def test_nine_of_ten_functions_are_read_at_a_glance() -> None:
    assert statistics.quantiles(function_lengths(), n=10)[-1] <= LONG_FUNCTION


def test_no_folder_is_a_drawer() -> None:
    modules = Counter(str(path.parent) for path in files(*PRODUCT, "tests"))
    assert {folder: count for folder, count in modules.items() if count > MOST_MODULES} == {}


def test_no_module_imports_itself_by_way_of_others() -> None:
    paths = {module_of(path): path for path in files(*PRODUCT)}
    graph = {
        name: {other for other in imported_at_module_level(path, set(paths)) if other in paths and other != name}
        for name, path in paths.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a cycle of imports: {' -> '.join(error.args[1])}")


def test_the_wheel_owns_one_name(tmp_path: Path) -> None:
    built = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path),
    ]
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(source)], check=True, timeout=60)
    subprocess.run([*built, str(source)], check=True, timeout=120, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (record,) = [name for name in names if name.endswith(".dist-info/RECORD")]
        recorded = [line.split(",")[0] for line in archive.read(record).decode().splitlines()]
    owned = {name.split("/")[0] for name in recorded if not name.startswith(record.removesuffix("RECORD"))}
    assert owned == {"gristmill"}
    assert {f"gristmill/{folder}/__init__.py" for folder in PACKAGE} <= set(recorded)
    assert "gristmill/tasks/mail/templates/layout.html" in recorded
