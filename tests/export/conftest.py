"""Networks to export, made once."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch

from export.onnx_export import export_onnx
from models.hand_model import HandModel
from models.s2hand import S2Hand


@pytest.fixture(scope='session')
def lively() -> S2Hand:
    """A network whose answers vary strongly from crop to crop: poses far beyond what hands do."""
    torch.manual_seed(5)
    network = S2Hand('landmark', HandModel.load()).eval()
    with torch.no_grad():
        for block in network.encoder.modules():
            if isinstance(block, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(block.weight, mode='fan_in')
        network.decoder.pose_reg[2].weight.mul_(40)
        network.decoder.shape_reg[2].weight.mul_(40)
        network.decoder.rot_reg[3].weight.mul_(300)
    return network


@pytest.fixture(scope='session')
def exported(lively, tmp_path_factory) -> Path:
    """Its graph in float32."""
    path = tmp_path_factory.mktemp('export') / 'lively.onnx'
    export_onnx(lively, path, {'name': 'lively'})
    return path
