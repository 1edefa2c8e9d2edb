"""Optional packages, imported where they are used."""

from importlib import import_module
from typing import Any

from adapt.errors import AdaptError


def optional(module: str, package: str, extra: str, purpose: str) -> Any:
    """A module of an optional package.

    Args:
        module: Its name.
        package: The package, as its users call it.
        extra: The extra of ours that installs it.
        purpose: Who needs it, in words that begin the sentence.

    Raises:
        AdaptError: It is not installed, or what is installed cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        missing = (
            isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == module.split(".")[0]
        )
        why = "" if missing else f" What is installed cannot be imported: {error}."
        raise AdaptError(f"{purpose} needs {package}: pip install 'adapt-lightning[{extra}]'.{why}") from error
