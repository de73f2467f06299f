"""The page of pictures: the best, the middle and the worst of each set, with the figure on each."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from app.crop import cut, to_crop
from models.hand_model import HandModel
from models.s2hand import S2HandOutput
from training.evaluation_answers import Network
from training.evaluation_figures import Rows
from training.evaluation_sets import EvaluationSet, Sample
from training.panels import contact_sheet, panel

RANKED = ('pa_mpjpe_mm', 'PA-MPJPE', 'mm'), ('error_2d_percent', '2D', '% of the hand')  # the first that a set has ranks its pictures
NAME_LENGTH = 22


def ranks(values: np.ndarray, each: int) -> list[tuple[str, int]]:
    """The `each` best, middle and worst of values (n,), NaN left out, each row once: (what it is, its index)."""
    order = np.argsort(values)[:int(np.isfinite(values).sum())]
    middle = max(0, (len(order) - each) // 2)
    kinds = ('best', order[:each]), ('median', order[middle:middle + each]), ('worst', order[max(0, len(order) - each):])
    chosen = [(name, i) for name, part in kinds for i in part]
    return list({int(i): (name, int(i)) for name, i in chosen}.values())


def row_of(sample: Sample, network: Network, hand: HandModel) -> np.ndarray:
    """The panel of one sample."""
    crop = sample.right_crop(network.size)
    image = cut(sample.right_image(), crop)
    output = S2HandOutput(**{name: torch.from_numpy(value) for name, value in network(image[None]).items()})
    points = np.where(sample.seen[:, None], to_crop(sample.to_right(sample.points), crop), np.nan)
    return panel(image, output, 0, hand, points)


def set_sheet(chosen: EvaluationSet, rows: Rows, network: Network, hand: HandModel, each: int) -> np.ndarray | None:
    """The sheet of one set, (H, W, 3) uint8; None if there is no figure to rank its pictures by."""
    figure = next((f for f in RANKED if f[0] in rows.values), None)
    if figure is None:
        return None
    key, name, unit = figure
    values = rows.values[key]
    pictures, captions = [], []
    for what, i in ranks(values, each):
        sample = chosen.samples[i]
        pictures.append(row_of(sample, network, hand))
        captions.append('\n'.join([what, f'{values[i]:.1f} {unit}', *shortened(sample)]))
    kept = values[np.isfinite(values)]
    title = f'{chosen.name}: {name} of the network alone, mean {kept.mean():.2f} {unit} over {len(kept)} pictures'
    return contact_sheet(pictures, captions, title)


def shortened(sample: Sample) -> list[str]:
    """Lines that name a sample: its source, the end of its name, its side."""
    tail = sample.name.rsplit('/', 1)[-1]
    return [sample.source[:NAME_LENGTH], tail if len(tail) <= NAME_LENGTH else f'...{tail[3 - NAME_LENGTH:]}', f'{sample.side} hand'
            + (', mirrored' if sample.side == 'left' else '')]


def page(sheets: Sequence[np.ndarray]) -> np.ndarray:
    """Sheets under each other, as wide as the widest."""
    width = max(sheet.shape[1] for sheet in sheets)
    return np.concatenate([np.pad(sheet, ((0, 0), (0, width - sheet.shape[1]), (0, 0)), constant_values=250) for sheet in sheets])
