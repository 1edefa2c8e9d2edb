"""The field's grids, on generated files of their layout with a tiny network."""

from pathlib import Path

import pytest

from adapt.benchmark.plan.plan import read_plan
from adapt.cli import main
from tests.data.files import write_images

LAYOUTS = {
    "office31": ("office31", ["amazon/images", "dslr/images", "webcam/images"], 6),
    "office_home": ("OfficeHomeDataset_10072016", ["Art", "Clipart", "Product", "Real World"], 12),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_grid_has_every_pair_of_domains(name: str) -> None:
    plan = read_plan(Path("configs/benchmarks", f"{name}.yaml"))
    assert len(plan.tasks) == LAYOUTS[name][2]
    rates = {cell.method: cell.config["model"]["init_args"]["optimizer"]["init_args"]["lr"] for cell in plan.cells}
    assert rates == {"SourceOnly": 0.001, "DAN": 0.003, "DANN": 0.01, "CDAN": 0.01, "MCC": 0.005}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_grid_runs_on_files_of_its_layout(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, domains, pairs = LAYOUTS[name]
    for domain in domains:
        write_images(tmp_path / dataset / domain, ["bike", "mug"], 10, "jpg")
    text = Path("configs/benchmarks", f"{name}.yaml").read_text().replace("../", f"{Path('configs').resolve()}/")
    text = text.replace("seeds: [0, 1, 2]", "seeds: [0]")
    tiny = "{data: {init_args: {image_size: 16, batch_size: 4, num_workers: 0}}, "
    tiny += "model: {init_args: {backbone: {class_path: SmallCNN}, bottleneck: 8}}, "
    tiny += "trainer: {max_steps: 2, val_check_interval: 1}}"
    lines = []
    for line in text.splitlines():
        if line.lstrip().startswith("pairs:"):
            start, _, rest = line.partition("config: ")
            file, _, rest = rest.partition(", domains")
            line = f"{start}config: [{file}, {tiny}], domains{rest}"
        lines.append(line.replace("trainer: {max_steps: 10000}, ", ""))
    monkeypatch.setenv("ADAPT_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("grid.yaml").write_text("\n".join(lines))
    assert main(["benchmark", "--config", "grid.yaml"]) == 0
    assert len(list(Path("runs", name).glob("*/*/0/result.json"))) == 5 * pairs
