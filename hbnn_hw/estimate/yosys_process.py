"""Child process that runs Yosys passes; ``python -P yosys_process.py SCRIPT CPU_FILE``.

An error inside Yosys ends the whole process without an exception, which is why it never runs in the
caller's process.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def main(script: Path, cpu_file: Path) -> None:
    """Run one pass per line of the script, then write the CPU seconds of this process and its children."""
    from pyosys import libyosys

    design = libyosys.Design()
    for line in script.read_text(encoding="utf-8").splitlines():
        design.run_pass(line)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_file.write_text(f"{sum(u.ru_utime + u.ru_stime for u in used):.2f}", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
