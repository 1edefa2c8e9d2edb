"""What `adapt stream` is asked for becomes cells: one run and scenario, one method, one seed."""

import difflib
import hashlib
import inspect
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from adapt.benchmark.outputs.words import has_words
from adapt.benchmark.plan.merging import config_hash, merge
from adapt.benchmark.plan.plan import Cell
from adapt.benchmark.plan.seen import target_labels_of
from adapt.benchmark.vocabulary import LAST, SOURCE_ONLY, UNSUPERVISED
from adapt.data.corruptions import CORRUPTIONS, check_installed
from adapt.data.streams import SCENARIOS
from adapt.errors import AdaptError, own_line
from adapt.names import slug
from adapt.seeds import check_seed
from adapt.selection import checkpoint_path
from adapt.streaming import METHODS, StreamMethod
from adapt.training.model import read_config
from adapt.training.run_folder import CONFIG_FILE
from adapt.training.tracking import WandbMode
from adapt.yaml_files import Loader, read_yaml

DEFAULTS: dict[str, Any] = {
    "run": None,
    "rule": "last",
    "scenario": "single",
    "domains": None,
    "corruptions": None,
    "severity": 5,
    "batch_size": 64,
    "samples": None,
    "rounds": 1,
    "split": "test",
    "delta": 0.1,
    "input": None,
}
"""Settings of one stream, as `cell.yaml` keeps them below `stream`."""

_NUMBERS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("severity", "batch_size", "samples", "rounds"), (int,)),
    "delta": (int, float),
}
SPLITS = ("train", "val", "test")
DEFAULT_METHODS = ("BN1", "TENT")
_LISTS = ("run", "method", "scenario", "domains", "corruptions", "seed")


def with_lists(options: Mapping[str, Any]) -> dict[str, Any]:
    """What a file or a command line gives, where several may be as a list, also of what has commas between."""
    given = {key: value for key, value in options.items() if value is not None}
    return given | {key: _listed(given[key]) for key in _LISTS if key in given}


def _listed(value: Any) -> list[Any]:
    parts = value if isinstance(value, list | tuple) else [value]
    return [piece for part in parts for piece in (part.split(",") if isinstance(part, str) else [part]) if piece != ""]


def method_entries(asked: Sequence[Any]) -> list[dict[str, Any]]:
    """The methods, the unadapted source first, which every table needs.

    Args:
        asked: Each as it is typed, see `method_entry`, or as class and arguments.

    Raises:
        AdaptError: One is neither, or there is no such method.
    """
    entries = [dict(entry) if isinstance(entry, Mapping) else method_entry(str(entry)) for entry in asked]
    for entry in entries:
        if not isinstance(entry.get("class_path"), str) or not isinstance(entry.setdefault("init_args", {}), dict):
            raise AdaptError(
                f"Expected methods as TENT, TENT:lr=0.0001, or class_path with init_args, found {entry!r:.80}."
            )
    if not any(method_class(entry["class_path"]).baseline for entry in entries):
        entries.insert(0, {"class_path": next(iter(METHODS)), "init_args": {}})
    return entries


def method_entry(text: str) -> dict[str, Any]:
    """A method as it is typed, `TENT` or `TENT:lr=0.0001:optimizer=sgd`, as class and arguments.

    Raises:
        AdaptError: There is no such class, or it has no such argument.
    """
    name, *pairs = text.split(":")
    arguments: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise AdaptError(f"Expected a method's arguments as TENT:lr=0.0001:optimizer=sgd, found {text!r}.")
        arguments[key] = yaml.load(value, Loader)  # our own loader, which names no class
    return {"class_path": name, "init_args": _checked(method_class(name), arguments)}


def method_class(name: str) -> type[StreamMethod]:
    """One of `METHODS`, or a person's own `my_module.MyMethod`.

    Raises:
        AdaptError: There is none of that name.
    """
    known = {own.lower(): cls for own, cls in METHODS.items()} | {c.name().lower(): c for c in METHODS.values()}
    if name.lower() in known:
        return known[name.lower()]
    module, _, attribute = name.rpartition(".")
    if module:
        try:
            found = getattr(import_module(module), attribute, None)
        except ImportError as error:
            raise AdaptError(f"Expected a method at {name}, could not import it ({error}).") from error
        except Exception as error:  # whatever a person's own file raises
            place = f" ({found})" if (found := own_line(error)) else ""
            words = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise AdaptError(f"Expected a method at {name}, could not import it: {words}{place}.") from error
        if isinstance(found, type) and issubclass(found, StreamMethod):
            return found
        raise AdaptError(f"Expected a class that extends adapt.streaming.StreamMethod at {name}, found none.")
    close = difflib.get_close_matches(name, METHODS, 1, 0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise AdaptError(f"Expected methods out of {', '.join(METHODS)}, or my_module.MyMethod, found {name!r}.{hint}")


def no_number(cls: type[StreamMethod], arguments: Mapping[str, Any]) -> str | None:
    """The first argument that is no number where the method's own default is one, None if there is none."""
    for owner in cls.__mro__:
        if issubclass(owner, StreamMethod) and "__init__" in vars(owner):
            for name, parameter in inspect.signature(vars(owner)["__init__"]).parameters.items():
                numeric = isinstance(parameter.default, int | float) and not isinstance(parameter.default, bool)
                if numeric and name in arguments and not isinstance(arguments[name], int | float):
                    return name
    return None


def arguments_of(cls: type[StreamMethod]) -> list[str]:
    """What a method may be given: its own keyword arguments and those of its bases."""
    found: dict[str, None] = {}
    for owner in cls.__mro__:
        if issubclass(owner, StreamMethod) and "__init__" in vars(owner):
            parameters = inspect.signature(vars(owner)["__init__"]).parameters.values()
            named = (p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD))
            found |= dict.fromkeys(name for name in named if name not in ("self", "network", "prepare"))
    return list(found)


