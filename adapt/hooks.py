"""What callbacks cost that have nothing to do."""

from lightning.pytorch import Callback, Trainer

_PER_BATCH = (
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    *(f"on_{what}_batch_{when}" for what in ("train", "validation", "test", "predict") for when in ("start", "end")),
)


def skip_empty_hooks(trainer: Trainer) -> None:
    """Let Lightning pass over the hooks of a batch that a callback does not override.

    Lightning calls six hooks of every callback for every batch, and each call builds the callback's name for the
    profiler, also where the hook is empty. A dozen selection rules then cost more than a small network's optimizer.
    Lightning skips what is not callable. What a callback overrides, in its class or on the object, stays.

    Args:
        trainer: Its callbacks must be complete, as they are from `setup` on.
    """
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning sets it without declaring it
    for callback in callbacks:
        for name in _PER_BATCH:
            if name not in vars(callback) and getattr(type(callback), name, None) is getattr(Callback, name):
                setattr(callback, name, None)
