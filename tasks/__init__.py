"""Plugins of the platform itself, one for each subject; `gristmill.shared.plugins.load` imports their tasks."""
