"""`adapt predict --input`: label new files with a trained run."""

from pathlib import Path

from adapt.commands.options import predict_options
from adapt.data.array_files import name_and_ending
from adapt.errors import AdaptError
from adapt.files import refuse_taken
from adapt.training.model import TrainedModel, load
from adapt.training.run_folder import CONFIG_FILE, PREDICTIONS_START, write_predictions

_OTHER_FORMATS = (
    *(".parquet", ".tsv", ".xlsx", ".xls", ".json", ".jsonl", ".npz", ".npy", ".h5", ".hdf5", ".feather"),
    *(".gz", ".bz2", ".xz", ".zst", ".zip"),
)
"""Endings that whoever opens the file would believe."""


def predict_command(argv: list[str]) -> int:
    """Label new files and write a table.

    Args:
        argv: Arguments after `adapt predict`.

    Returns:
        0.

    Raises:
        AdaptError: There is no such run or file, or the table cannot be written.
    """
    given = predict_options().parse_args(argv)
    if given.input is None:
        raise AdaptError(
            "Expected --input beside --output: the new files to label. Without both, the run's own target is labelled, "
            "into predictions.csv of its folder (all its samples with --data.predict_split all)."
        )
    if given.config.is_dir() or given.config.suffix == ".ckpt":
        raise AdaptError(f"Expected --config with a run's {CONFIG_FILE}, found {given.config}.")
    if given.output.is_dir():
        raise AdaptError(f"Expected --output with the name of a file, found the folder {given.output}.")
    if given.output.suffix.lower() in _OTHER_FORMATS:
        raise AdaptError(
            f"Expected --output with the name of a CSV file, found {given.output}: the table is text "
            f"with commas. Name it {name_and_ending(given.output)[0]}.csv."
        )
    refuse_taken(given.output, "--output", [given.input], PREDICTIONS_START, "table of predictions")
    model = load(given.config, device=given.device, ckpt_path=given.ckpt_path)
    count, before = write_table(model, given.input, given.output)
    print(f"{count} samples\npredictions: {given.output}")
    if before is not None:
        print(f"the predictions that were there before: {before}")
    return 0


def write_table(model: TrainedModel, source: Path, output: Path) -> tuple[int, Path | None]:
    """Write what a model predicts for a folder or file.

    Args:
        model: The trained run.
        source: The folder or file.
        output: The CSV file; one that is there already is kept under another name.

    Returns:
        The number of samples, and where the file that was there before is now.

    Raises:
        AdaptError: The inputs cannot be read, or the table not be written.
    """
    dataset, names = model.samples(source)
    columns = model.columns_of(dataset)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        return len(names), write_predictions(output, [columns], model.problem, names)
    except OSError as error:
        raise AdaptError(f"Expected to write predictions to {output}, could not ({error.strerror}).") from error
