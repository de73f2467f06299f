"""Every setting of a run does what its sentence says."""
from __future__ import annotations

import ast
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch

import training.config
from models.s2hand import S2Hand
from training.augment import Augment, Jitter
from training.config import Config, LossWeights, Stage
from training.loop import learning_parts, rate_at
from training.objective import Objective

FOLDER = Path(training.config.__file__).parent


@pytest.fixture(scope='module')
def network() -> S2Hand:
    torch.manual_seed(0)
    return S2Hand('resnet18-half').eval()


def batch_of(network: S2Hand, count: int = 3) -> dict[str, torch.Tensor]:
    """Noise with points, and everything known of it."""
    random = torch.Generator().manual_seed(1)

    def noise(*shape: int) -> torch.Tensor:
        return torch.rand(count, *shape, generator=random)
    ones = torch.ones(count)
    return {'crop': (255 * noise(3, network.size, network.size)).to(torch.uint8), 'points': 30 + 70 * noise(21, 2),
            'uncertainty': noise(21), 'depth': 20 * noise(21), 'depth_known': ones, 'rotation': torch.eye(3).repeat(count, 1, 1),
            'fingers': 0.3 * noise(15, 3), 'shape': noise(10), 'joints': 0.1 * noise(21, 3), 'trust': ones, 'exact': 0 * ones, 'hand': ones,
            'presence': ones, 'right': ones}


def nested(kind: type) -> set[type]:
    """`kind` and all dataclasses of settings inside it."""
    inside = {part for hint in get_type_hints(kind).values() for part in (hint, *get_args(hint)) if is_dataclass(part)}
    return {kind}.union(*(nested(part) for part in inside))


def test_no_setting_is_left_that_nothing_reads():
    used = set()
    for path in FOLDER.glob('*.py'):
        if path.name != 'config.py':
            tree = ast.parse(path.read_text())
            used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            used |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    unread = {f'{kind.__name__}.{field.name}' for kind in nested(Config) for field in fields(kind)} - {
        f'{kind.__name__}.{field.name}' for kind in nested(Config) for field in fields(kind) if field.name in used}
    assert not unread, f'nothing in training/ reads {", ".join(sorted(unread))}'
    assert {Augment, Jitter} < nested(Config), 'the settings of crops belong to those of a run'


def test_each_weight_multiplies_its_own_term(network):
    names = [field.name for field in fields(LossWeights)]
    ones, many = (LossWeights(**{name: float(weight) for name, weight in zip(names, weights)})
                  for weights in ([1] * len(names), range(2, 2 + len(names))))
    made = []
    for weights in (ones, many, LossWeights(**{name: 0.0 for name in names})):
        objective = Objective(network, Stage(parts=('encoder', 'branch', 'decoder', 'texture'), losses=weights, render_size=32)).eval()
        with torch.no_grad():
            made.append({name: float(term) for name, term in objective(batch_of(network)).items()})
    alone, multiplied, none = made
    assert set(alone) == set(names) and not none, f'{set(names) ^ set(alone)} have no term; {set(none)} are there with a weight of 0'
    wrong = [name for k, name in enumerate(names, 2) if multiplied[name] != pytest.approx(k * alone[name], rel=1e-4, abs=1e-9)]
    assert not wrong, f'{wrong} do not grow with their weights'
    silent = [name for name in names if not alone[name] > 0]
    assert set(silent) <= {'limits', 'scale', 'shape', 'pose'}, f'{silent} are 0, though nothing of noise is right'


def test_early_answers_and_rendered_examples_count_by_their_weights(network):
    def location(**settings: float) -> float:
        batch = batch_of(network)
        batch['exact'][0] = 1.0
        only = LossWeights(**{f.name: float(f.name == 'location') for f in fields(LossWeights)})
        with torch.no_grad():
            return float(Objective(network, Stage(losses=only, **settings)).eval()(batch)['location'])

    last, some, full = (location(early_weight=weight) for weight in (0.0, 0.5, 1.0))
    assert some == pytest.approx((last + full) / 2, rel=1e-5) and full > 1.5 * last > 0, f'{last:.4f}, {some:.4f}, {full:.4f}'
    none, once, twice = (location(rendered_weight=weight) for weight in (0.0, 1.0, 2.0))
    assert twice - once == pytest.approx(once - none, rel=1e-4) and none < once, f'{none:.4f}, {once:.4f}, {twice:.4f}'


def test_learning_rates_follow_their_schedules():
    cosine, step, flat = (Stage(schedule=name, warm_up=0.1, milestones=(0.5, 0.75), divide_by=4.0)
                          for name in ('cosine', 'step', 'constant'))
    for stage in (cosine, step, flat):
        assert rate_at(0.05, stage) == pytest.approx(0.5) and rate_at(0.0, stage) == 0.02, 'the rate rises evenly, from a fiftieth'
    assert [rate_at(done, cosine) for done in (0.1, 0.55, 1.0)] == pytest.approx([1, 0.5, 0], abs=2e-4)
    assert [rate_at(done, step) for done in (0.3, 0.5, 0.74, 0.75, 1.0)] == [1, 0.25, 0.25, 1 / 16, 1 / 16]
    assert [rate_at(done, flat) for done in (0.1, 0.9)] == [1, 1]


def test_only_the_named_parts_learn_and_the_encoder_at_its_own_rate(network):
    stage = Stage(parts=('encoder', 'decoder'), encoder_rate=0.5, frozen_blocks=3)
    learning = learning_parts(Objective(network, stage))
    assert [rate for _, rate in learning] == [0.5, 1.0]
    frozen = {id(p) for p in network.encoder.front_modules(3).parameters()} | {id(p) for p in network.encoder.point_heads.parameters()}
    frozen |= {id(p) for p in network.texture_light_from_low.parameters()}
    for name, parameter in network.named_parameters():
        assert parameter.requires_grad == (id(parameter) not in frozen), f'{name} {"learns" if parameter.requires_grad else "is frozen"}'
    given = {id(p) for part, _ in learning for p in part}
    assert given == {id(p) for p in network.parameters() if p.requires_grad}, 'the optimiser has what learns, and nothing else'
    network.requires_grad_(True)


def test_another_draw_or_other_crops_are_kept_in_another_file(tmp_path, network, monkeypatch):
    from training import kept
    from training.config import Data
    from training.crops import Crops
    asked = []
    monkeypatch.setattr(kept, 'kept_at', lambda path, *rest: asked.append(path.name))
    usual = Data()
    others = replace(usual, jitter=Jitter(10.0)), replace(usual, augment=Augment.none())
    for data, draw in ((usual, 0), (usual, 0), (usual, 1), *((other, 0) for other in others)):
        kept.keep(Crops([], [], None, network.size, 10, 1, data), network.encoder, 2, tmp_path, 'made', 0, draw)
    assert asked[0] == asked[1] and len(set(asked)) == 4, asked
    assert np.all([name.startswith('kept-made-') for name in asked])
