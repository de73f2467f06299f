"""The CRC-32 of two pieces of data one after the other, out of the CRC-32 of each: the first may change when the second is long gone."""
from __future__ import annotations

POLYNOMIAL = 0xEDB88320


def combined_crc(first: int, second: int, length: int) -> int:
    """CRC-32 (as `zlib.crc32`) of the whole; `length` is that of the second piece, bytes.

    A CRC is linear over bits, so that `length` zero bytes act on it as a 32 x 32 matrix, which is made by repeated squaring.
    """
    one_bit = [POLYNOMIAL] + [1 << n for n in range(31)]  # what one zero bit does to each bit
    zeros = _squared(_squared(_squared(one_bit)))  # one zero byte
    while length:
        if length & 1:
            first = _times(zeros, first)
        zeros = _squared(zeros)
        length >>= 1
    return first ^ second


def _times(matrix: list[int], vector: int) -> int:
    total, row = 0, 0
    while vector:
        if vector & 1:
            total ^= matrix[row]
        vector >>= 1
        row += 1
    return total


def _squared(matrix: list[int]) -> list[int]:
    return [_times(matrix, column) for column in matrix]
