"""Makes `quantize.json`: what onnxruntime.quantization makes of a small network, per channel and in MinMax mode.

`python quantize.py` with the packages onnx and onnxruntime. The network and the calibration tensors follow from a formula
whose values are small multiples of 1/16, so that every sum is exact on every machine and in every order of addition;
`tests/it/quantize.rs` makes the same ones.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

SIDE = 16


def values(seed: int, *shape: int) -> np.ndarray:
    at = np.arange(np.prod(shape), dtype=np.int64)
    steps = (at * at * 7 + at * (31 + seed) + at // 13 * 3 + at // 7 + seed * 5) % 13 - 6
    channel = at // (at.size // shape[0])
    return (steps / 8 * np.array([1, 2, 0.5])[channel % 3]).astype(np.float32).reshape(shape)


def network() -> onnx.ModelProto:
    weights = {
        "stem.weight": values(1, 8, 3, 3, 3),
        "stem.bias": values(2, 8),
        "deep.weight": values(3, 8, 1, 3, 3),
        "deep.bias": values(4, 8),
        "wide.weight": values(5, 16, 8, 1, 1),
        "head.weight": values(6, 6, 24, 1, 1),
        "head.bias": values(7, 6),
    }
    node = helper.make_node
    nodes = [
        node("Conv", ["images", "stem.weight", "stem.bias"], ["stem"], "stem", pads=[1, 1, 1, 1]),
        node("Relu", ["stem"], ["rectified"], "relu"),
        node("Conv", ["rectified", "deep.weight", "deep.bias"], ["deep"], "deep", pads=[1, 1, 1, 1], group=8),
        node("Add", ["rectified", "deep"], ["sum"], "add"),
        node("MaxPool", ["sum"], ["pooled"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["pooled", "wide.weight"], ["wide"], "wide"),
        node("LeakyRelu", ["wide"], ["leaky"], "leaky", alpha=0.125),
        node("Concat", ["pooled", "leaky"], ["both"], "concat", axis=1),
        node("Conv", ["both", "head.weight", "head.bias"], ["output"], "head"),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 6, SIDE // 2, SIDE // 2])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


class Pictures(CalibrationDataReader):
    def __init__(self) -> None:
        self.left = [{"images": values(100 + seed, 1, 3, SIDE, SIDE)} for seed in range(6)]

    def get_next(self):
        return self.left.pop(0) if self.left else None


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(network(), source)
        quantize_static(
            source,
            target,
            Pictures(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=["head"],
            calibrate_method=CalibrationMethod.MinMax,
        )
        model = onnx.load(target)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    found = {"onnxruntime": onnxruntime.__version__, "tensors": {}, "weights": {}, "biases": {}}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            scale, zero = constants[node.input[1]], constants[node.input[2]]
            found["tensors"][node.input[0]] = {"scale": float(scale), "zero_point": int(zero)}
        elif node.op_type == "DequantizeLinear" and node.input[0] in constants:
            steps, scales = constants[node.input[0]], constants[node.input[1]]
            kind = "biases" if steps.dtype == np.int32 else "weights"
            name = node.input[0].removesuffix("_quantized")
            figures = {"scales": scales.ravel().tolist(), "steps": steps.ravel().tolist()}
            found[kind][name] = figures
    path = Path(__file__).with_suffix(".json")
    lines = ",\n".join(f' "{key}": {json.dumps(value)}' for key, value in found.items())
    path.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
