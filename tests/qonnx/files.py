"""QONNX files made by hand, node by node."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CUSTOM = ("Quant", "IntQuant", "BipolarQuant", "MultiThreshold")


class File:
    """An ONNX graph under construction; the first input of each node is the last output unless told."""

    def __init__(self, shape, datatype=None, opset=13):
        self.opset = opset
        self.shape, self.datatype = shape, datatype
        self.nodes, self.constants, self.last = [], [], "in"

    def constant(self, values, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def add(self, kind, *inputs, source=None, **attributes):
        """Add a node; numbers among the inputs become constants."""
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        output = f"{kind.lower()}{len(self.nodes)}"
        source = self.last if source is None else source
        domain = "qonnx.custom_op.general" if kind in CUSTOM else ""
        self.nodes.append(
            helper.make_node(
                kind,
                [source, *names] if source else names,
                [output],
                name=output,
                domain=domain,
                **attributes,
            )
        )
        self.last = output
        return output

    def quant(self, bits, scale=1.0, zero=0.0, signed=1, narrow=0, rounding="ROUND", **options):
        """Add a Quant node."""
        return self.add(
            "Quant", scale, zero, float(bits), signed=signed, narrow=narrow, rounding_mode=rounding, **options
        )

    def weights(self, values, bits, scale=1.0, zero=0.0, narrow=0, signed=1):
        """Add quantized weights; return the tensor's name."""
        last = self.last
        name = self.quant(
            bits, scale, zero, narrow=narrow, signed=signed, source=self.constant(values), rounding="ROUND"
        )
        self.last = last
        return name

    def model(self, batch=1, output=None):
        """Return the model, its output's shape unknown."""
        info = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            "made_by_hand",
            [info("in", TensorProto.FLOAT, (batch, *self.shape))],
            [info(output or self.last, TensorProto.FLOAT, None)],
            initializer=self.constants,
        )
        if self.datatype:
            entry = onnx.StringStringEntryProto(key="finn_datatype", value=self.datatype)
            graph.quantization_annotation.append(
                onnx.TensorAnnotation(tensor_name="in", quant_parameter_tensor_names=[entry])
            )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("qonnx.custom_op.general", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)

    def content(self, **options):
        """Return the file's bytes."""
        return self.model(**options).SerializeToString()
