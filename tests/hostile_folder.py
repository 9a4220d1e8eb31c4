"""A folder whose modules have the names of the platform's own and of its libraries, and fail when they are imported."""

from pathlib import Path

MODULES = ("alembic", "celery", "click", "flask", "html", "kombu", "psutil", "psycopg2", "redis", "secrets", "tornado")
PACKAGES = ("ingress", "migrations", "models", "shared", "tasks", "workers")
FAILS = 'raise ImportError("a hostile module was imported")\n'


def fill(folder: Path) -> None:
    """Write the modules and packages into a folder."""
    for name in MODULES:
        (folder / f"{name}.py").write_text(FAILS)
    for name in PACKAGES:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(FAILS)
