"""What a method is made of, in one line."""

from torch import nn
from torch.nn.parameter import is_lazy


def contents(method: nn.Module) -> str:
    """The method's name, its parameters and those of each part, and how many are frozen.

    Args:
        method: The method, built.

    Examples:
        >>> contents(nn.ModuleDict({"backbone": nn.Linear(3, 400), "loss": nn.ReLU()}))
        'ModuleDict, 1.6 K parameters (backbone Linear 1.6 K)'
    """
    parts = [
        f"{name} {type(child).__name__} {short(size)}"
        for name, child in method.named_children()
        if (size := _size(child))
    ]
    total, frozen = _size(method), _size(method, frozen=True)
    still = f", {short(frozen)} of them frozen" if frozen else ""
    return f"{type(method).__name__}, {short(total)} parameters{still}" + (f" ({', '.join(parts)})" if parts else "")


def short(count: int) -> str:
    """A count with three digits at most: 130, 4.4 K, 25.6 M.

    Examples:
        >>> short(999), short(4416), short(25_600_000)
        ('999', '4.4 K', '25.6 M')
    """
    for unit, size in (("B", 10**9), ("M", 10**6), ("K", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return str(count)


def _size(module: nn.Module, frozen: bool = False) -> int:
    known = (p for p in module.parameters() if not is_lazy(p))
    return sum(p.numel() for p in known if not (frozen and p.requires_grad))
