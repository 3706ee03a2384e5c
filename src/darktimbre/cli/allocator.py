"""Tunes glibc's allocator for large tensors; called by the command line's entry before torch makes its first one."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt(3)
_LARGE = 1 << 30  # bytes
_OLD_LIMIT = 32 << 20  # bytes: what glibc before 2.35 accepts at most


def tune() -> bool:
    """Keeps freed tensors in the process instead of mapping and unmapping each one above 32 MB.

    Elementwise work on such tensors is otherwise bound by page faults: training steps take about twice as long. Costs
    some memory. Does nothing on systems without glibc.

    Returns:
        whether the allocator was tuned.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018 - its presence tells glibc from others, which have a mallopt of their own
        mallopt = libc.mallopt
    except (OSError, AttributeError, TypeError):
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    mapped = mallopt(_MMAP_THRESHOLD, _LARGE) or mallopt(_MMAP_THRESHOLD, _OLD_LIMIT)
    return bool(mapped and mallopt(_TRIM_THRESHOLD, 0x7FFFFFFF))
