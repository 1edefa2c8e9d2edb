"""A PyTorch Lightning research framework for domain adaptation.

`adapt.load(run)` gives a trained run with its preprocessing, `adapt.fit(method, data)` trains one; `adapt.sklearn` has
the estimator for scikit-learn. They load torch when they are first asked for, so that `import adapt` is light.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from adapt.training.model import TrainedModel, load
    from adapt.training.python import fit

_WHERE = {"load": "adapt.training.model", "TrainedModel": "adapt.training.model", "fit": "adapt.training.python"}

__all__ = ["TrainedModel", "__version__", "fit", "load"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'adapt' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
