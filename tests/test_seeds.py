"""Which numbers are seeds, in every place that takes one."""

from typing import Any

import numpy as np
import pytest

from adapt.commands.options import rank_options, stream_options
from adapt.errors import AdaptError
from adapt.seeds import check_seed


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True, None, "1"])
def test_what_is_no_seed_is_refused_in_one_sentence(seed: Any) -> None:
    with pytest.raises(AdaptError, match=r"^Expected --seed as a whole number from 0 to 2\*\*32 - 1, found "):
        check_seed(seed, "--seed")


@pytest.mark.parametrize("seed", [0, 2**32 - 1, np.int64(3)])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    assert check_seed(seed, "--seed") == int(seed)


def test_commands_that_do_not_train_refuse_it_too() -> None:
    for seed in ("-1", "4294967296"):
        with pytest.raises(AdaptError, match=f"seed as a whole number from 0 .* found {seed}"):
            rank_options().parse_args(["features", "--source", "a", f"--seed={seed}"])
        with pytest.raises(AdaptError, match=f"seed as a whole number from 0 .* found {seed}"):
            stream_options().parse_args(["--run", "run", f"--seed={seed}"])
