"""The training loop: one stage after the other, with running mean, schedule, mixed precision, several processes, and resuming."""
from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from app.errors import InputError
from models.s2hand import S2Hand
from training.batches import Batch, CropBatches, KeptBatches, Share, order
from training.board import Board
from training.config import Config, Stage
from training.objective import Objective
from training.run_state import Position, save_state
from training.validation import figures_of
from training.video_batches import VideoBatches
from training.video_sets import learns_from_clips

Batches = KeptBatches | CropBatches | VideoBatches
SHOWN_EVERY = 20  # steps between two lines of figures in TensorBoard


@dataclass
class Run:
    """What all stages of a run share."""

    config: Config
    network: S2Hand
    say: Callable[[str], None]
    board: Board
    save: Callable[[nn.Module], None]  # writes the checkpoint of the network it is given
    share: Share = Share()
    position: Position = field(default_factory=Position)
    resumed: dict[str, Any] | None = None  # parts of the state to go on from, taken by the first stage that runs

    @property
    def state_path(self) -> Path:
        return Path(self.config.out) / 'state.pt'

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device


class StageTraining:
    """One stage: optimiser, schedule and running mean around the network."""

    def __init__(self, run: Run, stage: Stage, train: Batches) -> None:
        self.run, self.stage, self.train = run, stage, train
        self.objective = Objective(run.network, stage)
        set_dropout(run.network, stage.dropout)
        groups = learning_parts(self.objective)
        self.optimiser = torch.optim.AdamW([{'params': group, 'lr': stage.learning_rate * rate} for group, rate in groups if group],
                                           weight_decay=stage.weight_decay)
        self.steps = max(1, len(order(len(train), stage.batch, (0,))))
        self.epochs = math.ceil(stage.steps / self.steps) if stage.steps else stage.epochs
        self.total = stage.steps or self.steps * stage.epochs
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, lambda step: rate_at(step / self.total, stage))
        self.scaler = torch.amp.GradScaler(run.device.type, enabled=stage.precision == 'fp16')
        self.mean = AveragedModel(run.network, multi_avg_fn=running_mean(stage.ema), use_buffers=True) if stage.ema else None
        self.learning = [p for group, _ in groups for p in group]
        self.wrapped: nn.Module = self.objective
        if run.share.world > 1:
            self.wrapped = DistributedDataParallel(self.objective, find_unused_parameters=True)
        if min(len(train), stage.batch) < 2 * run.share.world:
            raise InputError(f'stage {stage.name}: a batch needs two examples for each process; batch = {stage.batch}, and there are '
                             f'{len(train)} examples')
        if run.resumed:
            self.load(run.resumed)
        run.resumed = None

    @property
    def measured(self) -> S2Hand:
        """The network that is measured and saved: the running mean where there is one."""
        return self.mean.module if self.mean else self.run.network

    def parts(self) -> dict[str, Any]:
        """State dicts of everything that changes."""
        parts = {'network': self.run.network.state_dict(), 'optimiser': self.optimiser.state_dict(), 'schedule': self.schedule.state_dict(),
                 'scaler': self.scaler.state_dict()}
        return parts | ({'mean': self.mean.state_dict()} if self.mean else {})

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a saved state; one from between two stages has nothing of this stage but the generator of the dropout."""
        torch.set_rng_state(state['random'])
        if 'optimiser' not in state:
            return
        self.run.network.load_state_dict(state['network'])
        self.optimiser.load_state_dict(state['optimiser'])
        self.schedule.load_state_dict(state['schedule'])
        self.scaler.load_state_dict(state['scaler'])
        if self.mean:
            self.mean.load_state_dict(state['mean'])

    def keep_state(self) -> None:
        """Write the run's state, from the first process."""
        if self.run.share.rank == 0:
            save_state(self.run.state_path, self.run.config, self.run.position, self.parts())

    def step(self, batch: Batch) -> dict[str, float]:
        """One step; the terms. Raises FloatingPointError when the loss or its gradient is no number."""
        terms = self.wrapped({key: value.to(self.run.device, non_blocking=True) for key, value in batch.items()})
        total: Tensor = sum(terms.values())
        if not torch.isfinite(total):
            raise FloatingPointError(f'the term {", ".join(name for name, term in terms.items() if not torch.isfinite(term))}')
        self.optimiser.zero_grad()
        self.scaler.scale(total).backward()
        self.scaler.unscale_(self.optimiser)
        steepness = nn.utils.clip_grad_norm_(self.learning, self.stage.clip)
        if not self.scaler.is_enabled() and not torch.isfinite(steepness):  # in half precision the scaler leaves such steps out
            raise FloatingPointError('its gradient')
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.schedule.step()
        if self.mean:
            self.mean.update_parameters(self.run.network)
        return {name: float(term.detach()) for name, term in terms.items()}

    def epoch(self) -> dict[str, float]:
        """What is left of the epoch at the run's position; the means of the terms."""
        run, stage, at = self.run, self.stage, self.run.position
        parts = order(len(self.train), stage.batch, (run.config.seed, at.stage, at.epoch), run.share)[:self.total - at.epoch * self.steps]
        bar = tqdm(total=len(parts), initial=at.step, desc=f'{stage.name} {at.epoch + 1}/{self.epochs}', disable=run.share.rank > 0,
                   mininterval=1, unit='step')
        sums: dict[str, float] = {}
        saved, done = time.monotonic(), 0
        self.objective.train()
        freeze_norms(self.objective)
        for part, batch in zip(parts[at.step:], self.train.epoch(at.epoch, parts[at.step:])):
            try:
                terms = self.step(batch)
            except FloatingPointError as error:
                shown = ', '.join(self.train.name(int(index)) for index in part[:4])
                raise InputError(f'the loss became no number in stage {stage.name}, epoch {at.epoch + 1}, step {at.step + 1}, in '
                                 f'{error}; the batch begins with {shown}. Lower the learning rate or remove what is broken there; the '
                                 f'last good checkpoint lies in {run.config.out}') from error
            at.step, done = at.step + 1, done + 1
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value
            if done % SHOWN_EVERY == 0:
                run.board.terms(stage.name, at, len(parts), terms, self.schedule.get_last_lr()[0])
            bar.update()
            bar.set_postfix(loss=f'{sum(terms.values()):.3f}', refresh=False)
            if time.monotonic() - saved > 60 * run.config.save_minutes:
                self.keep_state()
                saved = time.monotonic()
        bar.close()
        return {name: value / max(done, 1) for name, value in sums.items()}

    def run_all(self, validation: dict[str, Batches]) -> None:
        """Every epoch that is left, with figures after each."""
        run, at = self.run, self.run.position
        try:
            while at.epoch < self.epochs:
                started = time.monotonic()
                terms = self.epoch()
                at.epoch, at.step = at.epoch + 1, 0
                if run.share.rank == 0:
                    self.report(terms, time.monotonic() - started, validation)
                    self.save()
                self.keep_state()
        except KeyboardInterrupt:
            self.keep_state()
            raise
        if self.mean:
            run.network.load_state_dict(self.mean.module.state_dict())

    def save(self) -> None:
        """Write the checkpoint. Raises InputError, and leaves the one before, if a weight is more than a checkpoint's numbers can say."""
        learned = [value for value in self.measured.state_dict().values() if value.is_floating_point()]
        if not all(torch.isfinite(value.half()).all() for value in learned):
            raise self.spoilt('weights')
        self.run.save(self.measured)

    def spoilt(self, what: str) -> InputError:
        """What is said of a network that learned too fast."""
        return InputError(f'{what} are no numbers any more, or huge ones, after epoch {self.run.position.epoch} of stage '
                          f'{self.stage.name}; lower the learning rate. The last good checkpoint, if there is one, lies in '
                          f'{self.run.config.out}')

    def report(self, terms: dict[str, float], seconds: float, validation: dict[str, Batches]) -> None:
        """A line, and what TensorBoard shows, after an epoch that took so many seconds; with figures when their turn has come.

        Raises InputError if the network's answers are no numbers."""
        run, at = self.run, self.run.position
        shown = ' '.join(f'{name} {value:.4f}' for name, value in terms.items())
        line = f'{self.stage.name} {at.epoch}/{self.epochs}, {seconds:.0f} s: {shown}'
        if at.epoch % run.config.measure_every and at.epoch < self.epochs:
            run.say(line)
            return
        figures = measure(self.measured, self.stage, validation, run.device)
        if not all(math.isfinite(value) for values in figures.values() for value in values.values()):
            raise self.spoilt('answers')
        run.board.figures(self.stage.name, at, figures)
        run.say(f'{line} | ' + '; '.join(f'{kind} ' + ' '.join(f'{k} {v:.2f}' for k, v in f.items()) for kind, f in figures.items()))
        run.board.panels(self.measured, at)


