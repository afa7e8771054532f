"""Memory that stays at hand while something is measured."""

import mmap
import os

PAGE = mmap.PAGESIZE
# Blocks of memory that a virtual machine gives back are larger than this (2 MiB and more).
TOOTH = 128 * PAGE


def comb(length):
    """Memory of which one page in each TOOTH is held and the rest is unused: as no large piece of it
    is unused, it is not given back."""
    madv_nohugepage, madv_populate_write = 15, 23  # madvise(2)
    held = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        held.madvise(madv_nohugepage)
        held.madvise(madv_populate_write)
        for at in range(0, length, TOOTH):
            held.madvise(mmap.MADV_DONTNEED, at + PAGE, min(TOOTH, length - at) - PAGE)
    except OSError:  # an older kernel: as it comes
        pass
    return held


def hold(commands, done):
    """Does what the file `commands` says, and tells so on `done`, until that file ends."""
    held = None
    while command := os.read(commands, 9):
        if held is not None:
            held.close()
            held = None
        length = int.from_bytes(command[1:], "little")
        if length:
            try:
                held = comb(length)
            except (OSError, ValueError):  # too little memory: as it comes
                pass
        os.write(done, b".")


class Holder:
    """A virtual machine may give its unused memory back; then whoever runs next waits for it to come
    again, and not for the work that is measured. A process that is no child of this one, whose memory
    and children are counted, keeps as much as targets take from that, and lets go of it when this one
    ends."""

    def __init__(self):
        commands, self.commands = os.pipe()
        self.done, done = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(self.commands)
            os.close(self.done)
            if os.fork() == 0:
                os.setsid()
                hold(commands, done)
            os._exit(0)
        os.waitpid(child, 0)
        os.close(commands)
        os.close(done)

    def keep(self, length):
        """From now on; 0: none. After the inputs were made, which would take it."""
        os.write(self.commands, b"K" + length.to_bytes(8, "little"))
        os.read(self.done, 1)
