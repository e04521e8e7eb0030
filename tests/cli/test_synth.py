"""hbnn-hw synth, end to end on a shipped network and on wrong requests."""

import json

import pytest

from tests.cli.conftest import MODELS


@pytest.fixture(scope="module")
def exported(hbnn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("synth") / "out"
    done = hbnn("export", MODELS / "digits_hbnn.pt", "-o", folder, "--backend", "rtl")
    assert done.code == 0, done.err
    return folder


@pytest.mark.synth
def test_an_exported_network_is_synthesized_unit_by_unit(hbnn, exported):
    done = hbnn("synth", exported, "--target", "ice40", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["target"] == "ice40"
    assert {"fc1", "fc2", ""} <= set(document["instances"])
    assert document["counts"]["LUT"] > 100
    assert document["longest_path"]["levels"] > 3
    assert "synthesizing again, unit by unit" in done.err
    assert not (exported / "synthesis.json").exists()  # the report shows 7-series alone


def test_what_cannot_be_done_is_refused_before_the_work(hbnn, exported):
    done = hbnn("synth", exported, "--place")
    assert done.code == 2
    assert "--place must go with '--target ecp5'" in done.err
    assert "synthesizing" not in done.err


def test_an_export_without_rtl_is_named(hbnn, tmp_path):
    folder = tmp_path / "out"
    assert hbnn("export", MODELS / "digits_hbnn.pt", "-o", folder, "--backend", "hls").code == 0
    done = hbnn("synth", folder)
    assert done.code == 2
    assert "must hold RTL in 'rtl/*.v'" in done.err
