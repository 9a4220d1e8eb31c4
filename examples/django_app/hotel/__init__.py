"""The project: settings, URLs, and the plugin for Gristmill."""
