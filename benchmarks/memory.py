"""Memory that is at hand when something is measured."""

import mmap
import os


def fetch(length):
    """A virtual machine may give its unused memory back; then whoever runs next waits for it to come
    again, and not for the work that is measured. So much is used for a moment, in large pages: for
    some time after that it is there."""
    if length == 0:
        return
    child = os.fork()
    if child == 0:
        madv_populate_write = 23  # madvise(2)
        try:
            used = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            used.madvise(mmap.MADV_HUGEPAGE)
            used.madvise(madv_populate_write)
        except (OSError, ValueError):  # too little memory, or an older kernel: as it comes
            pass
        os._exit(0)
    os.waitpid(child, 0)
