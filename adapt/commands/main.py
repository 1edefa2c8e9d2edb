"""The `adapt` command: choose the subcommand, and print errors for people."""

import contextlib
import errno
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapt import __version__
from adapt.commands.options import OPTIONS, closest
from adapt.commands.training_help import training_help
from adapt.errors import AdaptError, DivergedError, chain, line_of, named, own_line, told
from adapt.paths import from_home, hiding, make_importable
from adapt.shipped import listing, with_files
from adapt.training.complaints import complaint
from adapt.training.memory import keep_freed_memory
from adapt.training.quiet import plain_warnings, quieten

USAGE = """usage: adapt COMMAND [options]

  fit        train one method on one task     adapt fit --config tasks/moons --model MMD
  validate   accuracy on the validation sets  adapt validate --config RUN/config.yaml
  test       accuracy on the test sets        adapt test --config RUN/config.yaml
  predict    label the target, or new files   adapt predict --config RUN/config.yaml --input DIR --output P.csv
  benchmark  run a grid, make the table       adapt benchmark --config benchmarks/quickstart
  report     make table and page again        adapt report runs/quickstart
  compare    what changed between two grids   adapt compare runs/before runs/after
  choose     which run to deploy, and how good adapt choose runs/mine --out chosen
  stream     adapt while the target comes in   adapt stream --run RUN --method TENT,EATA --scenario continual
  rank       which pretrained network to take adapt rank feats/resnet50 feats/vit --source photo
  features   run a frozen backbone once       adapt features --config features/pacs_lite0
  style      paint one picture like another   adapt style --content a.jpg --style b.jpg --out c.png
  configs    list the shipped configurations  adapt configs

`adapt COMMAND --help` lists the options of each.
"""


# What the libraries that connect processes say in those that are left.
_LOST_PROCESS = re.compile(r"gloo.*(closed by peer|reset by peer|broken pipe)|ncclRemoteError", re.I | re.S)


def asks_for_files(args: Sequence[str]) -> bool:
    """Whether `adapt predict` is about new files, and not about the run's own target."""
    return any(word.partition("=")[0] in ("--input", "--output") for word in args)


TRAINING = ("fit", "validate", "test", "predict")
COMMANDS = (*TRAINING, *OPTIONS, "features", "style")

FAILED, WRONG, DIVERGED, INTERRUPTED, CLOSED_PIPE = 1, 2, 3, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; 1 if grid cells failed, or for an unexpected error; 2 for wrong input; 3 for divergence; 130 if it was
        stopped; 141 if the reader of its output was closed.
    """
    args = [from_home(word) for word in (sys.argv[1:] if argv is None else argv)]
    _write_anything()
    try:
        make_importable(_here())  # a person's own method may lie there
        code = _dispatch(args)
        sys.stdout.flush()  # notice a closed reader here, and not when Python exits
        return code
    except BrokenPipeError:
        # Python flushes again when it exits, and would raise then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        if os.environ.get("ADAPT_DEBUG"):
            raise
        code, words = in_words(error)
        if words:
            print(f"adapt: {words}", file=sys.stderr)
        return code


def in_words(error: BaseException) -> tuple[int, str]:
    """The exit code for an error that ended a command, and one or two lines about it.

    Args:
        error: The error.
    """
    reason = told(error)
    if any(isinstance(link, KeyboardInterrupt) for link in chain(error)[:3]):
        return INTERRUPTED, "stopped."  # Lightning turns it into an exit
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else FAILED
        return code, error.code if isinstance(error.code, str) else ""
    if isinstance(error, DivergedError):
        return DIVERGED, f"diverged: {error}"
    if isinstance(reason, AdaptError):
        return WRONG, line_of(reason)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" while writing {error.filename}" if error.filename else ""
        return (
            FAILED,
            f"the disk is full{where}. Finished work is kept: free some space, and run the same command again.",
        )
    if _LOST_PROCESS.search(str(error)):
        return FAILED, "another process of this training ended. Its own message says why; without one, it was killed."
    if said := complaint(error):
        return WRONG, said
    if isinstance(reason, ImportError | AttributeError | RecursionError) and (names := _namesakes()):
        return WRONG, f"{named(error)}\nIn this folder lies {names}, in place of the library of that name: rename it."
    own = own_line(reason) or own_line(error)
    return FAILED, f"{named(error)}\n{_kept_traceback(error, expected=own is not None)}"


def _namesakes() -> str:
    """Files of this folder that stand in for a library of the same name."""
    with contextlib.suppress(OSError):  # the folder may be gone
        return ", ".join(file.name for file in hiding(Path.cwd()))
    return ""


def _kept_traceback(error: BaseException, expected: bool) -> str:
    """Write the traceback to a file and return a message with its path; this never fails."""
    said = "" if expected else "Unexpected error. "
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="replace", prefix="adapt-", suffix=".txt", delete=False
        ) as file:
            traceback.print_exception(error, file=file)
        return f"{said}The traceback is in {file.name}; ADAPT_DEBUG=1 shows it here."
    except Exception:  # a full disk, no temp folder, an error that cannot be printed
        return f"{said}The traceback could not be written; ADAPT_DEBUG=1 shows it here."


def _dispatch(args: list[str]) -> int:
    command = args[0] if args else "--help"
    if command in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if command == "--version":
        print(__version__)
        return 0
    if command.startswith("-"):
        raise AdaptError(f"Expected a command first, found {command}. `adapt --help` lists them.")
    if command not in COMMANDS:
        raise AdaptError(f"Unknown command {command!r}.{closest(command, COMMANDS)} `adapt --help` lists them.")
    if command in TRAINING and args[1:] in (["--help"], ["-h"]):
        print(training_help(command), end="")
        return 0
    if command in TRAINING and args[1:] == ["--help", "all"]:
        args = args[:2]
    args = with_files(args)
    if command in OPTIONS:
        # Help and errors about options need no slow imports.
        OPTIONS[command]().parse_args(args[1:])
    if command == "configs":
        print(listing())
        return 0
    quieten()
    plain_warnings()
    keep_freed_memory()
    if command == "choose":
        from adapt.commands.choose import choose_command

        return choose_command(args[1:])
    if command == "rank":
        from adapt.commands.rank import rank_command

        return rank_command(args[1:])
    if command == "benchmark":
        # OpenMP reads it when torch is imported. Cells share a machine: threads that wait by spinning would take the
        # processors that other cells need.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if command == "stream":
        from adapt.commands.stream import stream_command

        return stream_command(args[1:])
    if command in OPTIONS:
        from adapt.commands import grids

        own: dict[str, Any] = {
            "benchmark": grids.benchmark_command,
            "report": grids.report_command,
            "compare": grids.compare_command,
        }
        return int(own[command](args[1:]))
    if command == "features":
        from adapt.commands.features import features_command

        return features_command(args[1:])
    if command == "style":
        from adapt.commands.style import style_command

        return style_command(args[1:])
    if command == "predict" and asks_for_files(args):
        from adapt.commands.predict import predict_command

        return predict_command(args[1:])
    from adapt.training.cli import AdaptCLI

    AdaptCLI(args)
    return 0


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise AdaptError("Expected a working folder, found one that was deleted: change into another (cd).") from error


def _write_anything() -> None:
    """Print characters that the output's encoding lacks as question marks, such as → and λ in cp1252.

    Where the output is closed, as a service may have it, what is printed goes nowhere.
    """
    for name in ("stdout", "stderr"):
        if (stream := getattr(sys, name)) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):  # streams of tests and notebooks may not have it
            stream.reconfigure(errors="replace")
