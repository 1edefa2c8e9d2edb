"""Pictures that several processes draw are those of one, in the same order."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmark.synthetic import write_benchmark

# A process of its own: one that pytest-xdist started has threads, and is not copied.
LINES = """
import os, signal, sys
from pathlib import Path
from unittest.mock import patch
from adapt.benchmark.outputs.pictures.picture import Picture
from adapt.benchmark.outputs.pictures.side_by_side import side_by_side

def part(name, killed=False):
    def draw():
        if killed and os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return [Picture(Path(name), "kind", "task", str(os.getpid()), "")]
    return draw

def failing():
    raise OSError(28, "No space left on device", "bars.png")

here, cores = os.getpid(), int(sys.argv[1])
with patch("adapt.benchmark.run.machine.usable_cores", lambda: cores):
    drawn = [picture for pictures in side_by_side([part(f"{k}.png") for k in range(6)]) for picture in pictures]
    killed = side_by_side([part("a.png", killed=True), part("b.png", killed=True)])
    try:
        side_by_side([part("c.png"), failing])
    except OSError as error:
        failed = (error.errno, error.filename)
print([p.path.name for p in drawn] == [f"{k}.png" for k in range(6)])
print(all(int(p.title) == here for p in drawn), any(int(p.title) == here for p in drawn))
print([[p.title for p in part] for part in killed] == [[str(here)]] * 2, failed)
"""


def said(cores: int) -> list[str]:
    words = [sys.executable, "-c", LINES, str(cores)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()


def test_the_order_is_kept_and_a_killed_process_and_a_full_disk_are_survived() -> None:
    ordered, *rest = said(1)
    assert ordered == "True"
    assert rest == ["True True", "True (28, 'bars.png')"]
    ordered, where, *rest = said(3)
    assert ordered == "True"
    assert rest == ["True (28, 'bars.png')"]
    if sys.platform == "linux":
        assert where == "False False"


ONE_CORE = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from adapt.commands.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="copies of a process, and the CPUs that it may use, are Linux's")
def test_a_report_on_one_cpu_has_the_same_files(tmp_path: Path) -> None:
    for name, words in (("one", [sys.executable, "-c", ONE_CORE]), ("all", [sys.executable, "-m", "adapt"])):
        (tmp_path / name).mkdir()
        write_benchmark(tmp_path / name / "grid")
        subprocess.run([*words, "report", "grid"], check=True, capture_output=True, cwd=tmp_path / name)
    one, every = (
        {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*"))}
        for folder in (tmp_path / "one", tmp_path / "all")
    )
    assert one.keys() == every.keys()
    assert [name for name in one if one[name] != every[name]] == []
    assert sum(name.endswith(".png") for name in one) > 5
