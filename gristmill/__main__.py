"""Run the command as `python -m gristmill`."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the working folder, whose modules are not ours

from gristmill.cli import main

if __name__ == "__main__":
    main()
