"""Turn any task name into a folder name."""

import hashlib
import re
import unicodedata

# File names have at most 255 bytes on most systems, and other parts are appended.
_MOST_BYTES = 120
# Arrows and the letters of all scripts lie below this code point.
_FIRST_PICTURE = 0x2600


def slug(name: str) -> str:
    """A name as a folder name: `optdigits → photo` becomes `optdigits-to-photo`.

    A name that is too long is cut, and emoji are removed. A few digits of its hash then keep similar names apart.
    """
    text = re.sub(r"\s*(→|->)\s*", "-to-", name)
    text = re.sub(r"[^\w.+=-]+", "-", text).strip("-.")
    pictured = any(ord(letter) >= _FIRST_PICTURE and unicodedata.category(letter) == "So" for letter in name)
    if len(text.encode()) <= _MOST_BYTES and not pictured:
        return text
    start = text.encode()[: _MOST_BYTES - 9].decode(errors="ignore").strip("-.")
    return f"{start}-{_digest(name)}".strip("-")


def in_numbers(name: str) -> list[tuple[int, int, str]]:
    """A key to sort names by as one counts: `frame2` comes before `frame10`."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), part) if k % 2 else (1, 0, part) for k, part in enumerate(parts)]


def folder_name(name: str) -> str:
    """A name as a folder name, also if it has no letter or digit."""
    return slug(name) or _digest(name)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
