"""What a user installs: templates in a source tree and in a wheel, messages for what is not installed."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hbnn_hw import templating
from hbnn_hw.artifacts import replace_file, write_folder
from hbnn_hw.errors import OutputError, TemplateError, ToolMissingError
from hbnn_hw.extras import require

ROOT = Path(__file__).resolve().parent.parent


def test_a_source_tree_uses_the_templates_beside_the_package():
    assert templating.template_root() == ROOT / "templates"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_a_wheel_holds_the_package_alone_with_its_templates_and_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"hbnn_hw", "hbnn_hw-0.1.0.dist-info"}
    sources = [
        path.relative_to(ROOT / "templates") for path in (ROOT / "templates").rglob("*") if path.is_file()
    ]
    assert [str(path) for path in sources if f"hbnn_hw/_templates/{path}" not in names] == []
    assert "hbnn_hw/datasets/optdigits.npz" in names
    assert "hbnn_hw/py.typed" in names


def test_an_unpacked_wheel_finds_its_own_templates(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "from hbnn_hw.templating import render, template_root; print(template_root()); "
        "import hbnn_hw; print(hbnn_hw.__file__)"
    )
    command = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == [
        str(tmp_path / "hbnn_hw" / "_templates"),
        str(tmp_path / "hbnn_hw" / "__init__.py"),
    ]


def test_missing_templates_and_undefined_values_are_errors_of_their_own():
    with pytest.raises(TemplateError, match=r"hls/none\.j2"):
        templating.render("hls/none.j2", {})
    with pytest.raises(TemplateError, match="undefined"):
        templating.render("hls/mvtu.h.j2", {})
    with pytest.raises(TemplateError, match="missing from the templates"):
        templating.static_text("none.txt")


def test_a_missing_package_is_named_with_the_extra_that_brings_it():
    with pytest.raises(
        ToolMissingError, match=r"drawing needs .*'no_such_package'.*pip install 'hbnn-hw\[rtl\]'"
    ):
        require("no_such_package", "rtl", "drawing")


def test_a_folder_is_written_whole_or_not_at_all(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        write_folder(tmp_path / "out", {"a": b"1", "a/b": b"2"})
    assert list(tmp_path.iterdir()) == []
    write_folder(tmp_path / "out", {"a": b"1", "deep/b": b"2"})
    assert (tmp_path / "out" / "deep" / "b").read_bytes() == b"2"
    with pytest.raises(OutputError, match="exists already"):
        write_folder(tmp_path / "out", {"a": b"3"})
    assert (tmp_path / "out" / "a").read_bytes() == b"1"


def test_a_file_is_replaced_in_one_step(tmp_path):
    replace_file(tmp_path / "new" / "file", b"one")
    replace_file(tmp_path / "new" / "file", b"two")
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "new").iterdir()] == [("file", b"two")]
