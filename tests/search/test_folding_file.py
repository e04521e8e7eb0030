"""Foldings travel through JSON, and what is wrong with a file is said by layer and field."""

import json

import pytest

from hbnn_hw.errors import FoldingError
from hbnn_hw.folding_file import folding_document, load_foldings, parse_foldings, with_foldings
from hbnn_hw.passes import FoldingRequest, LayerFolding, lower
from tests.graphs import random_mlp


def document(**layers):
    return json.dumps({"format": "hbnn_hw.folding", "version": 1, "layers": layers})


def test_what_an_export_writes_gives_the_same_network_again():
    source = random_mlp(3, (16, 8, 4))
    layers = {"fc1": LayerFolding(pe=4, simd=2), "fc2": LayerFolding(unroll=True, stages=5)}
    request = FoldingRequest(layers=layers)
    graph = lower(source, request)
    layers = parse_foldings(json.dumps(folding_document(graph)))
    assert layers == request.layers
    again = lower(source, with_foldings(FoldingRequest(), layers))
    assert folding_document(again) == folding_document(graph)


def test_a_layer_may_name_one_side_alone():
    assert parse_foldings(document(fc1={"pe": 4})) == {"fc1": LayerFolding(pe=4)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be JSON"),
        ("[" * 100_000, "must be JSON"),
        ("[]", '"format": "hbnn_hw.folding" and "version": 1'),
        ('{"format": "hbnn_hw.folding", "version": 2, "layers": {}}', '"version": 1'),
        ('{"format": "hbnn_hw.folding", "version": 1}', "'layers', which must be an object, not None"),
        ('{"format": "hbnn_hw.folding", "version": 1, "layers": {}, "pe": 1}', "not the field 'pe'"),
        (document(fc1=[4, 4]), "layer 'fc1' must be an object"),
        (document(fc1={"PE": 4}), "layer 'fc1': the fields are pe, simd, unroll, stages, not 'PE'"),
        (document(fc1={"pe": "4"}), "layer 'fc1': 'pe' must be a whole number from 1, not '4'"),
        (document(fc1={"simd": 0}), "layer 'fc1': 'simd' must be a whole number from 1, not 0"),
        (document(fc1={"pe": True}), "layer 'fc1': 'pe' must be a whole number from 1, not True"),
        (document(fc1={"pe": 2.0}), "not 2.0"),
        (
            document(fc1={"unroll": True, "stages": 0}),
            "layer 'fc1': 'stages' must be a whole number from 1, not 0",
        ),
        (document(fc1={"unroll": 1}), "layer 'fc1': 'unroll' must be true or false, not 1"),
        (document(fc1={"unroll": True, "pe": 2}), "'fc1' cannot be unrolled and have 'pe' or 'simd'"),
        (
            '{"format": "hbnn_hw.folding", "version": 1, "layers": {"fc1": {"pe": 2}, "fc1": {}}}',
            "'fc1' stands twice",
        ),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(FoldingError) as error:
        parse_foldings(text)
    assert message in str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(FoldingError, match=r"cannot read the foldings in '.*nothing.json'"):
        load_foldings(tmp_path / "nothing.json")
    path = tmp_path / "wrong.json"
    path.write_text(document(fc1={"pe": -1}))
    with pytest.raises(FoldingError, match=r"wrong.json': layer 'fc1': 'pe'"):
        load_foldings(path)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            {"fc1": LayerFolding(pe=7)},
            "layer 'fc1': PE must divide its 8 rows, not 7; legal values: 1, 2, 4, 8",
        ),
        (
            {"fc1": LayerFolding(simd=3)},
            "SIMD must divide its 16 columns, not 3; legal values: 1, 2, 4, 8, 16",
        ),
        (
            {"fc2": LayerFolding(pe=4, stages=3)},
            "layer 'fc2' is folded, and only an unrolled layer has stages",
        ),
        ({"fc9": LayerFolding(pe=1)}, "there is no layer 'fc9' to fold; the layers are fc1, fc2"),
    ],
)
def test_values_that_do_not_fit_the_network_name_the_legal_ones(layers, message):
    with pytest.raises(FoldingError) as error:
        lower(random_mlp(3, (16, 8, 4)), with_foldings(FoldingRequest(), layers))
    assert message in str(error.value)


def test_a_layer_stands_in_the_file_or_on_the_command_line():
    request = FoldingRequest(layers={"fc1": LayerFolding(pe=2)})
    with pytest.raises(FoldingError, match="'fc1' has a folding in the file and one on the command line"):
        with_foldings(request, {"fc1": LayerFolding(pe=2)})
