"""Frozen blocks worked out once: their answers are kept in a file and learned from, so that only the rest of the encoder runs.

An epoch then costs a third (first blocks frozen) or a hundredth (all frozen) of what it costs with everything running; the price is that
each crop is drawn once and not anew in every epoch.
"""
from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from app.errors import InputError
from app.outputs.atomic import whole_file
from models.encoder import Encoder
from training.crops import Crops, Place, collate
from training.examples import Row

BATCH = 32


class Kept:
    """Answers of frozen blocks, mapped from disk, and what is known of the examples."""

    def __init__(self, answers: np.ndarray, rows: Row) -> None:
        self.answers, self.rows = answers, rows

    def __len__(self) -> int:
        return len(self.answers)

    def batch(self, indices: np.ndarray) -> dict[str, torch.Tensor]:
        """Chosen examples: `kept` float32 and the rows' arrays."""
        order = np.sort(indices)
        rows = {key: torch.from_numpy(value[order]) for key, value in self.rows.items()}
        return {'kept': torch.from_numpy(np.asarray(self.answers[order], np.float32)), **rows}


def keep(crops: Crops, encoder: Encoder, blocks: int, folder: Path, what: str, workers: int, draw: int = 0, rough: bool = False) -> Kept:
    """The answers of the encoder's first `blocks` blocks for all crops, from `folder` if they are there. `what` names them; another `draw`
    draws other crops. `rough`: in bfloat16, up to 0.4 % off, where the processor is faster with it: good enough to learn from, not to
    measure with.

    They depend on where the crops are cut and on the frozen blocks, not on what is known of the hands, which is worked out anew.
    """
    data = crops.data
    drawn = (data.crops_per_picture, data.jitter, data.augment, data.flipped, data.empty) if data else None
    kind = torch.bfloat16 if rough and has_bfloat16(encoder) else torch.float32
    digest = hashlib.sha256(f'{blocks} {len(crops)} {crops.seed} {drawn} {crops.size} {draw} {kind}'.encode())
    feed(digest, encoder.front_modules(blocks))
    for picture, subject in zip(crops.pictures, crops.subjects):
        digest.update(picture.path.name.encode() + np.float32(subject.points).tobytes())
    if crops.rendered:
        digest.update(np.float32(crops.rendered.rows['points']).tobytes())
    return kept_at(folder / f'kept-{what}-{digest.hexdigest()[:16]}.npy', crops, encoder, blocks, what, workers, draw, kind)


def has_bfloat16(module: nn.Module) -> bool:
    """Whether the module's device reckons faster in bfloat16 than in float32."""
    return next(module.parameters()).device.type == 'cuda' or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def feed(digest, module: nn.Module) -> None:
    """Feed a module's weights to a hash."""
    for name, value in module.state_dict().items():
        digest.update(name.encode() + (value.cpu() + 0).numpy().tobytes())  # + 0: a running mean turns -0 into 0


def kept_at(path: Path, crops: Dataset, encoder: Encoder, blocks: int, what: str, workers: int, draw: int,
            kind: torch.dtype = torch.float32) -> Kept:
    """The answers in the file `path`, worked out into it if it is not there, and the crops' rows."""
    if not path.exists():
        write(crops, encoder, blocks, path, what, workers, draw, kind)
    rows = [crops.row(Place(draw, index)) for index in range(len(crops))]
    return Kept(np.load(path, mmap_mode='r'), {key: np.stack([row[key] for row in rows]) for key in rows[0]})


@torch.inference_mode()
def write(crops: Dataset, encoder: Encoder, blocks: int, path: Path, what: str, workers: int, draw: int,
          kind: torch.dtype = torch.float32) -> None:
    """Work the answers out into the file `path` (.npy), batch by batch: writing into a file that is mapped ends the process where the disk
    is full. Raises InputError for that, and for a picture that cannot be read."""
    places = [Place(draw, index) for index in range(len(crops))]
    encoder.eval()
    device, form = next(encoder.parameters()).device, np.lib.format
    with whole_file(path) as file, tqdm(total=-(-len(places) // BATCH), desc=f'frozen blocks, {what}', unit='batch') as bar:
        for batch in loaded(crops, workers, batch_size=BATCH, sampler=places):
            images = batch['crop'].to(device).float().div(255).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, kind, enabled=kind != torch.float32):
                made = encoder.front(images, blocks)
            made = made.float().cpu().numpy().astype(np.float16)
            if not bar.n:
                header = {'descr': form.dtype_to_descr(made.dtype), 'fortran_order': False, 'shape': (len(places), *made.shape[1:])}
                form.write_array_header_1_0(file, header)
            file.write(made.tobytes())
            bar.update()


class Readable(Dataset):
    """Crops, of which one that cannot be read is its InputError: raised in another process it would come back as a text with a traceback."""

    def __init__(self, crops: Dataset) -> None:
        self.crops = crops

    def __getitem__(self, place: Place) -> tuple | InputError:
        try:
            return self.crops[place]
        except InputError as error:
            return error


def batch_of(examples: list[tuple | InputError]) -> dict[str, torch.Tensor] | InputError:
    """Examples as a batch, or the first that could not be read."""
    return next((example for example in examples if isinstance(example, InputError)), None) or collate(examples)


def loaded(crops: Dataset, workers: int, **order: object) -> Iterator[dict[str, torch.Tensor]]:
    """Batches of crops in the order that the loader is told, cut by so many processes. Raises InputError for what cannot be read."""
    own = torch.Generator().manual_seed(0)  # else the loader draws from the generator of the dropout, and a resumed run would differ
    before = ended_children()
    batches = iter(DataLoader(Readable(crops), num_workers=workers, collate_fn=batch_of, worker_init_fn=one_thread, generator=own, **order))
    if ended_children() is not before:  # torch's own, which stays: subprocesses that end later crash Python 3.11 with it
        signal.signal(signal.SIGCHLD, before)
    for batch in batches:
        if isinstance(batch, InputError):
            raise batch
        yield batch


def ended_children() -> object:
    """What is called when a process that this one started ends; Windows knows nothing like it."""
    return signal.getsignal(signal.SIGCHLD) if hasattr(signal, 'SIGCHLD') else None


def one_thread(worker: int) -> None:
    """In a worker: OpenCV and torch must not start threads beside those of the training."""
    import cv2
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
