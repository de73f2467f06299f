"""One shape for a person: the shape head alone learns it first, from what the rest of the network already sees.

What changes from frame to frame in the shapes is noise: a single picture hardly tells a hand's proportions (on rendered hands the shapes
are worth 1 % of the error of the bones' lengths). With f(x) the shape head's answer to the numbers x that it reads, and y_i the mean of the
shapes that the network gave to all crops of the person in still i, what is made small is

    mean over stills of a_i |f(x_i) - y_i|^2  +  steady * mean over groups of |f(x_j) - mean of f over the group|^2

a_i is 1 for photographs and `EXACT` for rendered ones, whose answers were learned from the truth; a group are crops of one person, from
anywhere in the person's clips or stills. The first term keeps people apart, the second takes out what differs within one person. Nothing
else moves, and the head is small, so that hundreds of steps take seconds. The corrections no longer touch the shape.

The head needs both of its layers for this: with the last alone, which would be a ridge regression, shapes of all photographs went towards
those of the rendered hands, and points in photographs were 5 % worse instead of 2 %.
"""
from __future__ import annotations

import numpy as np
import torch

from models.s2hand import GeometryHead, S2Hand
from training.video_batches import groups_of
from training.video_first import Look, mean_of
from training.video_losses import same_shape

EXACT = 3.0
STEPS, RATE = 700, 1e-3
STILLS, GROUPS, SHOWN = 192, 24, 6  # in a step: stills of each kind; groups of each kind; crops in a group


def settled_shape(network: S2Hand, looks: list[Look], persons: list[np.ndarray], exact: list[np.ndarray], steady: float,
                  seed: int) -> list[np.ndarray]:
    """Settle the network's shape head by what it said of stills and, if there are any, frames of clips, each with the names (n,) of the
    persons and whether they are rendered (n,) bool; of each set the mean shapes (n, S) of its persons by the new head."""
    head, random = network.decoder.shape_reg, np.random.default_rng((seed, 7))
    device = next(head.parameters()).device
    inside = [torch.from_numpy(look.inside).to(device) for look in looks]
    wanted = torch.from_numpy(mean_of(looks[0].shape, persons[0])).to(device)
    kinds = [rows for rows in (np.flatnonzero(exact[0] == kind) for kind in (False, True)) if len(rows)]
    groups = [(part, found) for part, found in all_groups(persons, exact) if found]
    free_of_corrections(network.decoder)
    optimiser = torch.optim.Adam(head.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    learning = [parameter.requires_grad for parameter in head.parameters()]
    head.requires_grad_(True)
    for _ in range(STEPS):
        rows = np.concatenate([random.choice(of_kind, STILLS) for of_kind in kinds])
        counts = torch.from_numpy(np.where(exact[0][rows], EXACT, 1.0)).to(inside[0])
        loss = (counts * (head(inside[0][rows]) - wanted[rows]).square().mean(1)).mean()
        for part, found in groups:
            chosen = np.stack([random.choice(found[k], SHOWN) for k in random.integers(0, len(found), GROUPS)])
            shapes = head(inside[part][chosen.ravel()]).unflatten(0, chosen.shape)
            loss = loss + steady / len(groups) * same_shape(shapes, torch.ones_like(shapes[..., 0])).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    for parameter, was in zip(head.parameters(), learning):
        parameter.requires_grad_(was)
        parameter.grad = None
    with torch.no_grad():
        return [mean_of(head(values).cpu().numpy(), names) for values, names in zip(inside, persons)]


def all_groups(persons: list[np.ndarray], exact: list[np.ndarray]) -> list[tuple[int, list[np.ndarray]]]:
    """Of each set the rows of persons who are there more than once: first of those photographed, then of those rendered, each with the
    set's number."""
    groups = []
    for part, (names, rendered) in enumerate(zip(persons, exact)):
        found = [rows for rows in groups_of(names.astype(str)) if len(rows) > 1]
        groups += [(part, [rows for rows in found if rendered[rows[0]] == kind]) for kind in (False, True)]
    return groups


def free_of_corrections(head: GeometryHead) -> None:
    """Take the shape out of the corrections."""
    first = head.sizes[0]
    own, last = slice(first, first + head.sizes[1]), head.correction[-1]
    with torch.no_grad():
        last.weight[own] = 0
        last.bias[own] = 0
