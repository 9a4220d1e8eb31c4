"""`python -m gristmill` is the same as `gristmill`."""

from gristmill.cli import main

if __name__ == "__main__":
    main()
