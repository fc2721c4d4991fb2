"""`optimize certify`: certificates by labels that are bought only where two models disagree."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from api.cli.bundles import taking
from api.cli.context import Shared, StudyName, shared_of
from api.cli.saying import say
from api.cli.sources import Labelling
from optimizer.errors import InputError
from optimizer.fronts.bought import BATCH, Double, Standing


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("certify")(certify)


@taking(shared=shared_of)
def certify(
    *,
    shared: Shared,
    study: StudyName,
    candidates: Annotated[
        list[int] | None,
        typer.Argument(
            metavar="[CANDIDATE]...",
            help="Verified members to certify; by default those leaner than any certified that no leaner one beats.",
        ),
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(help="File of fresh texts without labels (parquet, csv, tsv, jsonl), or a folder of images."),
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="The labelling file, filled in.")] = None,
    to: Annotated[
        Path | None,
        typer.Option(help="The next labelling file to write; named after the study and the first row by default."),
    ] = None,
    batch: Annotated[int, typer.Option(help="Texts or images to label in the next file.")] = BATCH,
    double: Annotated[
        Double | None,
        typer.Option(
            help="Which labels are asked twice; the first texts fix it. With all, certificates hold even where labels "
            "are wrong on lost texts alone.",
            show_default="tenth",
        ),
    ] = None,
) -> None:
    """Certify leaner members with labels for the few texts or images on which they and the dense model disagree."""
    if candidates and texts is None:
        raise InputError("candidate", "members are chosen when texts are given; give --texts as well, or no numbers")
    if texts and labels:
        raise InputError("--labels", "belong to texts that were given before; give --texts in a call of its own")
    if double and texts is None:
        raise InputError("--double", "is chosen when texts are given; give --texts as well, or leave it out")
    asked = Labelling(candidates=candidates or (), texts=texts, double=double, labels=labels, to=to, batch=batch)
    with shared.studies() as known:
        standing, notes, written = known.certify(study, asked, progress=partial(say, shared.messages))
    if shared.as_json:
        return shared.answer({**standing.model_dump(mode="json"), "notes": notes, "file": written and str(written)})
    for line in [*(f"note: {note}" for note in notes), *_in_words(standing, written)]:
        say(shared.console, line)
    return None


def _in_words(standing: Standing, written: Path | None) -> list[str]:
    lines = []
    for each in standing.members:
        state = "certified" if each.certified else "not certified"
        state += f", blocked by #{each.blocked_by}" if each.blocked_by is not None else ""
        lines.append(
            f"#{each.candidate}: {state} at ε = {each.epsilon:g}; drop at most {each.upper:.4f} "
            f"({100 * (1 - each.alpha):g} %); {each.labels:,} labels for {each.disagreements:,} disagreements in "
            f"{each.texts:,} {each.what}; {each.differing} of {each.checks} labels given twice differ"
        )
    if standing.waiting is None:
        return [*lines, "all members are certified"]
    if standing.is_over:
        what = standing.what
        return [*lines, f"#{standing.waiting} has no {what[:-1]} left to label; more {what} continue the sequence"]
    needs = "more labels than can be foreseen" if standing.more is None else f"about {standing.more:,} more labels"
    lines.append(f"#{standing.waiting} needs {needs}; {standing.unasked + standing.open_rows:,} can be given")
    if written is not None:
        lines.append(f"{written}: label each row with {standing.labels_in_words}; then give it as --labels")
    return lines
