"""Run a build script in tclsh as if a vendor tool of some release ran it.

``options/*.json`` say which commands a tool has and what they take; ``mock/*.tcl`` say what they leave.
An option is written "-name", "-name=" with a value, and may end in "since 2020.2" or "until 2020.1".
"""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from hbnn_hw.backends.hls import HlsTool

HERE = Path(__file__).parent
OPTIONS = HERE / "options"
MOCK = HERE / "mock"
GOLDEN = HERE / "golden"

PART = "xc7z045ffg900-2"
BOARDS = ("xilinx.com:zc706:part0:1.3", "xilinx.com:zc706:part0:1.4", "xilinx.com:zc702:part0:1.4")

HLS_RELEASES = {
    HlsTool.VIVADO_HLS: ("2018.3", "2019.2", "2020.1"),
    HlsTool.VITIS_HLS: ("2020.2", "2022.2", "2024.1"),
}
VIVADO_RELEASES = ("2018.3", "2019.1", "2019.2", "2020.1", "2020.2", "2022.1", "2024.1")


@dataclass(frozen=True)
class Run:
    """What a script did: exit status, what it printed, and the commands it gave, one a line."""

    code: int
    out: str
    err: str
    commands: list[str]

    @property
    def names(self) -> list[str]:
        return [command.split()[0] for command in self.commands]


@dataclass(frozen=True)
class Installation:
    """The pretended installation: what it has, and what goes wrong in it."""

    release: str = "2022.2"
    parts: tuple[str, ...] = (PART,)
    boards: tuple[str, ...] = BOARDS
    preset: bool = True
    fclk_mhz: str = "200.000000"
    wns: str = "0.123"
    whs: str = "0.045"
    missing: tuple[str, ...] = ()
    fail: dict[str, str] = field(default_factory=dict)
    tlast: bool = True
    widths: tuple[int, int] | None = None


NOTHING_WRONG = Installation()


def known_in(release: str, since: str | None, until: str | None) -> bool:
    number = tuple(map(int, release.split(".")))
    return (since is None or tuple(map(int, since.split("."))) <= number) and (
        until is None or number <= tuple(map(int, until.split(".")))
    )


def option_in(text: str, release: str) -> str | None:
    name, *when = text.split()
    limits = dict(zip(when[::2], when[1::2], strict=True))
    assert set(limits) <= {"since", "until"}, text
    return name if known_in(release, limits.get("since"), limits.get("until")) else None


def table(tool: str, release: str) -> dict[str, dict]:
    """Commands of a tool's release: options, permitted values, number of arguments, what must come before."""
    commands = json.loads((OPTIONS / f"{tool}.json").read_text(encoding="utf-8"))["commands"]
    return {
        name: {
            "options": [o for text in entry.get("options", []) if (o := option_in(text, release))],
            "values": entry.get("values", {}),
            "arguments": entry["arguments"],
            "after": entry.get("after", []),
        }
        for name, entry in commands.items()
        if known_in(release, entry.get("since"), entry.get("until"))
    }


