"""Child process that builds a design with cocotb's runner and runs a bench; ``python -m ... JOB_FILE``.

The runner prints, changes the environment and ends its process when a build fails; here that hurts nobody,
and the caller gets everything as one log.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(job: dict[str, Any]) -> None:
    """Build and run; see :func:`hbnn_hw.verify.simulators.simulate` for the job."""
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    runner = get_runner(job["simulator"])
    runner.build(
        sources=[Path(source) for source in job["sources"]],
        hdl_toplevel=job["top"],
        build_dir=job["build_dir"],
        build_args=job["build_args"],
        timescale=("1ns", "1ps"),
        waves=job["waves"],
        always=True,
    )
    results = runner.test(
        hdl_toplevel=job["top"],
        hdl_toplevel_lang="verilog",
        test_module=job["bench"],
        build_dir=job["build_dir"],
        test_dir=job["build_dir"],
        extra_env=job["environment"],
        waves=job["waves"],
        timescale=("1ns", "1ps"),
    )
    n_tests, n_failed = get_results(results)
    if not n_tests or n_failed:
        sys.exit(f"{n_failed} of {n_tests} bench tests failed")


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
