"""Writes embedding.onnx, embeddings of length 1 by a linear map: pip install onnx && python3 make-model.py"""

from math import sin
from pathlib import Path

import onnx
from onnx import TensorProto, helper

features, dimensions = 32, 16
weights = [sin(7 * i * i) for i in range(features * dimensions)]
graph = helper.make_graph(
    nodes=[
        helper.make_node("MatMul", ["item", "weights"], ["mapped"]),
        helper.make_node("LpNormalization", ["mapped"], ["embedding"], axis=1, p=2),
    ],
    name="embedding",
    inputs=[helper.make_tensor_value_info("item", TensorProto.FLOAT, ["items", features])],
    outputs=[helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["items", dimensions])],
    initializer=[helper.make_tensor("weights", TensorProto.FLOAT, [features, dimensions], weights)],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
Path(__file__).with_name("embedding.onnx").write_bytes(model.SerializeToString())
