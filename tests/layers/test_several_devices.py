"""Layers and models on several devices compute what they compute on one."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import devices, emulated_gpu
from tests.helpers.kernels import require_kernels
from tests.helpers.tolerances import SCHEDULE, SCHEDULE_GRADIENT
from tests.helpers.training import ROOT, command, environment

require_kernels()
# The layers that differ in what their loops carry.
OF_EACH_KIND = {
    *("kernel lstm", "kernel gru", "kernel mgu"),
    *(name for name in devices.KERNELS if name[7:] not in devices.CELLS),
    *devices.MODELS,
    *("layernorm_lstm", "projected_lstm", "lru", "sru", "qrnn", "clockwork_rnn"),
    *("urnn", "gla", "mlstm", "lstm zoneout", "lstm both ways, one loop"),
    "uneven stack",
}
one_of_each_kind = pytest.mark.one_of_each_kind
# Of a GPU, which multiplies TF32.
EMULATED = ("kernel lstm", "kernel both ways", "kernel in chunks", "lru")
TF32 = 3e-3


def results_of(
    folder: Path, names: list[str], factory: pytest.TempPathFactory, *arguments: Path
) -> dict[str, Any]:
    """Return the results of `tests.helpers.devices`."""
    env = environment(factory)
    env["XLA_FLAGS"] += f" --xla_force_host_platform_device_count={devices.DEVICES}"
    cases = folder / "cases.json"
    cases.write_text(json.dumps(names))
    process = subprocess.run(
        command("tests.helpers.devices", cases, *arguments),
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert process.returncode == 0, process.stderr
    results: dict[str, Any] = {}
    for line in process.stdout.splitlines():
        results |= json.loads(line)
    return results


@pytest.fixture(scope="module")
def results(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> dict[str, Any]:
    """Return the results of all cases that are tested."""
    thorough = request.config.getoption("thorough")
    names = [name for name in devices.CASES if thorough or name in OF_EACH_KIND]
    return results_of(tmp_path_factory.mktemp("cpu"), names, tmp_path_factory)


@one_of_each_kind
@pytest.mark.parametrize("case", devices.CASES)
def test_several_devices_compute_the_same_as_one(
    results: dict[str, Any], case: str
) -> None:
    assert "failure" not in results[case], results[case]["failure"]
    for program, measured in results[case].items():
        assert measured["outputs"] <= SCHEDULE, program
        assert measured["gradients"] <= SCHEDULE_GRADIENT, program


@one_of_each_kind
@pytest.mark.parametrize("case", devices.CASES)
def test_gradients_are_summed_over_the_devices_after_the_loop(
    results: dict[str, Any], case: str
) -> None:
    assert [measured["sums in loops"] for measured in results[case].values()] == [0] * (
        len(results[case])
    )


@one_of_each_kind
@pytest.mark.parametrize("case", [f"kernel {name}" for name in devices.CELLS])
def test_each_device_runs_the_kernel_on_its_rows(
    results: dict[str, Any], case: str
) -> None:
    for program, measured in results[case].items():
        assert measured["gradients"] <= SCHEDULE, program
        all_rows = program == "jit on one device"
        rows = devices.B if all_rows else devices.B // devices.DEVICES
        forward, backward = measured["kernels"]
        assert forward.split(",")[0] == backward.split(",")[0] == str(rows), program


def test_explain_names_the_devices(results: dict[str, Any]) -> None:
    assert "all steps in one call of a kernel per device" in results["explain"]


def test_an_emulated_gpu(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("gpu")
    library = emulated_gpu.build()
    results = results_of(folder, list(EMULATED), tmp_path_factory, library)
    for case in EMULATED:
        assert "failure" not in results[case], results[case]["failure"]
        for program, measured in results[case].items():
            assert max(measured["outputs"], measured["gradients"]) <= TF32, program
            assert measured["kernels"], (case, program)
