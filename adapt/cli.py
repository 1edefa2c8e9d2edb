"""The command for scripts: `from adapt.cli import main`."""

from adapt.commands.main import main
from adapt.training.cli import AdaptCLI

__all__ = ["AdaptCLI", "main"]
