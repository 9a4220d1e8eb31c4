"""Complete commands, options and names in a shell: `gristmill completion`."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

SHELLS: Final = ("bash", "zsh", "fish")
_PROGRAM: Final = "gristmill"
_VARIABLE: Final = "_GRISTMILL_COMPLETE"
_BEGIN: Final = "# >>> gristmill completion >>>"
_END: Final = "# <<< gristmill completion <<<"
_BLOCK: Final = re.compile(rf"\n?{re.escape(_BEGIN)}\n.*?{re.escape(_END)}\n", re.DOTALL)


@click.group()
def completion() -> None:
    """Let the shell complete commands, options, and the names of queues, tasks and schedules.

    \b
    Examples:
      gristmill completion install           for the shell that $SHELL names
      gristmill completion install zsh
      gristmill completion remove zsh
      gristmill completion show bash         print the script, and write nothing
    """  # noqa: D301  click's mark for text that is not to be wrapped


_SHELL: Final = click.argument("shell", required=False, type=click.Choice(SHELLS))


@completion.command()
@_SHELL
def install(*, shell: str | None) -> None:
    """Write the script for SHELL, and a line that loads it; doing it again changes nothing."""
    name = shell or _own_shell()
    script, startup = _script_file(name), _startup_file(name)
    wrote = [str(path) for path in (_put(script, _source(name)), startup and _put_block(startup, script)) if path]
    if not wrote:
        click.echo(f"{name} completes {_PROGRAM} already: nothing was written")
        return
    click.echo("Wrote " + "\n  and ".join(wrote))
    click.echo(f"New shells complete {_PROGRAM}; `{_PROGRAM} completion remove {name}` undoes it")


@completion.command()
@_SHELL
def remove(*, shell: str | None) -> None:
    """Remove what `install` wrote for SHELL."""
    name = shell or _own_shell()
    script, startup = _script_file(name), _startup_file(name)
    removed = []
    if script.is_file():
        script.unlink()
        removed.append(str(script))
    if startup is not None and startup.is_file() and _BEGIN in (text := startup.read_text(encoding="utf-8")):
        startup.write_text(_BLOCK.sub("", text), encoding="utf-8")
        removed.append(f"the lines in {startup}")
    click.echo("Removed " + "\n  and ".join(removed) if removed else f"There is nothing of {_PROGRAM} for {name}")


@completion.command()
@_SHELL
def show(*, shell: str | None) -> None:
    """Print the script for SHELL."""
    click.echo(_source(shell or _own_shell()), nl=False)


def _source(shell: str) -> str:
    """Return the script of a shell, which calls this program for each completion."""
    from click.shell_completion import get_completion_class

    from gristmill.cli import cli

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  the choices are click's own
    made = kind(cli, {}, _PROGRAM, _VARIABLE)
    return f"{(made.source_template % made.source_vars()).strip()}\n"


def _script_file(shell: str) -> Path:
    if shell == "fish":  # it loads what stands there by itself
        return _base("XDG_CONFIG_HOME", ".config") / "fish" / "completions" / f"{_PROGRAM}.fish"
    return _base("XDG_DATA_HOME", ".local/share") / _PROGRAM / f"completion.{shell}"


def _startup_file(shell: str) -> Path | None:
    """Return the file that a shell reads when it starts; None for one that needs no line there."""
    if shell == "zsh":
        folder = os.environ.get("ZDOTDIR")
        return (Path(folder) if folder else Path.home()) / ".zshrc"
    return Path.home() / ".bashrc" if shell == "bash" else None


def _base(variable: str, default: str) -> Path:
    given = os.environ.get(variable)
    return Path(given) if given and Path(given).is_absolute() else Path.home() / default


def _put(path: Path, text: str) -> Path | None:
    """Write a file of ours; return its path if it changed."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _put_block(path: Path, script: Path) -> str | None:
    """Put the lines that load a script at the end of a startup file, once; return where, if it changed."""
    known = path.read_text(encoding="utf-8") if path.is_file() else ""
    quoted = "'" + str(script).replace("'", "'\\''") + "'"
    block = f"{_BEGIN}\n[ -r {quoted} ] && . {quoted}\n{_END}\n"
    if block in known:
        return None
    rest = _BLOCK.sub("", known)
    rest += "" if not rest or rest.endswith("\n") else "\n"
    path.write_text(f"{rest}{block}", encoding="utf-8")
    return f"the lines that load it at the end of {path}"


def _own_shell(environment: Mapping[str, str] = os.environ) -> str:
    name = Path(environment.get("SHELL", "")).name
    if name not in SHELLS:
        raise click.UsageError(f"$SHELL names {name or 'nothing'}: give one of {', '.join(SHELLS)}")
    return name
