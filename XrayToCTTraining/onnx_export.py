"""Networks as ONNX files, for runtimes other than PyTorch."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from XrayToCTLib.atomic_write import replacing
from XrayToCTLib.marking import SYNTHETIC_NOTICE

OPSET = 17


def export_onnx(
    network: nn.Module, examples: tuple[Tensor, ...], names: tuple[str, ...], path: Path, metadata: Mapping[str, Any]
) -> None:
    """Writes a network in evaluation mode, whole or not at all, for any number of cases.

    Args:
        examples: inputs (N, ...) of the sizes that the file will take. names: of the inputs, then of the output.
        metadata: JSON values under the key ``xraytoct`` of the file, beside the notice ``notice``.
    """
    network.eval()
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it is one operator, which ONNX does not know
    try:
        with replacing(path, ".onnx") as temporary:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the exporter's remarks on itself
                torch.onnx.export(
                    network,
                    examples,
                    str(temporary),
                    input_names=list(names[:-1]),
                    output_names=[names[-1]],
                    dynamic_axes={name: {0: "batch"} for name in names},
                    opset_version=OPSET,
                    dynamo=False,  # the newer exporter needs one more package and knows no in-place operators
                )
            model = onnx.load(str(temporary))
            text = {"notice": SYNTHETIC_NOTICE, "xraytoct": json.dumps(metadata, sort_keys=True)}
            onnx.helper.set_model_props(model, text)
            onnx.checker.check_model(model)
            onnx.save(model, str(temporary))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
