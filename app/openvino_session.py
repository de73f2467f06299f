"""A network on OpenVINO, which is not among the program's requirements: `pip install openvino`. On processors that have bfloat16
(AVX-512 BF16, AMX) it reckons in that by itself, 1.4 times as fast as ONNX Runtime; on others there is nothing to gain.
"""
from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import numpy as np

TELEMETRY = 'openvino_telemetry'  # a package of its own that calls home when OpenVINO is imported; OpenVINO does without


class OpenVinoSession:
    """What `Regressor` uses of an ONNX Runtime session. Graphs are made for one crop, as free sizes cost a third of the speed."""

    def __init__(self, graph: bytes, size: int, threads: int) -> None:
        """The ONNX file `graph`, for crops of `size` pixels. Raises ImportError if OpenVINO is not installed, RuntimeError if it cannot
        run the graph."""
        sys.modules.setdefault(TELEMETRY, None)
        openvino = importlib.import_module('openvino')
        core = openvino.Core()
        model = core.read_model(graph)
        model.reshape([1, 3, size, size])
        # threads that are tied to cores would get in the way of the other stages
        settings = {'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_NUM_THREADS': threads, 'ENABLE_CPU_PINNING': False}
        compiled = core.compile_model(model, 'CPU', settings)
        self._places = {name: i for i, output in enumerate(compiled.outputs) for name in output.get_names()}
        self._request = compiled.create_infer_request()

    def get_providers(self) -> list[str]:
        return ['OpenVINOExecutionProvider']

    def run(self, names: Sequence[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The named answers (B, ...) to `crop` (B, 3, S, S)."""
        answers: list[list[np.ndarray]] = [[] for _ in names]
        for crop in inputs['crop']:
            self._request.infer([crop[None]], share_inputs=True)
            for name, rows in zip(names, answers):
                rows.append(self._request.get_output_tensor(self._places[name]).data.copy())
        return [np.concatenate(rows) for rows in answers]
