"""The notebook, written and executed: `python docs/notebooks/make.py`, a minute or two on one core."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

FILE = Path(__file__).with_name("digits.ipynb")

CELLS = [
    (
        "markdown",
        "# From black to photographs\n\nHandwritten digits on a black background are the source, with labels. The same kind "
        "of digits pasted over photographs are the target; its labels are used only to see how well it went. Everything "
        "here comes with the installation: no file, no network, no GPU.",
    ),
    (
        "code",
        "import logging\nimport warnings\n\nimport matplotlib.pyplot as plt\nimport torch\nfrom lightning.pytorch import "
        "Trainer, seed_everything\n\nfrom adapt.analysis import embedding_figure, project\nfrom adapt.backbones import "
        "SmallCNN\nfrom adapt.data import Digits\nfrom adapt.methods import MMD, SourceOnly\nfrom adapt.selection import "
        'Scores\n\nwarnings.filterwarnings("ignore")\nlogging.getLogger("lightning.pytorch").setLevel(logging.ERROR)',
    ),
    ("markdown", "## The data\n\nA datamodule pairs a source with a target domain."),
    (
        "code",
        'data = Digits("optdigits", "optdigits_photo", image_size=16, batch_size=64)\ndata.problem, data.input_shape',
    ),
    (
        "code",
        'figure, rows = plt.subplots(2, 8, figsize=(8, 2.2))\nfor axes, name in zip(rows, ("optdigits", "optdigits_photo")):\n'
        '    images = data.domain(name, "test")\n    for k, ax in enumerate(axes):\n        x, y = images[k]\n        '
        'ax.imshow(x.expand(3, -1, -1).permute(1, 2, 0), cmap="gray")\n        ax.set_axis_off()\n'
        '    axes[0].set_title(name, loc="left", fontsize=9)',
    ),
    ("markdown", "## Train on the source alone, then with MMD\n\nThe same network and the same number of steps."),
    (
        "code",
        "def train(method_class, **options):\n    seed_everything(0, verbose=False)\n    data = Digits(\"optdigits\", "
        "\"optdigits_photo\", image_size=16, batch_size=64)\n    method = method_class(\n        problem=data.problem,\n"
        "        backbone=SmallCNN(data.input_shape, grid=4),\n        bottleneck=256,\n        optimizer=lambda parameters: "
        "torch.optim.SGD(parameters, lr=0.01, momentum=0.9),\n        **options,\n    )\n    trainer = Trainer(\n        "
        "max_steps=400, max_epochs=-1, accelerator=\"cpu\", callbacks=[Scores()], logger=False,\n        "
        "enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,\n    )\n    trainer.fit(method, "
        "datamodule=data)\n    results = trainer.test(method, datamodule=data, verbose=False)\n    accuracy = {k: v for part "
        "in results for k, v in part.items() if k.endswith(\"_accuracy\") and \"mean\" not in k}\n    return method, data, "
        "accuracy",
    ),
    ("code", "before, data, accuracy = train(SourceOnly)\naccuracy"),
    ("code", "after, data, accuracy = train(MMD)\naccuracy"),
    (
        "markdown",
        "## Look at the features\n\nBefore, the two domains lie apart. After, they lie on top of each other, and the classes "
        "stay apart.",
    ),
    (
        "code",
        "@torch.no_grad()\ndef picture(method, title):\n    features, labels, domains = [], [], []\n    for domain, loader in "
        "enumerate(data.test_dataloader()):\n        for batch in loader:\n            features.append(method.eval()("
        "data.transform(batch.x)).features[:250])\n            labels.append(batch.y[:250])\n            "
        "domains.append(torch.full_like(labels[-1], domain))\n    plane = project(torch.cat(features).numpy())\n    return "
        "embedding_figure(plane, torch.cat(labels).numpy(), torch.cat(domains).numpy(), data.class_names, title)\n\n\n"
        'picture(before, "source only")',
    ),
    ("code", 'picture(after, "MMD")'),
]


def main() -> None:
    """Write the notebook with the outputs of its cells."""
    make = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}
    notebook = nbformat.v4.new_notebook(cells=[make[kind](text) for kind, text in CELLS])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell.metadata.pop("execution", None)
    nbformat.write(notebook, FILE)


if __name__ == "__main__":
    main()
