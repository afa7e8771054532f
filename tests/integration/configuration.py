"""Whose configuration file is obeyed: only the caller's own, or root's, that nobody else may write."""

import os

from harness import Group, Skip, remove_tree
from hostile.generate import Qcow2

STRANGER = 64001


def furnish(t, text):
    """An image whose base only a configuration can allow; a home with that configuration."""
    for folder in ("home", "outside", "images"):
        remove_tree(t.dir / folder)
        (t.dir / folder).mkdir()
    file = t.dir / "home/.config/instar/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text.format(outside=t.dir / "outside"), encoding="ascii")
    for folder in (file.parent, file.parent.parent, t.dir / "home"):
        folder.chmod(0o755)
    file.chmod(0o644)
    (t.dir / "outside/base.raw").write_bytes(b"base" * 1000)
    (t.dir / "images/x.qcow2").write_bytes(
        Qcow2(size=1 << 16).back(b"../outside/base.raw", b"raw").build())
    return file


OPENS = 'allow_paths = ["{outside}"]\n'
CLOSES = 'references = "none"\n'


def convert(t):
    (t.dir / "images/out").unlink(missing_ok=True)
    return t.instar("convert", "-O", "raw", "x.qcow2", "out", cwd=t.dir / "images",
                    env={"HOME": str(t.dir / "home")})


def own(t):
    furnish(t, OPENS)
    t.succeeded(convert(t))


# What is done to the file, as seen from it; and whether only root can do that.
CHANGES = {
    "that all may write": (lambda file: file.chmod(0o666), False),
    "that its group may write": (lambda file: file.chmod(0o664), False),
    "in a directory that all may write": (lambda file: file.parent.chmod(0o777), False),
    "in a home that all may write": (lambda file: file.parents[2].chmod(0o777), False),
    "of somebody else": (lambda file: os.chown(file, STRANGER, STRANGER), True),
    "in somebody else's directory": (lambda file: os.chown(file.parent, STRANGER, STRANGER), True),
    "in somebody else's home": (
        lambda file: [os.chown(place, STRANGER, STRANGER) for place in (file, *file.parents[:3])],
        True),
}


def not_obeyed(t, row, text):
    change, needs_root = CHANGES[row]
    if needs_root and os.geteuid() != 0:
        raise Skip("only root can give files to others")
    file = furnish(t, text)
    change(file)
    t.refused(convert(t), says=f"'{file}' is not obeyed")
    t.check(not (t.dir / "images/out").exists(), "it was read")
    t.check(t.instar("--version", env={"HOME": str(t.dir / "home")}).code == 0, "nor does --version")


def sticky(t):
    """Others may make files in such a directory, but not replace this one."""
    file = furnish(t, OPENS)
    file.parents[2].chmod(0o1777)
    t.succeeded(convert(t))


def groups():
    group = Group("configuration")
    group.case("a file of one's own is obeyed")(own)
    group.case("a home in a directory like /tmp is as good")(sticky)
    for row in CHANGES:
        group.add(f"a file {row} that opens the gate", not_obeyed, row, OPENS)
        group.add(f"a file {row} that closes it", not_obeyed, row, CLOSES)
    return [group]
