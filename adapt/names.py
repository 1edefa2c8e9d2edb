"""Names as folders, whatever a person calls a task."""

import hashlib
import re

# A name of a file has 255 bytes on most systems, and other parts are put behind it.
_MOST_BYTES = 120


def slug(name: str) -> str:
    """A name as a folder: `optdigits → photo` becomes `optdigits-to-photo`.

    A very long one is cut, and keeps apart from others that begin alike by a few digits of its hash.
    """
    text = re.sub(r"\s*(→|->)\s*", "-to-", name)
    text = re.sub(r"[^\w.+=-]+", "-", text).strip("-.")
    if len(text.encode()) <= _MOST_BYTES:
        return text
    return f"{text.encode()[:_MOST_BYTES].decode(errors='ignore')}-{_digest(name)}"


def folder_name(name: str) -> str:
    """A name as a folder, also where it has no letter or digit, such as an emoji."""
    return slug(name) or _digest(name)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
