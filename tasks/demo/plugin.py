"""The plugin of demonstrations: tasks that echo, fail, sleep and crash, for trying the platform."""

from __future__ import annotations

from typing import Final

from gristmill.shared.plugins.plugin import Plugin

plugin: Final = Plugin(
    name="demo",
    tasks=[f"gristmill.tasks.demo.{name}" for name in ("crash", "echo", "effect", "fail", "linger", "sleep")],
    routes=["gristmill.ingress.routes.demo:blueprint"],
    metadata="gristmill.tasks.demo.models:DemoTables.metadata",
    migrations="gristmill.tasks.demo:migrations",
)
