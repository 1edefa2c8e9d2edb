"""The methods' pages, made from their docstrings, configurations and committed results: `python docs/make.py`."""

import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import yaml

from adapt import overview
from adapt.benchmark.results.results import read_csv
from adapt.methods import Method

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "methods"
FIGURES = PAGES / "figures"
BASELINE = "SourceOnly"
# Grid → its title in the tables; the names of its results and of its plan are the same.
GRIDS = {
    "methods": "USPS ↔ MNIST",
    "amazon": "Amazon reviews",
    "pacs": "PACS on frozen features",
    "source_free": "source-free digits",
    "pixels": "PACS, pixels",
    "shots": "digits, few labels",
}
# Whose picture docs/figures.py draws on digits: they need images, or domains with different classes.
ON_DIGITS = {
    *("AdaMatch", "CST", "DANCE", "FDA", "FixMatch", "IWAN", "MIC", "OSBP", "OVANet", "PADA", "SelfEnsembling"),
}
_SHOWN_ON_MOONS = "Two moons, with a rotated target: the shading is the predicted class, dots are target samples."
_SHOWN_ON_DIGITS = "Features of test digits, source as dots and target as crosses, coloured by their true class."
_SECTIONS = ("Args:", "Raises:", "Returns:", "Attributes:")
_FAMILY_WORDS = {
    "bounds": "the baselines of every comparison",
    "fine-tuning": "a few labelled target samples",
    "matching": "make the domains' feature distributions alike",
    "adversarial": "a discriminator or a second classifier finds the difference, and the features remove it",
    "self-training": "learn from the predictions on the target",
    "source-free": "adapt a trained network without the source's samples",
    "reweighting": "weight source samples by how much they look like the target",
    "pixel": "make source images look like the target's",
    "mapping": "a closed-form map of fixed features, then a classifier",
    "partial and open sets": "the two domains have different classes",
    "several sources": "each of several sources is treated by itself",
    "relation": "match the domains class by class",
}


def sections(cls: type) -> tuple[list[str], list[tuple[str, str]], str]:
    """A docstring's paragraphs, its arguments with their descriptions, and what it raises."""
    text = inspect.getdoc(cls) or ""
    body, *rest = re.split(r"\n(?=(?:Args|Raises|Returns|Attributes|Examples?):\n)", text)
    arguments: list[tuple[str, str]] = []
    raises = ""
    for part in rest:
        title, _, content = part.partition("\n")
        if title == "Args:":
            entries = re.split(r"\n(?=    \S)", "\n" + content)[1:]
            for entry in entries:
                name, _, words = " ".join(entry.split()).partition(": ")
                arguments.append((name, words))
        elif title == "Raises:":
            raises = " ".join(content.split())
    return body.strip().split("\n\n"), arguments, raises


def defaults(cls: type) -> dict[str, str]:
    """Default values of a class's own arguments, as code."""
    signature = inspect.signature(cls.__init__)  # type: ignore[misc]  # read, not called
    found = {p.name: p.default for p in signature.parameters.values() if p.default is not p.empty}
    return {name: f"`{value!r}`" for name, value in found.items() if not callable(value)}


def configs_of(name: str) -> list[Path]:
    """The shipped configurations of a method's class."""
    found = []
    for path in sorted((ROOT / "configs" / "methods").glob("*.yaml")):
        if yaml.safe_load(path.read_text(encoding="utf-8"))["model"]["class_path"].rpartition(".")[2] == name:
            found.append(path)
    return found


def grid_methods(grid: str) -> Iterator[tuple[str, str]]:
    """Each method's name in a grid, with the name of its class."""
    folder = ROOT / "configs" / "benchmarks"
    entries = yaml.safe_load((folder / f"{grid}.yaml").read_text(encoding="utf-8"))["methods"]

    def class_of(entry: object) -> str:
        if isinstance(entry, str):
            return class_of(yaml.safe_load((folder / entry).read_text(encoding="utf-8")))
        if isinstance(entry, list):
            return next((name for part in reversed(entry) if (name := class_of(part))), "")
        if isinstance(entry, dict) and "config" in entry:
            return class_of(entry["config"])
        model = entry.get("model") if isinstance(entry, dict) else None
        path = model.get("class_path", "") if isinstance(model, dict) else model or ""
        return str(path).rpartition(".")[2]

    for name, entry in entries.items():
        yield name, class_of(entry)


def accuracies(grid: str) -> dict[str, dict[str, float]]:
    """Target test accuracy by method and task, averaged over seeds, at the end of training."""
    seeds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for result in read_csv(ROOT / "benchmarks" / grid / "results.csv"):
        if (accuracy := result.value("last", "accuracy")) is not None:
            seeds[result.method, result.task].append(accuracy)
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for (method, task), values in seeds.items():
        found[method][task] = mean(values)
    return found


