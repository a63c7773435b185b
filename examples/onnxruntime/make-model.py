"""Writes distance.onnx, the Euclidean distance of two batches of embeddings: pip install onnx && python3 make-model.py"""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

shape = ["pairs", "dimensions"]
graph = helper.make_graph(
    nodes=[
        helper.make_node("Sub", ["left", "right"], ["difference"]),
        helper.make_node("ReduceL2", ["difference"], ["distance"], axes=[1], keepdims=0),
    ],
    name="distance",
    inputs=[helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ["left", "right"]],
    outputs=[helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["pairs"])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
Path(__file__).with_name("distance.onnx").write_bytes(model.SerializeToString())
