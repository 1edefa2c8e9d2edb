"""Optional packages, imported where they are used."""

from importlib import import_module
from typing import Any

from adapt.errors import AdaptError


def optional(module: str, package: str, extra: str, purpose: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: Its name.
        package: The package's usual name.
        extra: Our extra that installs it.
        purpose: What needs it, as the start of the message.

    Raises:
        AdaptError: It is not installed, or the installed package cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        missing = (
            isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == module.split(".")[0]
        )
        why = "" if missing else f" The installed package cannot be imported: {error}."
        raise AdaptError(f"{purpose} needs {package}: pip install 'adapt-lightning[{extra}]'.{why}") from error