def results(name: str) -> str:
    """A table of a method's gains over source-only in the committed grids; empty if there are none."""
    lines = []
    for grid, title in GRIDS.items():
        if not (ROOT / "benchmarks" / grid / "results.csv").exists():
            continue
        found = accuracies(grid)
        for entry, owner in grid_methods(grid):
            if owner != name or entry not in found or BASELINE not in found or entry == BASELINE:
                continue
            gains = {
                task: 100 * (v - found[BASELINE][task]) for task, v in found[entry].items() if task in found[BASELINE]
            }
            if not gains:
                continue
            hurt = sum(gain < 0 for gain in gains.values())
            best, worst = max(gains, key=lambda t: gains[t]), min(gains, key=lambda t: gains[t])
            lines.append(
                f"| [{title}](../../benchmarks/{grid}/README.md) | {entry} | {mean(gains.values()):+.1f} "
                f"| {gains[best]:+.1f} ({best}) | {gains[worst]:+.1f} ({worst}) | {hurt} of {len(gains)} |"
            )
    if not lines:
        return ""
    head = "| grid | entry | mean gain | best task | worst task | tasks below |\n|---|---|--:|--:|--:|--:|\n"
    return head + "\n".join(lines) + "\n"


def page(cls: type[Method]) -> str:
    """The Markdown page of one method."""
    name = cls.__name__
    paragraphs, arguments, raises = sections(cls)
    line, rest = " ".join(paragraphs[0].split()), paragraphs[1:]
    parts = [f"# {name}", line]
    source = f"../../adapt/methods/{Path(inspect.getfile(cls)).name}"
    parts.append(f"Family: {cls.family} ({_FAMILY_WORDS.get(cls.family, '')}). Papers: {overview.papers(cls)}.")
    parts += [" ".join(p.split()) for p in rest if not re.match(r"Papers?: ", p)]
    figure = FIGURES / f"{name}.png"
    if figure.exists():
        task = _SHOWN_ON_DIGITS if name in ON_DIGITS else _SHOWN_ON_MOONS
        words = f"{task} Source-only on the left, this method on the right."
        parts += ["## Picture", f"![{words}](figures/{figure.name})", words]
    configs = configs_of(name)
    if configs:
        runs = [re.search(r"^# (adapt fit .*)$", path.read_text(encoding="utf-8"), re.M) for path in configs]
        commands = "\n".join(found[1] for found in runs if found)
        files = ", ".join(f"[{path.name}](../../configs/methods/{path.name})" for path in configs)
        parts += ["## Run it", f"```bash\n{commands}\n```", f"Configurations: {files}."]
    if arguments:
        values = defaults(cls)
        rows = [f"| `{a}` | {values.get(a, '')} | {words} |" for a, words in arguments if not a.startswith("**")]
        if rows:
            parts += ["## Arguments", "| argument | default | meaning |\n|---|---|---|\n" + "\n".join(rows)]
        parts.append("All other arguments are [those of every method](../api.md#adapt.methods.Method).")
    if raises:
        parts.append(f"Refused: {raises.partition(': ')[2]}")
    table = results(name)
    if table:
        parts += [
            "## Where it helps, and where it hurts",
            "Gain over source-only in points of target test accuracy at the end of training, averaged over seeds. Each "
            "grid has its own recipe and budget: compare within a grid.",
            table.rstrip(),
        ]
    parts.append(f"Code: [{Path(source).name}]({source}).")
    return "\n\n".join(parts) + "\n"


def index() -> str:
    """The page of all methods, penalties and regularisers."""
    parts = [
        "# Methods",
        "Every method is one class in its own file. `--model NAME` or a file of `configs/methods/` chooses it. "
        "Defaults follow the paper. If a well-known implementation differs, an argument selects it, and the page says "
        "so.",
    ]
    for family in overview.FAMILIES:
        members = [cls for cls in overview.methods() if cls.family == family]
        if members:
            rows = [
                f"| [{cls.__name__}]({cls.__name__.lower()}.md) | {_line(cls)} | {_needs(cls)} |" for cls in members
            ]
            parts += [
                f"## {family.capitalize()}",
                f"{_FAMILY_WORDS[family].capitalize()}.",
                "| method | in a sentence | needs |\n|---|---|---|\n" + "\n".join(rows),
            ]
    parts += [
        "## Penalties",
        "A penalty is a loss term that can be added to any method, so that combinations need no new class: "
        "`--model.penalties+=BSP --model.penalties.weight 1e-4`. Use `+=` again to add another.",
        overview.penalties_table().rstrip(),
        "## Regularisers",
        "A regulariser keeps `FineTuning` close to the source network, despite few labels: "
        "`--model FineTuning --model.regulariser L2SP --model.regulariser.weight 0.01 --model.init_from "
        "RUN/checkpoints/last.ckpt`.",
        overview.regularisers_table().rstrip(),
    ]
    return "\n\n".join(parts) + "\n"


def pages() -> dict[Path, str]:
    """Text by file."""
    return {PAGES / "index.md": index()} | {
        PAGES / f"{cls.__name__.lower()}.md": page(cls) for cls in overview.methods()
    }


def _line(cls: type) -> str:
    return " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())


def _needs(cls: type[Method]) -> str:
    start = "a source run (`init_from`)" if cls.starts_from_source else ""
    labels = {"none": "", "few": "a few target labels (`--data.shots 5`)", "all": "all target labels"}
    return "; ".join(filter(None, (labels[cls.target_labels], start, cls.needs)))


def main() -> None:
    """Write the pages, and remove those of deleted methods."""
    PAGES.mkdir(parents=True, exist_ok=True)
    made = pages()
    for path in set(PAGES.glob("*.md")) - set(made):
        path.unlink()
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
    print(f"{len(made)} pages in {PAGES.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
