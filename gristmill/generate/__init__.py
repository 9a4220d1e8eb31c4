"""Write a project and its parts: `gristmill init` and `gristmill new`."""
