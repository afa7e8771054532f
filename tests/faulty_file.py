"""A file whose calls fail as a test wants: a file system of one file, served by the test itself.

    with FaultyFile(t, image, lambda call: errno.EIO if call.kind == "write" and not call.offset else 0) as file:
        outcome = t.instar("resize", file.path, "4M")
    file.calls      # what was asked of it, in order
    image           # a pathlib.Path: what became of the content

What is written is in `image` at once: to fail a flush alone shows a disk that has taken the writes. The
kernel hands writes through as they are made, and reads with `direct`, which leaves its cache out. (Linux 6.18
then forgets the flush of a write with RWF_DSYNC.) It needs root and /dev/fuse; a case is skipped without them. The messages are those of linux/fuse.h.
"""

import ctypes
import dataclasses
import errno
import os
import stat
import struct
import threading

from harness import Skip

(LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, FLUSH, INIT, INTERRUPT, BATCH_FORGET,
 FALLOCATE) = (1, 2, 3, 4, 14, 15, 16, 17, 18, 20, 25, 26, 36, 42, 43)
SILENT = (FORGET, BATCH_FORGET, INTERRUPT)
SIZE_IS_SET = 1 << 3  # FATTR_SIZE
DIRECT_IO = 1  # FOPEN_DIRECT_IO
DETACH = 2  # MNT_DETACH
ROOT, FILE = 1, 2
NAME = b"image"
MOST_BYTES = 1 << 17  # of one write


@dataclasses.dataclass(frozen=True)
class Call:
    kind: str  # read, write, flush, resize, allocate (also punches holes)
    offset: int = 0  # resize: the new length
    length: int = 0
    number: int = 0  # how many of its kind came before
    data: bytes = b""  # of a write


class FaultyFile:
    """`fault(call)`: the errno with which a call fails, or 0. `answer(call, data)`: what a read gives in
    place of `data`."""

    def __init__(self, t, image, fault=lambda call: 0, answer=lambda call, data: data, direct=False):
        self.image = image
        self.fault = fault
        self.answer = answer
        self.calls = []
        self.open_flags = DIRECT_IO if direct else 0
        self.folder = t.dir / "disk"
        self.path = self.folder / NAME.decode()

    def __enter__(self):
        if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
            raise Skip("a file system of the test's own needs root and /dev/fuse")
        self.folder.mkdir(exist_ok=True)
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.device},rootmode=40000,user_id=0,group_id=0,max_read={MOST_BYTES}".encode()
        if self.libc.mount(b"faulty", bytes(self.folder), b"fuse", 0, options) != 0:
            os.close(self.device)
            raise Skip("a file system of the test's own cannot be mounted: " +
                       os.strerror(ctypes.get_errno()))
        self.content = os.open(self.image, os.O_RDWR | os.O_CLOEXEC)
        self.server = threading.Thread(target=self.serve, daemon=True)
        self.server.start()
        return self

    def __exit__(self, *exception):
        self.libc.umount2(bytes(self.folder), DETACH)
        self.server.join()
        os.close(self.content)
        os.close(self.device)

    def serve(self):
        while True:
            try:
                message = os.read(self.device, MOST_BYTES + 4096)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                    continue
                return  # ENODEV: it is no longer mounted
            _, operation, unique, node = struct.unpack_from("<IIQQ", message)
            if operation in SILENT:
                continue
            try:
                reply, error = self.carry_out(operation, node, message[40:]), 0
            except OSError as failed:
                reply, error = b"", failed.errno
            try:
                os.write(self.device, struct.pack("<IiQ", 16 + len(reply), -error, unique) + reply)
            except OSError:
                pass  # whoever asked is gone

    def carry_out(self, operation, node, body):
        if operation == INIT:
            return struct.pack("<4I2HI4x2HI28x", 7, 31, 0, 0, 16, 12, MOST_BYTES, 0, 0, 0)
        if operation == LOOKUP:
            if body.rstrip(b"\0") != NAME:
                raise OSError(errno.ENOENT, "no such file")
            return struct.pack("<4Q2I", FILE, 0, 0, 0, 0, 0) + self.attributes(FILE)
        if operation == GETATTR:
            return bytes(16) + self.attributes(node)
        if operation == SETATTR:
            valid, _, size = struct.unpack_from("<Q2Q", body)
            if valid & SIZE_IS_SET:
                self.note("resize", size)
                os.ftruncate(self.content, size)
            return bytes(16) + self.attributes(node)
        if operation == OPEN:
            return struct.pack("<QII", 0, self.open_flags, 0)
        if operation == READ:
            _, offset, length = struct.unpack_from("<QQI", body)
            call = self.note("read", offset, length)
            return self.answer(call, os.pread(self.content, length, offset))
        if operation == WRITE:
            _, offset, length = struct.unpack_from("<QQI", body)
            call = self.note("write", offset, length, body[40:40 + length])
            return struct.pack("<I4x", os.pwrite(self.content, call.data, offset))
        if operation == FSYNC:
            self.note("flush")
            return b""
        if operation == FALLOCATE:
            _, offset, length, mode = struct.unpack_from("<3QI", body)
            self.note("allocate", offset, length)
            if self.libc.fallocate(self.content, mode, ctypes.c_long(offset), ctypes.c_long(length)) != 0:
                raise OSError(ctypes.get_errno(), "fallocate")
            return b""
        if operation in (RELEASE, FLUSH):
            return b""
        if operation == STATFS:
            return struct.pack("<5Q4I24x", 1 << 20, 1 << 20, 1 << 20, 8, 8, 4096, 255, 4096, 0)
        raise OSError(errno.ENOSYS, "not implemented")

    def note(self, kind, offset=0, length=0, data=b""):
        call = Call(kind, offset, length, sum(other.kind == kind for other in self.calls), data)
        self.calls.append(call)
        if error := self.fault(call):
            raise OSError(error, "as the test wants")
        return call

    def attributes(self, node):
        is_root = node == ROOT
        status = os.fstat(self.content)
        return struct.pack("<6Q10I", node, 0 if is_root else status.st_size,
                           0 if is_root else status.st_blocks, 0, 0, 0, 0, 0, 0,
                           stat.S_IFDIR | 0o755 if is_root else stat.S_IFREG | 0o644, 1, 0, 0, 0, 4096, 0)
