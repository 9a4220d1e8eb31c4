"""Create passwords of private servers once, and keep them in files that only their owner can read."""

import secrets
from pathlib import Path


def private_folder(path: Path) -> Path:
    """Create a folder (and its parents) that only its owner can list, and return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically by one with mode 0600."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600, exist_ok=False)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def kept_secret(path: Path) -> str:
    """Return the secret of this file; create a random one (256 bits, safe in a URL) at first use."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8").strip()
