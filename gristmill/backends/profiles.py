"""Profiles: named platforms with their keys, in one file that only its owner can read."""

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

from gristmill.services.secret import private_folder, write_private
from gristmill.shared.errors import GristmillError

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")
_OTHERS: Final = 0o077
_LOCK_SECONDS: Final = 5.0


class ProfileError(GristmillError):
    """A profile does not exist, or the file of the profiles cannot be used."""

    code = "PROFILE_001"


@dataclass(frozen=True, slots=True)
class Profile:
    """A platform elsewhere.

    Attributes:
        url: of its API.
        key: for its API; empty if it is given by GRISTMILL_API_KEY. It appears in no repr.
        guarded: whether acts on many jobs ask for the name of the profile.
    """

    url: str
    key: str = field(default="", repr=False)
    guarded: bool = False

    @property
    def shown_key(self) -> str:
        """The public half of the key, as `gristmill keys list` shows it."""
        if not self.key:
            return "none"
        kind, _, rest = self.key.partition("_")
        return rest.partition("_")[0] if kind == "gm" and "_" in rest else "a token"


@dataclass(frozen=True, slots=True)
class Profiles:
    """All profiles, and the name of the one in use."""

    profiles: dict[str, Profile] = field(default_factory=dict)
    current: str | None = None

    def get(self, name: str) -> Profile:
        """Return the profile `name`.

        Raises:
            ProfileError: there is none; names those that there are.
        """
        if name not in self.profiles:
            there = f"there are {', '.join(sorted(self.profiles))}" if self.profiles else "there are none"
            msg = f"No profile is called {name[:100]!r}: {there}. `gristmill profile add NAME --url URL` makes one"
            raise ProfileError(msg)
        return self.profiles[name]


def profiles_file() -> Path:
    """Return the path of the file: below `$XDG_CONFIG_HOME`, or else `~/.config`."""
    home = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(home) if home and Path(home).is_absolute() else Path.home() / ".config"
    return folder / "gristmill" / "profiles.json"


def read_profiles() -> Profiles:
    """Return the profiles; none if there is no file.

    Raises:
        ProfileError: the file cannot be read, or others may read it.
    """
    path = profiles_file()
    try:
        if path.stat().st_mode & _OTHERS:
            raise ProfileError(f"{path} holds keys, and others may read it: run `chmod 600 {path}`")
        return _parse(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Profiles()
    except OSError as error:
        raise ProfileError(f"{path} cannot be read ({error.strerror}): check who owns it") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ProfileError(
            f"{path} does not hold profiles ({error}): mend it, or remove it and add them again"
        ) from error


@contextmanager
def changing_profiles() -> Iterator[dict[str, Any]]:
    """Yield the profiles to be changed (`profiles` and `current`), and write them when the block ends well.

    Raises:
        ProfileError: the file cannot be read or written.
    """
    path = profiles_file()
    try:
        private_folder(path.parent)
        with (path.parent / "lock").open("a", encoding="utf-8") as lock:
            _hold(lock)
            known = read_profiles()
            changed: dict[str, Any] = {"current": known.current, "profiles": dict(known.profiles)}
            yield changed
            plain = {name: asdict(profile) for name, profile in changed["profiles"].items()}
            write_private(path, json.dumps({"current": changed["current"], "profiles": plain}, indent=2) + "\n")
    except OSError as error:
        raise ProfileError(
            f"{error.filename or path} cannot be written ({error.strerror}): check who owns it"
        ) from error


def _hold(lock: TextIO) -> None:
    ends_at = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > ends_at:
                raise ProfileError(f"Another command holds {lock.name}: try again when it has ended") from None
            time.sleep(0.05)
        else:
            return


def _parse(document: Any) -> Profiles:
    profiles = {name: Profile(**values) for name, values in document["profiles"].items()}
    return Profiles(profiles, document.get("current"))
