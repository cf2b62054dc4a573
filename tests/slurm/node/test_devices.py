"""Which GPUs Ray's processes may use, in SLURM's environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ray._private.accelerators.amd_gpu import AMDGPUAcceleratorManager as Amd
from ray._private.accelerators.nvidia_gpu import NvidiaGPUAcceleratorManager as Nvidia

from shoal.search.engines.ray_tune.surroundings import set_for_ray
from shoal.slurm.node.devices import are_parts, translate, translated, visible
from shoal.slurm.node.variables import for_ray
from shoal.trainable.runners.stacked import _device_name


@pytest.fixture
def amd(monkeypatch: pytest.MonkeyPatch) -> None:
    """As SLURM sets it for a job with the third and the fourth GPU of a node."""
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROCR_VISIBLE_DEVICES", "2,3")


@pytest.mark.usefixtures("amd")
def test_ray_runs_on_amds_gpus_as_slurm_gives_them(tmp_path: Path) -> None:
    """Ray itself refuses SLURM's variable; on nodes, and in a search, it gets its own."""
    with pytest.raises(RuntimeError, match="Please use HIP_VISIBLE_DEVICES"):
        Amd.get_current_process_visible_accelerator_ids()
    for_nodes = for_ray(os.environ, tmp_path / "token")
    assert for_nodes["HIP_VISIBLE_DEVICES"] == "2,3"
    assert "ROCR_VISIBLE_DEVICES" not in for_nodes
    with set_for_ray(None):
        assert Amd.get_current_process_visible_accelerator_ids() == ["2", "3"]
    assert os.environ["ROCR_VISIBLE_DEVICES"] == "2,3"
    assert "HIP_VISIBLE_DEVICES" not in os.environ
    translate(os.environ)
    assert Amd.get_current_process_visible_accelerator_ids() == ["2", "3"]


def test_what_the_user_has_set_is_theirs() -> None:
    """Both variables of AMD, or none; no GPUs at all stays none."""
    for environment in (
        {},
        {"CUDA_VISIBLE_DEVICES": "0"},
        {"ROCR_VISIBLE_DEVICES": "2,3", "HIP_VISIBLE_DEVICES": "0"},
    ):
        assert translated(environment) == {}
    assert translated({"ROCR_VISIBLE_DEVICES": ""})["HIP_VISIBLE_DEVICES"] == ""


def test_parts_of_gpus_have_names_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray hands MIG's names out one by one, since it reads them as they are."""
    names = "MIG-GPU-8f6e/1/0,MIG-41b1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)
    assert Nvidia.get_current_process_visible_accelerator_ids() == names.split(",")
    assert visible({"CUDA_VISIBLE_DEVICES": names}) == names.split(",")
    assert are_parts(names.split(","))
    assert not are_parts(["0", "GPU-8f6e"])
    assert visible({}) is None
    assert visible({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}) == []
    assert visible({"HIP_VISIBLE_DEVICES": "1"}) == ["1"]


@pytest.mark.parametrize(
    ("set_by_ray", "set_by_slurm"),
    [
        ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"),
        ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"),
    ],
)
def test_a_worker_knows_its_gpu_where_slurm_sets_the_variables_of_all_makers(
    monkeypatch: pytest.MonkeyPatch, set_by_ray: str, set_by_slurm: str
) -> None:
    """Ray leaves one device in its maker's variable; the other has all of the job's."""
    monkeypatch.setenv(set_by_slurm, "0,1")
    monkeypatch.setenv(set_by_ray, "1")
    assert _device_name("cuda", True) == "cuda:1"
    assert _device_name("cpu", True) == "cpu for gpu:1"
    monkeypatch.delenv(set_by_ray)
    monkeypatch.delenv(set_by_slurm)
    assert _device_name("cuda", True) == "cuda:0"
