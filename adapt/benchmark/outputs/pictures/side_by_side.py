"""Pictures are drawn by as many processes as there are CPUs."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from adapt.benchmark.outputs.pictures.picture import Picture
from adapt.benchmark.run import machine

Part = Callable[[], list[Picture]]

_parts: Sequence[Part] = ()


def side_by_side(parts: Sequence[Part]) -> list[list[Picture]]:
    """What each part draws, in the order of the parts.

    The processes are copies of this one, so that nothing is imported or sent again. Where copies are not safe, or there
    is one CPU, the parts are drawn here, one after the other.

    Args:
        parts: Each draws some pictures; none needs another's.
    """
    processes, context = min(machine.usable_cores(), len(parts)), machine.process_context()
    if processes < 2 or context.get_start_method() != "fork":
        return [part() for part in parts]
    # A copy has the parts: partial functions over a grid's results need not be pickled.
    with ProcessPoolExecutor(processes, context, _hold, (parts,)) as pool:
        futures = [pool.submit(_draw, position) for position in range(len(parts))]
        try:
            return [future.result() for future in futures]
        except BrokenProcessPool:
            pass  # a copy was killed, as for its memory: one process needs less
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [part() for part in parts]


def _hold(parts: Sequence[Part]) -> None:
    global _parts  # of the copy alone
    _parts = parts


def _draw(position: int) -> list[Picture]:
    return _parts[position]()
