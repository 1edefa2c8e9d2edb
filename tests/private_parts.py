"""What of other packages' private parts the package's own code touches."""

import ast
from pathlib import Path

from lightning.pytorch import Callback
from lightning.pytorch.cli import LightningCLI
from torch import nn

ROOT = Path(__file__).parents[1] / "adapt"
PUBLIC = {"_replace", "_asdict", "_fields", "_exit"}  # of named tuples, and os._exit


def touched() -> dict[str, str]:
    """Every private name that the package uses as an attribute or defines, with a file that does.

    A name that only the package knows is left out: it is defined, and no class of Lightning's has it.
    """
    used: dict[str, str] = {}
    own: set[str] = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = None
            if isinstance(node, ast.Attribute):
                name = node.attr
                if isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name) and node.value.id == "self":
                    own.add(name)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                name = node.name
                own.add(name)
            elif isinstance(node, ast.AnnAssign | ast.Assign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                own |= {target.id for target in targets if isinstance(target, ast.Name)}
            if name is not None and name[0] == "_" and name[:2] != "__" and name not in PUBLIC:
                used[name] = path.relative_to(ROOT.parent).as_posix()
    return {name: path for name, path in used.items() if name not in own} | _overridden()


def _overridden() -> dict[str, str]:
    """The private methods of other packages' classes that classes of ours replace, with the class that does."""
    import adapt.cli  # which loads all of them

    assert adapt.cli
    found: dict[str, str] = {}
    waiting: list[type] = [nn.Module, Callback, LightningCLI]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if not cls.__module__.startswith("adapt."):
            continue
        foreign = {name for base in cls.__mro__ if not base.__module__.startswith("adapt.") for name in vars(base)}
        found |= {name: cls.__name__ for name in vars(cls) if name in foreign and name[0] == "_" and name[1] != "_"}
    return {name: owner for name, owner in found.items() if name != "_abc_impl"}
