"""Chains of migrations: one of the core, and one of each plugin, with a version table each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic.config import Config

from gristmill.shared.database.columns import SCHEMA
from gristmill.shared.errors import MigrationError
from gristmill.shared.plugins.discover import discover_plugins
from gristmill.shared.plugins.references import import_reference

if TYPE_CHECKING:
    from sqlalchemy import Connection, MetaData

    from gristmill.shared.plugins.plugin import Plugin

CORE: Final = "core"
HERE: Final = Path(__file__).parent  # env.py and script.py.mako serve all chains


@dataclass(frozen=True, eq=False)
class Chain:
    """The revisions of one plugin, or of the core, and the tables that they lead to.

    Attributes:
        name: of the plugin, or `core`.
        folder: where its revisions are.
        metadata: of its tables.
        requires: names of the chains that are upgraded before it.
    """

    name: str
    folder: Path
    metadata: MetaData
    requires: tuple[str, ...] = ()

    @property
    def version_table(self) -> str:
        """The table in the schema `gristmill` that holds the revisions that were applied."""
        return "alembic_version" if self.name == CORE else f"alembic_version_{self.name}"

    def config(self, connection: Connection | None = None, *, as_sql: bool = False) -> Config:
        """Return the configuration of Alembic. There is no alembic.ini that could differ from it.

        Args:
            connection: where to apply the revisions; the caller's.
            as_sql: print the statements instead.
        """
        config = Config()
        config.set_main_option("script_location", str(HERE))
        config.set_main_option("version_locations", str(self.folder))
        config.set_main_option("path_separator", "os")
        config.attributes |= {"chain": self, "connection": connection, "as_sql": as_sql}
        return config


@cache
def all_chains() -> tuple[Chain, ...]:
    """Return the chains of the core and of all plugins of this process, each after those that it requires.

    Raises:
        MigrationError: a plugin names a folder that is not there, or two chains declare one table; names both.
    """
    return tuple(checked([core_chain(), *chains_of(discover_plugins())]))


def core_chain() -> Chain:
    """Return the chain of the core."""
    from gristmill.migrations.core import Base

    return Chain(CORE, HERE / "versions", Base.metadata)


def chains_of(plugins: Iterable[Plugin]) -> list[Chain]:
    """Return the chains of those `plugins` that bring migrations.

    Raises:
        MigrationError: a folder is not there, or a plugin with migrations names no metadata.
    """
    return [_chain_of(plugin) for plugin in plugins if plugin.migrations is not None]


def _chain_of(plugin: Plugin) -> Chain:
    package, _, name = (plugin.migrations or "").partition(":")
    spec = find_spec(package)
    roots = list(spec.submodule_search_locations or ()) if spec is not None else []
    found = [Path(root) / name / "versions" for root in roots if (Path(root) / name / "versions").is_dir()]
    if not found:
        msg = f"The plugin {plugin.name} names migrations={plugin.migrations!r}, and there is no folder {name}/versions"
        raise MigrationError(f"{msg} in the package {package}: make it, or take the option out")
    metadata = plugin.metadata
    if isinstance(metadata, str):
        metadata = import_reference(metadata, source=f"metadata of the plugin {plugin.name}")
    if metadata is None:
        msg = f"The plugin {plugin.name} brings migrations and names no metadata: write metadata=… in its Plugin"
        raise MigrationError(msg)
    return Chain(plugin.name, found[0], metadata, tuple(plugin.requires))


def checked(chains: list[Chain]) -> list[Chain]:
    """Return `chains`, unless two of them declare one table.

    Raises:
        MigrationError: names the table and both chains.
    """
    owners: dict[str, str] = {}
    for chain in chains:
        for table in chain.metadata.tables.values():
            if chain.name != CORE and table.schema == SCHEMA and table.name.startswith("alembic_version"):
                msg = f"The plugin {chain.name} declares {table.fullname}, which the migrations use; rename its table"
                raise MigrationError(msg)
            name = table.fullname if table.schema else f"public.{table.name}"
            if name in owners:
                msg = f"The table {name} is declared twice, by {owners[name]} and by {chain.name}; rename one"
                raise MigrationError(msg)
            owners[name] = chain.name
    return chains


def chain_named(name: str, chains: Sequence[Chain]) -> Chain:
    """Return the chain of this name.

    Raises:
        MigrationError: there is none; names those that there are.
    """
    for chain in chains:
        if chain.name == name:
            return chain
    msg = f"No plugin with migrations is called {name[:100]!r}; there are {', '.join(each.name for each in chains)}"
    raise MigrationError(msg)
