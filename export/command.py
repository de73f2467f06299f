"""`python main.py export onnx | int8 | tensorrt`: what a checkpoint becomes."""
from __future__ import annotations

import argparse

from export import int8, onnx_export, tensorrt_engine

FORMATS = {  # name: (what adds its options, what runs it, what it does)
    'onnx': (onnx_export.add_options, onnx_export.run, 'a checkpoint as the ONNX file that the program runs, fp32 or fp16'),
    'int8': (int8.add_arguments, int8.run, 'an ONNX file in eight bits, measured on pictures; refused where hands get worse'),
    'tensorrt': (tensorrt_engine.add_arguments, tensorrt_engine.run, 'a TensorRT engine, for the GPU here or for named ones'),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    formats = parser.add_subparsers(dest='format', required=True, metavar='FORMAT')
    for name, (add, run_format, purpose) in FORMATS.items():
        part = formats.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + '.',
                                  formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        add(part)
        part.set_defaults(run_format=run_format)


def run(options: argparse.Namespace) -> int:
    return options.run_format(options)
