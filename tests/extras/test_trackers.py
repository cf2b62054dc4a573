"""Trackers with their real clients, offline: what they hold is read by the library's own reader."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import shoal

pytestmark = pytest.mark.extras

Shell = Callable[..., Any]

SEARCH = (
    "run mlp --space lr=1e-3:1e6:log --space optimizer=sgd,adam --space momentum=0:0.9 --epochs 2 "
    "--engine inline --sampler random --program eager --out runs/digits"
)

READ = """
import json, sys
from pathlib import Path
import {imports}
found = {{}}
{body}
print(json.dumps(found))
"""


def searched(shell: Shell, tmp_path: Path, tracker: str) -> str:
    """Search with a tracker: 12 trials, then 16, then 16 again from the folder of 12, so that the
    tracker is ahead of it, as after a kill; return what was said."""
    for trials in (12, 16, 16):
        words = [*SEARCH.split(), "--trials", trials, "--track", tracker]
        done = shell(*words, timeout=300)
        assert done.returncode == 0, done.stderr
        assert "is told no more" not in done.stderr, done.stderr
        earlier = tmp_path / "earlier"
        if trials == 12:
            shutil.copytree(tmp_path / "runs/digits", earlier)
        elif earlier.exists():
            shutil.rmtree(tmp_path / "runs/digits")
            earlier.rename(tmp_path / "runs/digits")
    said: str = done.stderr
    return said


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str, str], Any]:
    """Run some Python that fills `found`, in a process of its own: libraries warn as they like."""

    def run(imports: str, body: str) -> Any:
        import subprocess
        import sys

        text = READ.format(imports=imports, body=body)
        done = subprocess.run(
            [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_mlflow_has_a_run_for_the_search_and_for_each_of_the_best(
    shell: Shell, tmp_path: Path, read: Callable[[str, str], Any]
) -> None:
    """Each value once; a run below that was not finished is made anew."""
    said = searched(shell, tmp_path, "mlflow")
    assert "mlflow ui --backend-store-uri sqlite:///runs/mlflow.db" in said
    body = """
client = mlflow.MlflowClient(tracking_uri="sqlite:///runs/mlflow.db")
(experiment,) = client.search_experiments(filter_string="name = 'mlp'")
for run in client.search_runs([experiment.experiment_id]):
    files = [file.path for file in client.list_artifacts(run.info.run_id, "model")]
    history = client.get_metric_history(run.info.run_id, "accuracy")
    found[run.info.run_name] = {
        "parent": run.data.tags.get("mlflow.parentRunId"), "id": run.info.run_id,
        "status": run.info.status, "params": run.data.params, "metrics": run.data.metrics,
        "history": sorted([m.step, m.value] for m in history), "files": files,
    }
"""
    found = read("mlflow", body)
    result = shoal.load(tmp_path / "runs/digits")
    best = result.ranking["trial"].tolist()[:10]
    whole = found.pop("digits")
    assert whole["status"] == "FINISHED"
    assert whole["params"]["space.lr"] == "0.001:1000000.0:log"
    trials = result.trials.set_index("trial")["accuracy"]
    finite = [[t, a] for t, a in trials.items() if math.isfinite(a)]
    assert whole["history"] == finite
    assert len(finite) < 16  # some diverged
    assert whole["metrics"]["best_accuracy"] == result.best["accuracy"]
    assert {f"trial {trial}" for trial in best} <= set(found)
    for name, run in found.items():
        trial = int(name.split()[1])
        row = result.trials.set_index("trial").loc[trial]
        curve = result.curves[result.curves["trial"] == trial]
        assert (run["parent"], run["status"]) == (whole["id"], "FINISHED")
        assert float(run["params"]["lr"]) == row["lr"]
        assert ("momentum" in run["params"]) == (row["optimizer"] == "sgd")
        final = run["metrics"].get("final_accuracy", math.nan)  # one that diverged has none
        assert final == row["accuracy"] or (math.isnan(final) and row["state"] == "diverged")
        assert run["history"] == curve[["step", "accuracy"]].to_numpy().tolist()
    assert found[f"trial {best[0]}"]["files"] == [f"model/trial-{best[0]:06d}.safetensors"]
    unfinished = found[f"trial {best[1]}"]["id"]
    read(
        "mlflow",
        f"""
