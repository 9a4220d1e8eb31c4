"""The mail templates of all plugins: where each is, the values that it takes, and those that are computed for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import FileSystemLoader, StrictUndefined, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gristmill.shared.errors import PluginError
from gristmill.shared.plugins.discover import discover_plugins
from gristmill.shared.plugins.references import import_reference

if TYPE_CHECKING:
    from gristmill.shared.plugins.plugin import Plugin

OWN: Final = Path(__file__).parent / "templates"  # every template may extend its layout.html
PUBLIC_URL: Final = "public_url"  # given to every template
_SUBJECT, _TEXT, _HTML = "subject", "txt", "html"

Compute = Callable[..., Any]


@dataclass(frozen=True)
class Template:
    """A mail template: `NAME.subject` and `NAME.txt`, and `NAME.html` unless the mail is plain text only.

    The values that it takes are found in its files. One that is tested before it is used (`{% if link %}`,
    `link_text or "…"`, `link | default("…")`) is optional.

    Attributes:
        name: unique among all plugins.
        folder: where its files are.
        plugin: the name of the plugin that brings it.
        computed: functions by the name of the value that each computes when the mail is sent.
    """

    name: str
    folder: Path
    plugin: str
    computed: Mapping[str, Compute] = field(default_factory=dict)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts that there are: subject, txt and perhaps html."""
        return tuple(part for part in (_SUBJECT, _TEXT, _HTML) if (self.folder / f"{self.name}.{part}").is_file())

    @cached_property
    def environment(self) -> ImmutableSandboxedEnvironment:
        """The environment in which its files are rendered."""
        return _environment(self.folder)

    @cached_property
    def _used(self) -> tuple[frozenset[str], frozenset[str]]:
        """The names that its files use, and those of them that may be absent."""
        files = [self.folder / f"{self.name}.{part}" for part in self.parts]
        trees = [self.environment.parse(file.read_text(encoding="utf-8")) for file in files]
        used = {name for tree in trees for name in find_undeclared_variables(tree)}
        imported = {name for tree in trees for name in _imported(tree)}
        tested = {name for tree in trees for name in _tested(tree)}
        return frozenset(used - imported - {PUBLIC_URL}), frozenset(tested)

    @cached_property
    def required(self) -> frozenset[str]:
        """Names that the context of a job must hold: those used, and those that its computed values are made from."""
        used, tested = self._used
        taken = {name for compute in self.computed.values() for name in keywords_of(compute)}
        return frozenset((used - tested - self.computed.keys()) | taken)

    @cached_property
    def optional(self) -> frozenset[str]:
        """Names that the context of a job may hold."""
        used, tested = self._used
        return (used & tested) - self.computed.keys() - self.required

    def find_problems(self, context: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return what is wrong with a context, by the name of the value."""
        takes = f"{self.name} takes {', '.join(sorted(self.required | self.optional)) or 'nothing'}"
        missing = {name: [f"is missing: {takes}"] for name in self.required - context.keys()}
        unknown = {name: [f"is not known: {takes}"] for name in context.keys() - self.required - self.optional}
        return missing | unknown


@cache
def mail_templates() -> dict[str, Template]:
    """Return the templates of all plugins by name.

    Raises:
        PluginError: a plugin names a package without a folder `templates`, two templates have one name, or one lacks a
            part; the message names the sources.
    """
    templates: dict[str, Template] = {}
    for plugin in discover_plugins():
        for template in _templates_of(plugin):
            if template.name in templates:
                other = templates[template.name]
                both = f"{other.plugin} ({other.folder}) and {plugin.name} ({template.folder})"
                msg = f"The plugins {both} both have a mail template {template.name}; rename one"
                raise PluginError(msg)
            templates[template.name] = template
    return templates


def _templates_of(plugin: Plugin) -> Iterator[Template]:
    if plugin.templates is None:
        return
    folder = _folder(plugin.name, plugin.templates)
    for path in sorted(folder.glob(f"*.{_SUBJECT}")):
        name = path.stem
        if not (folder / f"{name}.{_TEXT}").is_file():
            msg = f"The mail template {name} of the plugin {plugin.name} has no text: write {folder / name}.{_TEXT}"
            raise PluginError(msg)
        source = f"template_values of the plugin {plugin.name}"
        computed = {
            key.partition(".")[2]: import_reference(reference, source=source)
            for key, reference in plugin.template_values.items()
            if key.partition(".")[0] == name
        }
        yield Template(name, folder, plugin.name, computed)


def _folder(plugin: str, package: str) -> Path:
    spec = find_spec(package)
    roots = list(spec.submodule_search_locations or ()) if spec is not None else []
    for root in roots:
        if (Path(root) / "templates").is_dir():
            return Path(root) / "templates"
    msg = f"The plugin {plugin} names templates={package!r}, and there is no folder templates in that package"
    raise PluginError(msg)


@cache
def _environment(folder: Path) -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader([folder, OWN]),
        autoescape=lambda name: name is not None and name.endswith(f".{_HTML}"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def keywords_of(compute: Compute) -> list[str]:
    """Return the names that a computed value is made from."""
    parameters = inspect.signature(compute).parameters.values()
    return [each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]


def _imported(tree: nodes.Template) -> Iterator[str]:
    """Yield the names of imported macros, which find_undeclared_variables reports inside blocks."""
    for each in tree.find_all(nodes.FromImport):
        yield from (name if isinstance(name, str) else name[1] for name in each.names)


def _tested(tree: nodes.Template) -> Iterator[str]:
    """Yield the names that are tested before they are used."""
    tests: list[nodes.Node] = [each.test for each in tree.find_all(nodes.If)]
    tests += [each.test for each in tree.find_all(nodes.CondExpr)]
    tests += [each.left for each in tree.find_all(nodes.Or)]
    tests += [each.node for each in tree.find_all(nodes.Filter) if each.name in {"default", "d"} and each.node]
    for test in tests:
        yield from (name.name for name in ([test] if isinstance(test, nodes.Name) else test.find_all(nodes.Name)))
