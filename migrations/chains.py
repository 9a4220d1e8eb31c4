"""Chains of migrations: one of the core, and one of each plugin, with a version table each."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
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
        source: where the metadata is, for messages.
    """

    name: str
    folder: Path
    metadata: MetaData
    requires: tuple[str, ...] = ()
    source: str = "the platform"

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
        config.cmd_opts = Namespace(quiet=True)  # the command says what was done
        config.attributes |= {"chain": self, "connection": connection, "as_sql": as_sql}
        return config


@cache
def all_chains() -> tuple[Chain, ...]:
    """Return the chains of the core and of all plugins of this process, each after those that it requires.

    Raises:
        MigrationError: a plugin names a folder that is not there, or two chains declare one table; names both.
    """
    plugins = discover_plugins()
    refuse_shared_tables(tables_by_owner(plugins))
    return (core_chain(), *chains_of(plugins))


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
    metadata = metadata_of(plugin)
    if metadata is None:
        msg = f"The plugin {plugin.name} brings migrations and names no metadata: write metadata=… in its Plugin"
        raise MigrationError(msg)
    return Chain(plugin.name, found[0], metadata, tuple(plugin.requires), _source_of(plugin))


def metadata_of(plugin: Plugin) -> MetaData | None:
    """Return the metadata of a plugin's tables, imported if it is named by text."""
    metadata = plugin.metadata
    if isinstance(metadata, str):
        metadata = import_reference(metadata, source=f"metadata of the plugin {plugin.name}")
    found: MetaData | None = metadata
    return found


def _source_of(plugin: Plugin) -> str:
    return plugin.metadata if isinstance(plugin.metadata, str) else f"the Plugin {plugin.name}"


def tables_by_owner(plugins: Iterable[Plugin]) -> dict[str, MetaData]:
    """Return the metadata of the core and of those `plugins` that have tables, by their owner as a message names it."""
    owners = {f"{CORE} (the platform)": core_chain().metadata}
    for plugin in plugins:
        metadata = metadata_of(plugin)
        if metadata is not None:
            owners[f"{plugin.name} ({_source_of(plugin)})"] = metadata
    return owners


def refuse_shared_tables(owners: Mapping[str, MetaData]) -> None:
    """Refuse a table that two owners declare, and one that is named as the tables of the migrations are.

    Raises:
        MigrationError: names the table and both owners.
    """
    seen: dict[str, str] = {}
    for owner, metadata in owners.items():
        for table in metadata.tables.values():
            name = f"{table.schema or 'public'}.{table.name}"
            if name.startswith(f"{SCHEMA}.alembic_version"):
                msg = f"{owner} declares the table {name}, which the migrations use; rename it"
                raise MigrationError(msg)
            if name in seen:
                msg = f"The table {name} is declared by {seen[name]} and by {owner}; rename one of the two"
                raise MigrationError(msg)
            seen[name] = owner


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
