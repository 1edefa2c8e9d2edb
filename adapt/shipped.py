"""The configurations that come with adapt; each has a name, such as `methods/dann`, that works in any folder."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from adapt.errors import AdaptError

_HERE = Path(__file__).parent
FOLDER = next((folder for folder in (_HERE / "configs", _HERE.parent / "configs") if folder.is_dir()), _HERE)
"""Their folder: inside an installed package, or next to it in a checkout or an editable install."""


def configs() -> dict[str, Path]:
    """The file of each shipped configuration, by name."""
    return {path.relative_to(FOLDER).with_suffix("").as_posix(): path for path in sorted(FOLDER.glob("*/*.yaml"))}


def listing() -> str:
    """A table of the names, each with the first line of its file as the description."""
    known = configs()
    width = max(map(len, known), default=0)
    lines, group = [], ""
    for name, path in known.items():
        if group and name.split("/")[0] != group:
            lines.append("")
        group = name.split("/")[0]
        with path.open(encoding="utf-8") as file:
            lines.append(f"{name:{width}}  {file.readline().lstrip('# ').rstrip()}")
    return "\n".join([*lines, "", f"Their files: {FOLDER}"])


def with_files(args: Sequence[str]) -> list[str]:
    """Replace names of shipped configurations in `--config` options by their files.

    Args:
        args: The command line as typed; `--config` may name a shipped configuration and may leave out `.yaml`.

    Raises:
        AdaptError: As for `config_file`.
    """
    found = list(args)
    for place, word in enumerate(args):
        option, equals, value = word.partition("=")
        if option not in ("--config", "-c"):
            continue
        if equals:
            found[place] = f"{option}={config_file(value)}"
        elif place + 1 < len(args):
            found[place + 1] = config_file(args[place + 1])
    return found


def config_file(name: str) -> str:
    """The file of a name: the user's own, otherwise the shipped one; any other name stays unchanged.

    Args:
        name: A path or a name, with or without `.yaml`.

    Raises:
        AdaptError: There is neither, but a shipped one has a similar name.
    """
    path, known, plain = Path(name), configs(), name.removesuffix(".yaml")
    if path.exists() and not path.is_dir():
        return name
    if Path(f"{name}.yaml").is_file():
        return f"{name}.yaml"
    if plain in known:
        return str(known[plain])
    wanted = plain.removeprefix("./").removeprefix("configs/")
    exactly = [other for other in known if wanted in (other, other.split("/")[1])]
    if close := exactly or difflib.get_close_matches(wanted, known, 3, 0.75):
        raise AdaptError(
            f"Expected a YAML file at {name}, found none (No such file). Did you mean the shipped {' or '.join(close)}?"
            " `adapt configs` lists them."
        )
    return name
