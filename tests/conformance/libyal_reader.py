"""Reads an image by libqcow, libvhdi or libvmdk and compares it with a raw disk. Run as a program of its
own, by whichever Python has their modules:

    libyal_reader.py FORMAT IMAGE RAW-DISK [PARENT]

Prints "same", or how they differ. What the image has beyond the end of the raw disk must be zeros.
"""

import sys

MODULES = {"qcow2": "pyqcow", "vmdk": "pyvmdk", "vpc": "pyvhdi", "vhdx": "pyvhdi"}
PIECE = 1 << 20
# libqcow errs where one read takes from both the image and its parent, whoever wrote them.
PIECE_OF_CHILD = 64 << 10


def opened(form, name):
    module = __import__(MODULES[form])
    image = module.handle() if form == "vmdk" else module.file()
    image.open(name)
    if form == "vmdk":
        image.open_extent_data_files()
    return image


def difference(form, name, raw_name, parent_name):
    image = opened(form, name)
    parent = opened(form, parent_name) if parent_name else None
    if parent:
        image.set_parent(parent)
    size = image.get_media_size()
    with open(raw_name, "rb") as raw:
        raw_bytes = raw.seek(0, 2)
        raw.seek(0)
        if size < raw_bytes:
            return f"{size} bytes of {raw_bytes}"
        piece = PIECE_OF_CHILD if parent else PIECE
        for offset in range(0, size, piece):
            count = min(piece, size - offset)
            got, want = image.read_buffer(count), raw.read(count).ljust(count, b"\0")
            if got != want:
                at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), len(got))
                return f"differs at offset {offset + at}"
    return "same"


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--has":
        __import__(MODULES[sys.argv[2]])
    else:
        print(difference(*sys.argv[1:4], sys.argv[4] if len(sys.argv) > 4 else None))
