"""The writer of TensorBoard events."""

import os
import subprocess
import sys
from pathlib import Path

from tests.helpers.training import ROOT


def test_torch_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('torch is imported')")
    code = "import zoo.tasks.run.tensorboard, sys; print('torch' in sys.modules)"
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert (process.stdout, process.stderr) == ("False\n", "")