def measure(network: S2Hand, stage: Stage, validation: dict[str, Batches], device: torch.device) -> dict[str, dict[str, float]]:
    """Figures on each validation set."""
    objective = Objective(network, stage).to(device)
    was = network.training
    network.eval()
    figures = {}
    for name, batches in validation.items():
        numbers = torch.arange(len(batches)).numpy()
        parts = [numbers[i:i + 256] for i in range(0, len(numbers), 256)]
        figures[name] = figures_of(objective, ({k: v.to(device) for k, v in b.items()} for b in batches.epoch(0, parts)))
    network.train(was)
    return figures


def running_mean(decay: float) -> Callable[[list[Tensor], list[Tensor], int | Tensor], None]:
    """Of lists of tensors of one type: numbers are averaged, indices taken over. A mean of equal integers is cut off to one less."""
    average = get_ema_multi_avg_fn(decay)

    def update(mean: list[Tensor], now: list[Tensor], count: int | Tensor) -> None:
        if mean[0].is_floating_point():
            average(mean, now, count)
            return
        for kept, value in zip(mean, now):
            kept.copy_(value)
    return update


def rate_at(done: float, stage: Stage) -> float:
    """The learning rate at a part `done` (0..1) of the stage, over the stage's own."""
    if done < stage.warm_up:
        return max(done / stage.warm_up, 0.02)
    if stage.schedule == 'cosine':
        return 0.5 * (1 + math.cos(math.pi * min((done - stage.warm_up) / (1 - stage.warm_up), 1.0))) + 1e-4
    if stage.schedule == 'step':
        return stage.divide_by ** -sum(done >= milestone for milestone in stage.milestones)
    return 1.0


