"""Jobs travel from the pytest side to the simulator side as one JSON file."""

import json
import os
from pathlib import Path

JOB = "HBNN_HW_TEST_JOB"


def load() -> dict:
    """Read the job, inside the simulator."""
    return json.loads(Path(os.environ[JOB]).read_text())


def run(simulator, verilog: str, top: str, bench: str, folder: Path, job: dict) -> None:
    """Simulate a Verilog text with a bench of this folder; a failed check raises ToolFailedError."""
    from hbnn_hw.verify.simulators import simulate

    folder.mkdir(parents=True, exist_ok=True)
    source, job_file = folder / f"{top}.v", folder / "job.json"
    source.write_text(verilog)
    job_file.write_text(json.dumps(job))
    simulate(
        simulator,
        sources=[source],
        top=top,
        bench=f"rtl_tests.{bench}",
        build_dir=folder / "build",
        environment={JOB: str(job_file)},
    )
