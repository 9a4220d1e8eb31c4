"""Each kind of work stands alone in its folder, with one task in a module."""

import ast

import pytest

import tests.platform_tasks  # noqa: F401  fills the registry
from gristmill.shared.task import Task, registry
from tests.source import ROOT, files, tree

KINDS = sorted(path.name for path in (ROOT / "tasks").iterdir() if (path / "__init__.py").exists())
SISTERS = {("accounts", "mail"): "a new account is mailed its verification link by `email.send`"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_work_imports_no_other_kind_but_those_listed(kind: str) -> None:
    imported = {
        node.module.split(".")[2]
        for file in files(f"tasks/{kind}")
        for node in ast.walk(tree(file))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("gristmill.tasks.")
    }
    assert imported - {kind} == {sister for own, sister in SISTERS if own == kind}


@pytest.mark.parametrize("task", list(registry), ids=lambda task: task.name)
def test_a_task_is_in_a_module_named_after_its_function(task: Task) -> None:
    module = task.handler.__module__.removeprefix("gristmill.tasks.")
    if module != task.handler.__module__:  # other tests and measurements register tasks of their own
        assert module.split(".")[1:] == [task.handler.__name__]