def _checked(cls: type[StreamMethod], arguments: Mapping[str, Any]) -> dict[str, Any]:
    known = arguments_of(cls)
    for name in arguments:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1, 0.5)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise AdaptError(f"{cls.__name__} has no argument {name!r}; it has {', '.join(known)}.{hint}")
    return dict(arguments)


def title(entry: Mapping[str, Any]) -> str:
    """What tables call a method: its name, with the arguments that differ from its defaults."""
    named = [f"{key}={value}" for key, value in entry["init_args"].items()]
    return " ".join([method_class(entry["class_path"]).name(), *named])


def settings_of(given: Mapping[str, Any], scenario: str) -> dict[str, Any]:
    """Complete settings of one stream.

    Raises:
        AdaptError: A value is not one of those that are known.
    """
    found = DEFAULTS | {key: value for key, value in given.items() if value is not None} | {"scenario": scenario}
    if scenario not in SCENARIOS:
        close = difflib.get_close_matches(scenario, SCENARIOS, 1, 0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise AdaptError(f"Expected --scenario out of {', '.join(SCENARIOS)}, found {scenario!r}.{hint}")
    if found["split"] not in SPLITS:
        raise AdaptError(f"Expected --split out of {', '.join(SPLITS)}, found {found['split']!r}.")
    for name, kinds in _NUMBERS.items():
        value = found[name]
        if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
            raise AdaptError(f"Expected a number for --{name}, found {value!r}.")
    if found["batch_size"] < 1:
        raise AdaptError(f"Expected a --batch_size of at least 1, found {found['batch_size']!r}.")
    found["corruptions"] = _corruptions(found["corruptions"], scenario, found["domains"])
    if found["corruptions"]:
        check_installed()
    if found["input"] is not None and found["domains"]:
        raise AdaptError("Expected --input or --domains, found both: a folder of new files is a domain of its own.")
    return found


def _corruptions(asked: Any, scenario: str, domains: Sequence[str] | None) -> list[str]:
    """The kinds; by default all, but none of a single shift or of several domains, which are shifts themselves."""
    if asked is None:
        return [] if scenario == "single" or len(domains or ()) > 1 else list(CORRUPTIONS)
    asked = [asked] if isinstance(asked, str) else list(asked)
    if asked == ["all"]:
        return list(CORRUPTIONS)
    if asked == ["none"] or not asked:
        return []
    for kind in asked:
        if kind in ("all", "none"):
            raise AdaptError(
                f"Expected --corruptions {kind} alone, found it among {', '.join(map(str, asked))}. Leave it out, or "
                "the others."
            )
        if kind not in CORRUPTIONS:
            close = difflib.get_close_matches(str(kind), CORRUPTIONS, 1, 0.5)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise AdaptError(
                f"Expected --corruptions all, none, or out of {', '.join(CORRUPTIONS)}, found {kind}.{hint}"
            )
    return [str(kind) for kind in asked]


def run_folder(path: Path) -> Path:
    """The folder of a run, its config or one of its checkpoints."""
    if path.suffix == ".ckpt":
        return path.parent.parent if path.parent.name == "checkpoints" else path.parent
    return path.parent if path.suffix in (".yaml", ".yml") else path


def task_name(content: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """The task of a stream, as tables have it: `mnist → mnist, continual, severity 5`."""
    arguments = content["data"].get("init_args") or {}
    source = arguments.get("source", "source")
    sources = "+".join(source) if isinstance(source, list) else str(source)
    named = settings["domains"] or [arguments.get("target", "target")]
    target = Path(settings["input"]).name if settings["input"] is not None else "+".join(map(str, named))
    words = [f"{sources} → {target}", settings["scenario"]]
    kinds = settings["corruptions"]
    if kinds:
        words.append(f"severity {settings['severity']}")
        words += kinds if len(kinds) <= 2 else [] if len(kinds) == len(CORRUPTIONS) else [f"{len(kinds)} corruptions"]
    if settings["batch_size"] == 1:
        words.append("batch size 1")
    if settings["rounds"] > 1:
        words.append(f"{settings['rounds']} rounds")
    return ", ".join(words)


def checkpoint_rule(stream: Mapping[str, Any]) -> str:
    """The selection rule that picked the checkpoint of a stream's run, as tables have it.

    Args:
        stream: Complete settings of a stream. Where its `run` is a checkpoint, the file's name says the rule, if any.
    """
    run = Path(stream["run"])
    if run.suffix != ".ckpt":
        return str(stream["rule"])
    return run.stem if has_words(run.stem) else LAST


def cells_of(
    runs: Sequence[Path],
    methods: Sequence[Mapping[str, Any]],
    scenarios: Sequence[str],
    seeds: Sequence[int] | None,
    given: Mapping[str, Any],
    out: Path,
    benchmark: str,
    wandb_mode: WandbMode = "auto",
    project: str = "adapt",
    own_seeds: bool = False,
) -> list[Cell]:
    """The cells in their order: seeds outermost, methods innermost, so that methods share a stream's corruptions.

    Args:
        runs: Trained runs. Of several of one task each is streamed with the seed that it was trained with.
        methods: See `method_entry`.
        scenarios: Each makes a task of its own.
        seeds: Seeds of the streams of one run; 0 when None.
        given: Further settings, see `DEFAULTS`.
        out: Folder of the results.
        benchmark: Name of the whole.
        wandb_mode: Handed on to every cell.
        project: Handed on to every cell.
        own_seeds: Stream a run that is alone with the seed that it was trained with, too.

    Raises:
        AdaptError: A run is not there, a setting is wrong, or two cells would be the same.
    """
    if len(runs) > 1 and seeds is not None:
        raise AdaptError(
            "Expected --seed beside one run alone, found several runs: each is streamed with the seed that it was "
            "trained with. Leave --seed out."
        )
    cells: list[Cell] = []
    for path in runs:
        folder = run_folder(path)
        content = read_config(folder / CONFIG_FILE)
        checkpoint = path if path.suffix == ".ckpt" else checkpoint_path(folder, given.get("rule") or "last")
        if not checkpoint.is_file():
            kept = ", ".join(sorted(file.stem for file in checkpoint.parent.glob("*.ckpt"))) or "none"
            raise AdaptError(f"Expected a checkpoint at {checkpoint}, found no file there. This run kept: {kept}.")
        trained = int(content.get("seed_everything") or 0)
        own = [trained if own_seeds or len(runs) > 1 else 0]
        own = own if seeds is None else [check_seed(seed, "--seed") for seed in seeds]
        labelled = target_labels_of(content, folder)
        identity = hashlib.sha256(checkpoint.read_bytes()).hexdigest()[:16]
        for seed in own:
            for scenario in scenarios:
                settings = settings_of(given, scenario) | {"run": str(path)}
                task = task_name(content, settings)
                for entry in methods:
                    cls = method_class(entry["class_path"])
                    # Arguments are checked here, too: a file may have given them.
                    config = {
                        "stream": settings,
                        "method": {
                            "class_path": entry["class_path"],
                            "init_args": _checked(cls, entry.get("init_args") or {}),
                        },
                        "seed_everything": seed,
                    }
                    name = title(config["method"])  # type: ignore[arg-type]  # a mapping of both
                    cells.append(
                        Cell(
                            task=task,
                            method=name,
                            seed=seed,
                            config=config,
                            directory=out / slug(task) / slug(name) / str(seed),
                            benchmark=benchmark,
                            # Labels that the run was trained with stay seen, also by the network that stays as it is.
                            setting=labelled or (SOURCE_ONLY if cls.baseline else UNSUPERVISED),
                            # A run is known by what it learnt, not by where it lies.
                            config_hash=config_hash(merge(config, {"stream": {"run": identity}})),
                            wandb_mode=wandb_mode,
                            project=project,
                        )
                    )
    seen: dict[tuple[str, str, int], Cell] = {}
    for cell in cells:
        key = cell.task, cell.method, cell.seed
        if key in seen:
            raise AdaptError(
                f"Expected every stream once, found {cell.name} twice. Name each method once; of several runs each has "
                "to have another task or another seed_everything."
            )
        seen[key] = cell
    return cells


def read_stream_file(path: Path) -> dict[str, Any]:
    """Options of `adapt stream` from a file: a stream's own `cell.yaml`, or one with the options' names.

    Raises:
        AdaptError: It is neither.
    """
    content = read_yaml(path)
    if not isinstance(content, Mapping):
        raise AdaptError(f"{path}: expected the options of a stream as a mapping, found {type(content).__name__}.")
    if isinstance(content.get("stream"), Mapping) and isinstance(content.get("method"), Mapping):
        found = dict(content["stream"]) | {"method": [dict(content["method"])]}
        return found | {"seed": [content.get("seed_everything", 0)]}
    return dict(content)
