"""The benchmark of AlexNet-BN works at a sixteenth of its width; its figures are not timed here."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "lowering_scale.py"


def test_a_narrow_alexnet_goes_from_checkpoint_to_ir_in_little_more_than_its_packed_bits():
    command = [sys.executable, str(SCRIPT), "--width", "0.0625"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *progress, last = done.stdout.splitlines()
    figures = json.loads(last)
    assert sorted(figures) == ["peak_gib", "seconds", "size_ratio"]
    # Thresholds and affines count for more than in the full network, where the ratio is 1.003.
    assert 1.0 < figures["size_ratio"] < 1.2
    assert 0.0 < figures["peak_gib"] < 1.0
    assert any("479996 weights" in line for line in progress)
    assert [line.split("GiB")[1].strip() for line in progress if "GiB" in line] == [
        "imported",
        "read, deployed and captured",
        "lowered",
        "written",
    ]
