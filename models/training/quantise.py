"""A first int8 file by the common tool, to know what the network's shape is worth on a processor.

Activations U8, weights S8 per channel, Q/DQ pairs around convolutions and around what lies between them; the tail after
the last convolutions stays float. Vedette's own quantiser is what ships; this one is only the measure.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

BODY = ("Conv", "Add", "Concat", "Resize", "MaxPool", "Relu")


class Pictures(CalibrationDataReader):
    """Feeds prepared inputs one by one."""

    def __init__(self, name: str, tensors: Iterable[np.ndarray]) -> None:
        self.name, self.tensors = name, iter(tensors)

    def get_next(self) -> dict[str, np.ndarray] | None:
        tensor = next(self.tensors, None)
        return None if tensor is None else {self.name: tensor}


def tail(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes from which no way leads on to a convolution: the float tail."""
    feeds: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            feeds.setdefault(name, []).append(node)
    before: set[str] = set()
    for node in reversed(model.graph.node):
        readers = [r for name in node.output for r in feeds.get(name, [])]
        if any(r.op_type == "Conv" or r.name in before for r in readers):
            before.add(node.name)
    return [n.name for n in model.graph.node if n.op_type != "Conv" and n.name not in before]


def quantise(source: Path, target: Path, tensors: Iterable[np.ndarray], percentile: float | None = None) -> None:
    """Writes `target`, calibrated on `tensors` ([1, 3, h, w] as the file takes them)."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
        model = onnx.load(ready)
        extra = {"ActivationSymmetric": False, "WeightSymmetric": True}
        method = CalibrationMethod.MinMax
        if percentile is not None:
            method = CalibrationMethod.Percentile
            extra |= {"CalibPercentile": percentile, "CalibNumBins": 2048}
        quantize_static(
            str(ready),
            str(target),
            Pictures(model.graph.input[0].name, tensors),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(BODY),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=tail(model),
            calibrate_method=method,
            extra_options=extra,
        )
    # The tool drops what the float file says about itself.
    facts, written = onnx.load(source), onnx.load(target)
    del written.metadata_props[:]
    written.metadata_props.extend(facts.metadata_props)
    onnx.save(written, target)
