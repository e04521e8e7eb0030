"""The architecture's rules: imports point one way, every operator has its rooms, the door stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from hbnn_hw.backends.rtl.top import BUILDERS
from hbnn_hw.ops import OPS, HardwareOp

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "hbnn_hw"
HARDWARE_OPS = sorted(name for name, op in OPS.items() if issubclass(op, HardwareOp))

TORCH_FOLDERS = {"nn", "capture"}

FORBIDDEN = {
    "lowering": {"passes", "backends", "verify", "estimate", "report", "nn", "capture", "search"},
    "ops": {"analysis", "passes", "backends", "verify", "estimate", "report", "nn", "capture", "search"},
    "analysis": {"passes", "backends", "verify", "estimate", "report", "nn", "capture", "search"},
    "passes": {"analysis", "backends", "verify", "estimate", "report", "nn", "capture", "search"},
    "backends": {"estimate", "report", "nn", "capture", "search"},
    "verify": {"estimate", "report", "nn", "capture", "search"},
    "estimate": {"report", "nn", "capture", "search"},
    "report": {"nn", "capture"},
    "search": {"backends", "verify", "report", "nn", "capture"},
    "explore": {"backends", "verify", "nn"},
    "vendor_reports": {"report", "nn", "capture"},
    "nn": {"capture", "graph", "ops", "passes", "backends", "verify", "estimate", "report"},
    "capture": {"passes", "verify", "estimate", "report"},
}
"""Which parts of the package each part must not import: arrows point one way only."""


def imports_of(path):
    """Top-level names that a module imports, anywhere in it; relative imports resolved."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("part", sorted(FORBIDDEN))
def test_imports_point_one_way(part):
    offences = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((PACKAGE / part).rglob("*.py"))
        for name in imports_of(path)
        if name.startswith("hbnn_hw.") and name.split(".")[1] in FORBIDDEN[part]
    ]
    assert offences == []


def test_only_nn_and_capture_import_torch():
    offences = [
        str(path.relative_to(ROOT))
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in TORCH_FOLDERS
        and any(name.split(".")[0] == "torch" for name in imports_of(path))
    ]
    assert offences == []


def test_every_operator_file_is_listed():
    files = {path.stem for path in (PACKAGE / "ops").glob("*.py")} - {"__init__", "base"}
    assert files == set(OPS)


@pytest.mark.parametrize("name", HARDWARE_OPS)
def test_every_hardware_operator_has_its_rooms(name):
    rooms = [ROOT / "templates" / "hls" / f"{name}.h.j2"]
    if OPS[name] in BUILDERS:
        rooms.append(PACKAGE / "backends" / "rtl" / f"{name}.py")
    assert [str(room.relative_to(ROOT)) for room in rooms if not room.is_file()] == []


def test_the_command_line_starts_without_the_heavy_packages():
    code = (
        "import sys, hbnn_hw.cli, hbnn_hw; "
        "print(sorted({'torch', 'amaranth', 'pyosys', 'cocotb', 'matplotlib'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.strip() == "[]"


def test_nobody_raises_a_bare_exception():
    offences = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
        and node.exc.func.id == "Exception"
    ]
    assert offences == []
