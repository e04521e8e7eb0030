"""The delivered Python package, imported from a copy: nothing may be written beside the templates."""

import atexit
import shutil
import sys
import tempfile
from pathlib import Path

from hbnn_hw.templating import template_root

_FOLDER = Path(tempfile.mkdtemp(prefix="hbnn_driver_"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
shutil.copytree(
    template_root() / "driver" / "python" / "hbnn_driver",
    _FOLDER / "hbnn_driver",
    ignore=shutil.ignore_patterns("__pycache__"),
)
sys.path.insert(0, str(_FOLDER))

import hbnn_driver  # noqa: E402
from hbnn_driver import control, dma, errors, linux_platform, network  # noqa: E402

__all__ = ["control", "dma", "errors", "hbnn_driver", "linux_platform", "network"]
