"""The options of a run, one alias each: its type, its flag where that is not the name, its help."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

MODEL, DATA, SPACE, SEARCH, MEASURE, OUTPUT = (
    "Model and tolerance",
    "Data",
    "Search space",
    "Search",
    "Measuring",
    "Output",
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - click hands the option's value in
    if wanted:
        typer.echo(f"pruning-optimizer {version('pruning-optimizer')}")
        raise typer.Exit


Model = Annotated[str | None, typer.Option(help="Short name, hub id or local directory.", rich_help_panel=MODEL)]
Weights = Annotated[
    str | None,
    typer.Option(
        help="torchvision's weights file for an image network, such as resnet18-f37072fd.pth.", rich_help_panel=MODEL
    ),
]
Task = Annotated[
    str | None,
    typer.Option(help="phrases, a GLUE task, an image set, or any name with --data.", rich_help_panel=MODEL),
]
Epsilon = Annotated[float | None, typer.Option(help="Tolerated drop: 0.01 is one point.", rich_help_panel=MODEL)]
Config = Annotated[
    Path | None,
    typer.Option(help="TOML file with the fields of a study; options take precedence.", rich_help_panel=MODEL),
]
Study = Annotated[str | None, typer.Option(help="Name of the new study.", rich_help_panel=MODEL)]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything, estimate the time, store nothing.", rich_help_panel=MODEL)
]
Data = Annotated[
    str | None, typer.Option(help="Directory of parquet, csv, tsv or jsonl splits, or a hub id.", rich_help_panel=DATA)
]
TextColumns = Annotated[
    list[str] | None, typer.Option(help="Text column, or two separated by a comma.", rich_help_panel=DATA)
]
LabelColumn = Annotated[str | None, typer.Option(help="Column of labels.", rich_help_panel=DATA)]
Metric = Annotated[str | None, typer.Option(help="accuracy, f1, matthews, pearson or spearman.", rich_help_panel=DATA)]
MaxLength = Annotated[
    int | None, typer.Option(help="Tokens per text; longer texts are truncated.", rich_help_panel=DATA)
]
CalibrationExamples = Annotated[
    int | None, typer.Option(help="Training examples that rank and reconstruct.", rich_help_panel=DATA)
]
SearchExamples = Annotated[
    int | None, typer.Option(help="Examples that evaluate the candidates of the search.", rich_help_panel=DATA)
]
VerificationExamples = Annotated[
    int | None, typer.Option(help="Examples that verify the shortlist, once.", rich_help_panel=DATA)
]
AllowUntrained = Annotated[
    bool | None,
    typer.Option(
        "--allow-untrained", help="Accept a model that is no better than guessing; train nothing.", rich_help_panel=DATA
    ),
]
Structure = Annotated[
    str | None,
    typer.Option(help="units: heads, neurons, channels; weights: masks over an image network.", rich_help_panel=SPACE),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        min=2, help="Training epochs of a masked candidate; the dense network's by default.", rich_help_panel=SPACE
    ),
]
Criterion = Annotated[
    str | None,
    typer.Option(help="obs, fisher, taylor, activation, magnitude-l1, magnitude-l2 or random.", rich_help_panel=SPACE),
]
Reconstruct = Annotated[
    bool | None,
    typer.Option(
        "--reconstruct/--no-reconstruct", help="Solve the layers that read pruned units again.", rich_help_panel=SPACE
    ),
]
RoundTo = Annotated[
    int | None,
    typer.Option(min=1, rich_help_panel=SPACE, help="Image networks: keep channels in multiples of this number (8)."),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(help="Layer or group that stays dense: layer.0, layer.0.heads, net.conv1.", rich_help_panel=SPACE),
]
Objectives = Annotated[
    list[str] | None,
    typer.Option(help="Costs to minimize: flops, latency, energy, parameters, size.", rich_help_panel=SEARCH),
]
Sampler = Annotated[
    str | None, typer.Option(help="tpe, random, nsga2, nsga3, pymoo-nsga2 or iterative.", rich_help_panel=SEARCH)
]
Trials = Annotated[int | None, typer.Option(help="Number of candidates, including the ladder.", rich_help_panel=SEARCH)]
Timeout = Annotated[float | None, typer.Option(help="Seconds of search.", rich_help_panel=SEARCH)]
Seed = Annotated[int | None, typer.Option(help="Seed of all random choices.", rich_help_panel=SEARCH)]
Recover = Annotated[str | None, typer.Option(help="none, or finetune: train the shortlist.", rich_help_panel=SEARCH)]
MaxFlopsRatio = Annotated[float | None, typer.Option(help="Upper limit, of the dense model's.", rich_help_panel=SEARCH)]
MaxLatencyRatio = Annotated[
    float | None, typer.Option(help="Upper limit, of the dense model's.", rich_help_panel=SEARCH)
]
MaxEnergyRatio = Annotated[
    float | None, typer.Option(help="Upper limit, of the dense model's.", rich_help_panel=SEARCH)
]
MaxParametersRatio = Annotated[
    float | None, typer.Option(help="Upper limit, of the dense model's.", rich_help_panel=SEARCH)
]
MaxSizeRatio = Annotated[float | None, typer.Option(help="Upper limit, of the dense model's.", rich_help_panel=SEARCH)]
BatchSizes = Annotated[
    list[int] | None,
    typer.Option("--batch-size", help="Batch of a latency request; may repeat.", rich_help_panel=MEASURE),
]
SequenceLength = Annotated[
    int | None, typer.Option(help="Tokens of a latency request; the task's median by default.", rich_help_panel=MEASURE)
]
MeasureSeconds = Annotated[
    float | None,
    typer.Option(help="Seconds of timing per batch size, over all models (5).", rich_help_panel=MEASURE),
]
Threads = Annotated[int | None, typer.Option(help="CPU threads.", rich_help_panel=MEASURE)]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:N or mps.", rich_help_panel=MEASURE)]
Output = Annotated[Path | None, typer.Option(help="Also write the report to this HTML file.", rich_help_panel=OUTPUT)]
Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
]
