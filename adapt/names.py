"""Names as folders, whatever a person calls a task."""

import hashlib
import re
import unicodedata

# A name of a file has 255 bytes on most systems, and other parts are put behind it.
_MOST_BYTES = 120
# Arrows and letters of all scripts stand before it.
_FIRST_PICTURE = 0x2600


def slug(name: str) -> str:
    """A name as a folder: `optdigits → photo` becomes `optdigits-to-photo`.

    A name that is too long for a folder is cut, and one with pictures in it loses them; a few digits of its hash then
    tell it from others that begin alike.
    """
    text = re.sub(r"\s*(→|->)\s*", "-to-", name)
    text = re.sub(r"[^\w.+=-]+", "-", text).strip("-.")
    pictured = any(ord(letter) >= _FIRST_PICTURE and unicodedata.category(letter) == "So" for letter in name)
    if len(text.encode()) <= _MOST_BYTES and not pictured:
        return text
    start = text.encode()[: _MOST_BYTES - 9].decode(errors="ignore").strip("-.")
    return f"{start}-{_digest(name)}".strip("-")


def folder_name(name: str) -> str:
    """A name as a folder, also where it has no letter or digit, such as punctuation alone."""
    return slug(name) or _digest(name)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
