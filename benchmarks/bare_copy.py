"""The least that copying a disk's data can take on this machine: nothing is decided, looked at or
laid out; as many threads as there are processors read it and write it to a new file."""

import concurrent.futures
import os
import time

PIECE = 1 << 20


def seconds(source, target, ranges):
    """`ranges`: (offset, length) of the source; they go to the same places of the target, which is
    removed again."""
    pieces = iter([(at, min(PIECE, start + length - at)) for start, length in ranges
                   for at in range(start, start + length, PIECE)])

    def work(descriptors):
        buffer = memoryview(bytearray(PIECE))
        for at, length in pieces:  # an iterator over a list gives each element to one thread
            done = os.preadv(descriptors[0], [buffer[:length]], at)
            os.pwrite(descriptors[1], buffer[:done], at)

    descriptors = (os.open(source, os.O_RDONLY),
                   os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        workers = len(os.sched_getaffinity(0))
        begin = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            for future in [pool.submit(work, descriptors) for _ in range(workers)]:
                future.result()
        return time.perf_counter() - begin
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
        os.unlink(target)