client = mlflow.MlflowClient(tracking_uri="sqlite:///runs/mlflow.db")
client.update_run({unfinished!r}, status="RUNNING")
""",
    )
    done = shell(*SEARCH.split(), "--trials", 16, "--track", "mlflow:runs/mlflow.db")
    assert done.returncode == 0, done.stderr
    again = read("mlflow", body)
    assert again.pop("digits") == whole
    assert again.keys() == found.keys()
    changed = {name for name in found if again[name] != found[name]}
    assert changed == {f"trial {best[1]}"}
    assert again[f"trial {best[1]}"]["history"] == found[f"trial {best[1]}"]["history"]


def test_tensorboard_has_the_curves_and_hyperparameters_of_each_fit(
    shell: Shell, tmp_path: Path, read: Callable[[str, str], Any]
) -> None:
    """As its own reader finds them; a file that was not finished is none of its."""
    (tmp_path / "runs/tensorboard/digits/trial-000003").mkdir(parents=True)
    (tmp_path / "runs/tensorboard/digits/trial-000003/_writing").write_bytes(b"half")
    said = searched(shell, tmp_path, "tensorboard")
    assert "tensorboard --logdir runs/tensorboard" in said
    found = read(
        "tensorboard.backend.event_processing.event_multiplexer as multiplexer, "
        "tensorboard.plugins.hparams.metadata as metadata",
        """
all_ = multiplexer.EventMultiplexer().AddRunsFromDirectory("runs/tensorboard").Reload()
for run in all_.Runs():
    events = all_.GetAccumulator(run)
    content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content)
    found[run] = {
        "hparams": {n: v.WhichOneof("kind") and getattr(v, v.WhichOneof("kind"))
                    for n, v in start.hparams.items()},
        "accuracy": [[s.step, s.value] for s in events.Scalars("accuracy")],
        "final": [s.value for s in events.Scalars("final/accuracy")]
                 if "final/accuracy" in events.Tags()["scalars"] else [],
    }
""",
    )
    result = shoal.load(tmp_path / "runs/digits")
    assert sorted(found) == [f"digits/trial-{trial:06d}" for trial in range(16)]
    for row in result.trials.to_dict("records"):
        run = found[f"digits/trial-{row['trial']:06d}"]
        assert run["hparams"]["lr"] == row["lr"]
        assert ("momentum" in run["hparams"]) == (row["optimizer"] == "sgd")
        curve = result.curves[result.curves["trial"] == row["trial"]]
        assert [step for step, _ in run["accuracy"]] == curve["step"].tolist()
        assert [v for _, v in run["accuracy"]] == pytest.approx(curve["accuracy"], nan_ok=True)
        expected = [row["accuracy"]] if math.isfinite(row["accuracy"]) else []
        assert run["final"] == pytest.approx(expected)


def test_weights_and_biases_has_a_run_offline(
    shell: Shell, tmp_path: Path, read: Callable[[str, str], Any]
) -> None:
    """One for each size of the search, with a step for each fit; one without its mark is made
    anew."""
    said = searched(shell, tmp_path, "wandb")
    runs = sorted((tmp_path / "runs/wandb").glob("offline-run-*"))
    assert Counter(run.name.rpartition("-")[2] for run in runs) == {"12": 1, "16": 1}
    whole = next(run for run in runs if run.name.endswith("-16"))
    assert f"wandb sync runs/wandb/{whole.name}" in said
    (whole / "shoal-whole").unlink()
    done = shell(*SEARCH.split(), "--trials", 16, "--track", "wandb")
    assert done.returncode == 0, done.stderr
    (anew,) = (tmp_path / "runs/wandb").glob("offline-run-*-16")
    (file,) = anew.glob("*.wandb")
    found = read(
        "wandb",
        f"""
import struct
from wandb.proto.wandb_internal_pb2 import Record
data, records, at = Path({str(file)!r}).read_bytes(), [b""], 7
while at < len(data):  # a log in blocks of 32 KiB: checksum, length and kind before each piece
    if 2**15 - at % 2**15 < 7:
        at += 2**15 - at % 2**15
        continue
    length, kind = struct.unpack_from("<HB", data, at + 4)
    records[-1] += data[at + 7 : at + 7 + length]
    if kind in (1, 4):
        records.append(b"")
    at += 7 + length
found = {{"history": [], "config": {{}}, "ended": 0}}
for text in records[:-1]:
    record = Record.FromString(text)
    kind = record.WhichOneof("record_type")
    if kind == "history":
        items = {{"/".join(i.nested_key) or i.key: json.loads(i.value_json)
                 for i in record.history.item}}
        found["history"].append(items)
    if kind == "run":
        found["config"].update({{u.key: json.loads(u.value_json)
                                for u in record.run.config.update}})
    found["ended"] += kind == "exit"
""",
    )
    table = shoal.load(tmp_path / "runs/digits").trials
    fits = [each for each in found["history"] if "trial" in each]
    assert [each["trial"] for each in fits] == list(range(16))
    assert [each["lr"] for each in fits] == table["lr"].tolist()
    assert [each.get("accuracy") for each in fits] == [
        a if math.isfinite(a) else None for a in table["accuracy"]
    ]
    assert found["config"]["trials"] == 16
    assert found["ended"] == 1
