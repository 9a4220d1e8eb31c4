"""The option type of the data folder."""

from pathlib import Path
from typing import Final

import click

# Whether it may be read is looked at later, where the owner of a folder that is not ours can be told.
FOLDER: Final = click.Path(file_okay=False, readable=False, path_type=Path)