def learning_parts(objective: Objective) -> list[tuple[list[nn.Parameter], float]]:
    """Parameters that learn in this stage with their factor on the learning rate; all others are frozen.

    Raises InputError for a part that does not exist.
    """
    network, stage = objective.network, objective.stage
    unknown = set(stage.parts) - {'encoder', 'branch', 'decoder', 'texture'}
    if unknown or not stage.parts:
        raise InputError(f'stage {stage.name}: parts are encoder, branch, decoder and texture, not {", ".join(sorted(unknown)) or "none"}')
    branch = {id(p) for p in network.encoder.point_heads.parameters()}
    front = network.encoder.front_modules(objective.frozen)
    frozen = {id(p) for p in front.parameters()}
    parts = {
        'encoder': [p for p in network.encoder.parameters() if id(p) not in branch | frozen],
        'branch': list(network.encoder.point_heads.parameters()),
        'decoder': list(network.decoder.parameters()),
        'texture': list(network.texture_light_from_low.parameters()),
    }
    for name, parameters in parts.items():
        for parameter in parameters:
            parameter.requires_grad_(name in stage.parts)
    front.requires_grad_(False)
    return [(parts[name], stage.encoder_rate if name in ('encoder', 'branch') else 1.0) for name in parts if name in stage.parts]


def freeze_norms(objective: Objective) -> None:
    """Batch norms of parts that do not learn keep their statistics; with clips all do, because frames of a clip are alike."""
    network, stage = objective.network, objective.stage
    network.encoder.front_modules(objective.frozen).eval()
    still = {'encoder': network.encoder, 'decoder': network.decoder, 'texture': network.texture_light_from_low}
    for name, module in still.items():
        if name not in stage.parts:
            module.eval()
    if learns_from_clips(stage):
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def set_dropout(network: S2Hand, rate: float) -> None:
    """The regressor's dropout."""
    for part in network.decoder.base_layers:
        if isinstance(part, nn.Dropout):
            part.p = rate
