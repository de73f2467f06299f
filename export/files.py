"""What exports read and write: a graph that was exported before, and whether a file can appear where a person wants it."""
from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

import onnx

from app.errors import InputError
from app.outputs.atomic import one_sentence
from app.regression import OUTPUTS, read_graph

HOW = 'export one with `python main.py export onnx`'


def check_target(out: Path) -> None:
    """Before minutes of work: make the folder of `out` and see that it can be written to. Raises InputError."""
    if out.exists() and not out.is_file():
        raise InputError(f'{out} is {"a folder" if out.is_dir() else "no ordinary file"}; --out names the file to write')
    with one_sentence(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=out.parent).close()


def read_exported(path: Path) -> tuple[bytes, onnx.ModelProto]:
    """A graph of this program, as the file has it and read. Raises InputError."""
    if not path.is_file():
        raise InputError(f'{path} is a folder; name the network in it' if path.is_dir() else f'there is no network {path}; {HOW}')
    data = read_graph(path)
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's exceptions share no public base
        raise InputError(f'{path} is not an ONNX file; {HOW}') from error
    metadata = properties(model)
    if {*OUTPUTS} - {value.name for value in model.graph.output} or 'hand_model' not in metadata or not metadata.get('size', '').isdigit():
        raise InputError(f'{path} is not an S2HAND network of this program; {HOW}')
    return data, model


def properties(model: onnx.ModelProto) -> dict[str, str]:
    """What a graph says of itself; its precision, if it does not say, is fp32."""
    return {'precision': 'fp32'} | {entry.key: entry.value for entry in model.metadata_props}
