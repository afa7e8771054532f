"""A file system where files can share blocks, for as long as it is measured on."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile


@contextlib.contextmanager
def file_system(place, size):
    """The directory of a fresh XFS of `size` bytes in a loop device, whose file lies in `place`; or
    None and why not."""
    if os.geteuid() != 0 or not shutil.which("mkfs.xfs"):
        yield None, "that needs root and mkfs.xfs"
        return
    with tempfile.TemporaryDirectory(prefix="instar-bench.", dir=place) as name:
        image, mount = pathlib.Path(name, "fs.img"), pathlib.Path(name, "fs")
        mount.mkdir()
        with open(image, "wb") as file:
            file.truncate(max(size, 400 << 20))
        for command in (["mkfs.xfs", "-q", "-m", "reflink=1", image],
                        ["mount", "-o", "loop", image, mount]):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                yield None, f"{command[0]}: {done.stderr.strip()}"
                return
        try:
            yield mount, None
        finally:
            # After an interruption what was running may hold it for a moment longer.
            if subprocess.run(["umount", mount], stderr=subprocess.DEVNULL).returncode != 0:
                subprocess.run(["umount", "--lazy", mount], check=True)
