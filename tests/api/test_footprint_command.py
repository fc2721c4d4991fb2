from __future__ import annotations

import json
import os
from pathlib import Path

from command_line import Done, run_here
from stored_studies import put_study

from objectives.energy.spent import Joules, Spent
from optimizer.training.history import of_epochs
from optimizer.views.spent import with_spent
from optimizer.views.trainings import training_measurements
from studies.opening import open_store


def run(place: Path, *arguments: str) -> Done:
    storage = f"sqlite:///{place}/s.sqlite"
    environment = {**os.environ, "COLUMNS": "200"}
    return run_here(["--storage", storage, *arguments], environment=environment, directory=place)


def footprint(place: Path, *arguments: str) -> Done:
    return run(place, "footprint", *arguments)


def test_what_a_study_has_spent_is_shown_to_people_and_as_json_and_unknown_regions_are_refused(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    parts = {"CPU": Joules(joules=7200.0, source="rapl", counts_all=True)}
    spent = Spent(seconds=60.0, own_cpu_s=30.0, all_cpu_s=60.0, resident_bytes=10**9, peak_cuda_bytes=None, parts=parts)
    history = of_epochs([spent.times(0.25), spent.times(0.5)], 100)
    study = put_study(store, "s", candidates=[(0.0, 0.5)], more=training_measurements(history, of=100))
    of_dense = training_measurements(of_epochs([spent], 100), of=100)
    store.update_study(study.id, context=with_spent(study, "search", spent), baseline=[*study.baseline, *of_dense])
    store.close()
    shown = footprint(tmp_path, "s", "--region", "world-2018", "--pue", "1.58")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "7.2 kJ = 2 Wh = 0.002 kWh (CPU rapl)" in shown.stdout
    assert "0.7505 g CO2: own energy × PUE 1.58 × 475 g/kWh (world-2018, 2018; IEA" in shown.stdout
    assert "trainings of 1 candidates in 2 epochs: 5.4 kJ = 1.5 Wh = 0.0015 kWh, 2.7 kJ an epoch" in shown.stdout
    assert "training of the dense model in 1 epochs: 7.2 kJ = 2 Wh = 0.002 kWh, 7.2 kJ an epoch" in shown.stdout
    found = json.loads(footprint(tmp_path, "s", "--region", "world-2018", "--json").stdout)
    assert (found["schema_version"], found["own_wh"], round(found["grams"], 6)) == (1, 1.0, 0.475)
    table = run(tmp_path, "show", "s").stdout.split("Training, by member")[1]
    rows = [" ".join(line.split()) for line in table.splitlines()]
    assert "#0 2 2.7 kJ 45 s 5.4 kJ – – 5.4 kJ 1.5 2.7 kJ 1.0 GB –" in rows
    assert "dense 1 7.2 kJ 60 s 7.2 kJ – – 7.2 kJ 2 3.6 kJ 1.0 GB –" in rows
    assert "2 1 30 s 3.6 kJ – – 3.6 kJ 1 1.8 kJ 1.0 GB –" in rows
    assert "sources: CPU rapl; memory: peaks" in rows
    for options, words in (
        (("--region", "wrold-2018"), "error: --region: unknown name 'wrold-2018'; did you mean 'world-2018'"),
        (("--region", "world-2018", "--pue", "0.5"), "error: --pue: must be at least 1, got 0.5"),
        ((), "--region"),
    ):
        refused = footprint(tmp_path, "s", *options)
        assert refused.returncode == 2
        assert words in refused.stderr
