"""Address of an API, with the key for it and where both come from."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Address:
    """The address of an API and a key for it.

    Attributes:
        url: of the API.
        key: the API key; it appears in no repr and no message.
        origin: where the URL comes from, to be read in an error: `GRISTMILL_URL`, or `the profile production`.
        key_origin: the same of the key.
    """

    url: str
    key: str = field(repr=False)
    origin: str
    key_origin: str
