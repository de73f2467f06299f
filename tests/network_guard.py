"""Runs a program that the kernel kills (SIGSYS) at its first socket other than AF_UNIX.

    python tests/network_guard.py COMMAND [ARGUMENT...]

A seccomp filter is inherited by every thread and child and cannot be lifted, so whatever language a library is written in, and
whether or not the machine has a network, a program that ends by itself under this guard has not so much as looked up a name: a
look-up needs a socket, too. Linux on x86-64 and 64-bit ARM; standard library only.
"""
from __future__ import annotations

import ctypes
import os
import platform
import socket
import sys

UNSUPPORTED = 77  # exit code when the kernel takes no filter
ARCHITECTURES = {'x86_64': (0xC000003E, 41), 'aarch64': (0xC00000B7, 198)}  # audit name of the instruction set, number of socket()
IO_URING_SETUP = 425  # another way to a socket, past the filter: said to be unknown, so that libraries use the plain one
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
KILL_PROCESS, ALLOW, ERRNO_ENOSYS = 0x80000000, 0x7FFF0000, 0x00050000 | 38
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # classic BPF: load a word, jump if equal, jump if >=, return
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in seccomp_data; both machines are little endian
X32_BIT = 0x40000000  # system calls of x86-64's 32-bit pointer mode, which have numbers of their own


class Instruction(ctypes.Structure):
    """One BPF instruction, `struct sock_filter`."""

    _fields_ = [('code', ctypes.c_uint16), ('if_true', ctypes.c_uint8), ('if_false', ctypes.c_uint8), ('k', ctypes.c_uint32)]


class Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = [('length', ctypes.c_uint16), ('instructions', ctypes.POINTER(Instruction))]


def install() -> bool:
    """Put the filter on this process for good; False if this kernel or machine takes none."""
    if platform.machine() not in ARCHITECTURES:
        return False
    architecture, socket_call = ARCHITECTURES[platform.machine()]
    code = [
        (LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, X32_BIT), (RETURN, 0, 0, KILL_PROCESS),
        (EQUAL, 0, 1, IO_URING_SETUP), (RETURN, 0, 0, ERRNO_ENOSYS),
        (EQUAL, 1, 0, socket_call), (RETURN, 0, 0, ALLOW),
        (LOAD, 0, 0, FIRST_ARGUMENT), (EQUAL, 1, 0, socket.AF_UNIX), (RETURN, 0, 0, KILL_PROCESS),
        (RETURN, 0, 0, ALLOW),
    ]
    program = Program(len(code), (Instruction * len(code))(*code))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong]
    if prctl(PR_SET_NO_NEW_PRIVS, 1, None, 0, 0):
        return False
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0


if __name__ == '__main__':
    if not install():
        sys.exit(UNSUPPORTED)
    os.execvp(sys.argv[1], sys.argv[1:])
