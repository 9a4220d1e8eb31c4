"""Choose the platform that a command works on: an API by its URL and key, or the database of this server."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gristmill.backends.address import Address
from gristmill.backends.profiles import Profile, read_profiles
from gristmill.shared.errors import SettingsError

URL: Final = "GRISTMILL_URL"
KEY: Final = "GRISTMILL_API_KEY"
PROFILE: Final = "GRISTMILL_PROFILE"
DATABASE: Final = "GRISTMILL_DATABASE_URL"
_DOTENV: Final = Path(".env")


@dataclass(frozen=True, slots=True)
class Target:
    """The platform that a command works on.

    Attributes:
        address: of its API; None stands for the database of this server.
        guarded_by: the name of the guarded profile that names it.
    """

    address: Address | None = None
    guarded_by: str | None = None


def choose_target(profile: str | None = None) -> Target:
    """Return the platform to work on; the first that is given, of these.

    `profile` (the option `--profile`), GRISTMILL_URL, GRISTMILL_PROFILE, GRISTMILL_URL in `.env`, the database that the
    settings name, the `gristmill up` of this folder, the profile in use.

    Raises:
        SettingsError: a URL or a key is missing or wrong.
        ProfileError: no profile has this name.
    """
    if profile:
        return _of_profile(profile)
    if os.environ.get(URL):
        return Target(_given(os.environ, ""))
    if os.environ.get(PROFILE):
        return _of_profile(os.environ[PROFILE])
    written = _read_dotenv()
    if written.get(URL):
        return Target(_given(written, " in .env"))
    if os.environ.get(DATABASE) or written.get(DATABASE) or _up_runs_here():
        return Target()
    current = read_profiles().current
    return _of_profile(current) if current else Target()


def check_url(url: str, origin: str) -> str:
    """Return a URL without the slash at its end.

    Raises:
        SettingsError: it is no URL of an API.
    """
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound, parts = False, urlsplit("")
    if not sound or parts.query or parts.fragment:
        raise SettingsError(f"{origin}: {url[:200]!r} is no URL of an API: write https://mill.example.com")
    if "@" in parts.netloc:
        raise SettingsError(f"{origin}: the URL may hold no user and no password; the key goes into {KEY}")
    return url.rstrip("/").removesuffix("/api/v1")


def _given(source: Mapping[str, str | None], where: str) -> Address:
    """Return the pair of one source: a key is never sent to a URL that somebody else has written."""
    url = check_url(source[URL] or "", f"{URL}{where}")
    key = source.get(KEY)
    if not key:
        msg = f"{URL}{where} is set to {url}, and {KEY}{where} is not set"
        raise SettingsError(f"{msg}: set it to a key, which `gristmill keys create` makes on the server")
    return Address(url, key, f"{URL}{where}", f"{KEY}{where}")


def _of_profile(name: str) -> Target:
    profile = read_profiles().get(name)
    origin = f"the profile {name}"
    key, key_origin = _key_of(profile, origin)
    address = Address(check_url(profile.url, origin), key, origin, key_origin)
    return Target(address, name if profile.guarded else None)


def _key_of(profile: Profile, origin: str) -> tuple[str, str]:
    if profile.key:
        return profile.key, origin
    if key := os.environ.get(KEY):
        return key, KEY
    raise SettingsError(f"{origin} holds no key, and {KEY} is not set: set it to a key of {profile.url}")


def _read_dotenv() -> dict[str, str | None]:
    from dotenv import dotenv_values

    return dict(dotenv_values(_DOTENV)) if _DOTENV.is_file() else {}


def _up_runs_here() -> bool:
    from gristmill.up.folder import DEFAULT, read_exports

    return DATABASE in read_exports(DEFAULT / "settings")
