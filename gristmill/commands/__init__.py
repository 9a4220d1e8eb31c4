"""The subcommands of `gristmill`: each a module that imports what it needs when it is called."""
