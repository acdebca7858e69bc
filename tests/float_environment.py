"""Changes the floating-point environment of the calling thread, as another library might.

Through the C library's <fenv.h>, so nothing is compiled. Rounding modes work wherever the
C library has fesetround; flush-to-zero needs the layout of fenv_t, known here for x86-64 and
AArch64 with glibc.
"""

import ctypes
import ctypes.util
import platform
import struct
import sys
from contextlib import contextmanager

MACHINE = platform.machine().lower()
X86 = MACHINE in ("x86_64", "amd64")
ROUNDING = {
    True: {"downward": 0x400, "upward": 0x800, "towards zero": 0xC00},
    False: {"upward": 0x400000, "downward": 0x800000, "towards zero": 0xC00000},
}[X86]
MODES = (*ROUNDING, "flush to zero")

# Offset of the control word in fenv_t, the bits that flush (x86: FTZ and DAZ; AArch64: FZ),
# and the bits that are sticky exception flags, which any arithmetic may set.
CONTROL_OFFSET, FLUSH_BITS, STATUS_BITS = (28, 0x8040, 0x3F) if X86 else (0, 1 << 24, 0)


def why_not():
    """The reason for which the environment cannot be changed here, or None."""
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return "changing the floating-point environment: only known for glibc on Linux"
    if not X86 and MACHINE != "aarch64":
        return f"changing the floating-point environment: not known for {MACHINE}"
    return None


def _libm():
    return ctypes.CDLL(ctypes.util.find_library("m") or "libm.so.6")


def control_word():
    """The control register (MXCSR or FPCR) of this thread, without exception flags."""
    buffer = ctypes.create_string_buffer(64)
    _libm().fegetenv(buffer)
    return struct.unpack_from("<I", buffer, CONTROL_OFFSET)[0] & ~STATUS_BITS


@contextmanager
def changed(mode):
    """Runs a block in one of MODES and puts the former environment back afterwards."""
    libm = _libm()
    former, edited = ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)
    libm.fegetenv(former)
    try:
        if mode in ROUNDING:
            assert libm.fesetround(ROUNDING[mode]) == 0
        else:
            libm.fegetenv(edited)
            word = struct.unpack_from("<I", edited, CONTROL_OFFSET)[0]
            struct.pack_into("<I", edited, CONTROL_OFFSET, word | FLUSH_BITS)
            libm.fesetenv(edited)
        yield control_word()
    finally:
        libm.fesetenv(former)