def tcl(value) -> str:
    """A Python value as a Tcl word: dicts and lists nested, text quoted."""
    if isinstance(value, dict):
        return "{" + " ".join(f"{tcl(key)} {tcl(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "{" + " ".join(map(tcl, value)) + "}"
    text = str(int(value) if isinstance(value, bool) else value)
    return '"' + re.sub(r'(["\\$\[\]{};])', r"\\\1", text).replace("\n", "\\n") + '"'


def accelerator(project: Path, tool: HlsTool, installation: Installation) -> tuple[str, dict]:
    """The packaged accelerator as the block design sees it; the tools name its pins differently."""
    layout = json.loads((project / "tb" / "layout.json").read_text(encoding="utf-8"))
    edges = (layout["input"], layout["output"])
    widths = installation.widths or tuple(edge["lanes"] * edge["lane_bits"] for edge in edges)
    suffix = "_V" if tool is HlsTool.VIVADO_HLS else ""
    entry = {
        "properties": {},
        "interfaces": [
            [f"s_axis_in{suffix}", "Slave", "axis", "1"],
            [f"m_axis_out{suffix}", "Master", "axis", "1"],
            ["s_axi_control", "Slave", "aximm", "1"],
        ],
        "pins": [["ap_clk", "I", "clk", "1"], ["ap_rst_n", "I", "rst", "1"], ["interrupt", "O", "intr", "1"]],
    }
    properties = {
        f"/accelerator/s_axis_in{suffix},CONFIG.TDATA_NUM_BYTES": widths[0] // 8,
        f"/accelerator/m_axis_out{suffix},CONFIG.TDATA_NUM_BYTES": widths[1] // 8,
        f"/accelerator/m_axis_out{suffix},CONFIG.HAS_TLAST": installation.tlast,
    }
    return f"hbnn:hls:{layout['network']}:1.0", {"entry": entry, "properties": properties}


def _settings(project: Path, log: Path, tool: HlsTool, installation: Installation) -> dict[str, object]:
    vlnv, packaged = accelerator(project, tool, installation)
    suffix = "_V" if tool is HlsTool.VIVADO_HLS else ""
    buses = {
        f"s_axis_in{suffix}": "axis_rtl",
        f"m_axis_out{suffix}": "axis_rtl",
        "s_axi_control": "aximm_rtl",
    }
    return {
        "project": project,
        "record": project.parent / "commands.txt",
        "log": log,
        "version": installation.release,
        "parts": installation.parts,
        "boards": installation.boards,
        "preset": installation.preset,
        "fclk_mhz": installation.fclk_mhz,
        "wns": installation.wns,
        "whs": installation.whs,
        "missing": installation.missing,
        "accelerator_vlnv": vlnv,
        "accelerator": packaged["entry"],
        "buses": {**buses, "ap_clk": "clock_rtl", "ap_rst_n": "reset_rtl", "interrupt": "interrupt_rtl"},
        **{f"fail,{command}": text for command, text in installation.fail.items()},
    }


def _prelude(program: str, settings: dict[str, object], properties: dict[str, object], release: str) -> str:
    behaviours = ("hls",) if program != "vivado" else ("catalog", "objects", "vivado", "block_design")
    lines = [
        f"set ::TABLE {tcl(table(program, release))}",
        f"array set ::MOCK {tcl(settings)}",
        f"array set ::PROPERTY {tcl(properties)}",
        *(f"source {tcl(MOCK / name)}" for name in ("engine.tcl", *(f"{b}.tcl" for b in behaviours))),
    ]
    return "\n".join(lines) + "\n"


def execute(
    project: Path,
    script: str,
    tool: HlsTool,
    installation: Installation = NOTHING_WRONG,
    program: str | None = None,
    named: bool = True,
    **environment: str,
) -> Run:
    """Run ``scripts/<script>`` of a project as ``program``, by default the tool that the script is for.

    It starts in another folder than the project's, unless the script is not to know its name: then it comes
    from standard input, in the project's folder.
    """
    program = program or (tool.value if script == "hls.tcl" else "vivado")
    folder = project.parent
    executable = folder / "bin" / program
    executable.parent.mkdir(exist_ok=True)
    if not executable.exists():
        tclsh = shutil.which("tclsh")
        assert tclsh is not None, "these tests need tclsh; scripts/install_tools.sh installs it"
        executable.symlink_to(tclsh)
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    settings = _settings(project, elsewhere / f"{program}.log", tool, installation)
    properties = accelerator(project, tool, installation)[1]["properties"]
    start = folder / "mock.tcl"
    prelude = _prelude(program, settings, properties, installation.release)
    path = project / "scripts" / script
    start.write_text(prelude + f"source {tcl(path)}\n", encoding="utf-8")
    record = folder / "commands.txt"
    record.unlink(missing_ok=True)
    done = subprocess.run(
        [executable, start] if named else [executable],
        cwd=elsewhere if named else project,
        input=None if named else prelude + path.read_text(encoding="utf-8"),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    commands = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
    return Run(done.returncode, done.stdout, done.stderr, commands)
