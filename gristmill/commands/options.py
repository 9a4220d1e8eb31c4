"""Kinds of options that several commands share."""

from pathlib import Path
from typing import Final

import click

# Access is checked later, where the message can name the owner of a folder that is not ours.
DATA_FOLDER: Final = click.Path(file_okay=False, readable=False, path_type=Path)
