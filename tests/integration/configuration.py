"""Whose configuration file is obeyed: only the caller's own, or root's, that nobody else may write."""

import os
import shutil
import stat

from harness import Group, Skip, remove_tree, run
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


def missing_path(t):
    """The line says where the path stands. Who opens no references does without it."""
    file = furnish(t, 'timeout = 60\nallow_paths = ["{outside}", "{outside}/nothing"]\n')
    outcome = t.refused(convert(t))
    t.equal(outcome.err_text.strip(),
            f"instar: {file}: line 2: allow_paths: Could not open '{t.dir}/outside/nothing': "
            "No such file or directory", "the line", outcome)
    home = {"HOME": str(t.dir / "home")}
    t.succeeded(t.instar("info", "--references=none", "x.qcow2", cwd=t.dir / "images", env=home))
    t.equal(t.instar("doctor", env=home).code, 0, "exit code of doctor")
    environment = {"HOME": str(t.dir), "INSTAR_ALLOW_PATH": f"{t.dir}/nowhere"}
    t.refused(t.instar("info", "x.qcow2", cwd=t.dir / "images", env=environment),
              says="INSTAR_ALLOW_PATH: Could not open")
    t.refused(t.instar("info", f"--allow-path={t.dir}/nowhere", "x.qcow2", cwd=t.dir / "images"),
              says="--allow-path")


def link_to_nothing(t):
    """It may stand for what closes something."""
    file = furnish(t, OPENS)
    file.unlink()
    file.symlink_to("elsewhere.toml")
    t.refused(convert(t), says=f"'{file}' is a symbolic link that leads to no file")
    (file.parent / "elsewhere.toml").write_text(CLOSES, encoding="ascii")
    t.refused(convert(t), says="--references=directory")


def closed_home(t):
    """Whether there is a file cannot be seen: one warning, not under the name qemu-img."""
    if os.geteuid() != 0:
        raise Skip("needs root, to become another user")
    furnish(t, CLOSES)
    for folder in (t.dir, *t.dir.parents):
        if folder == t.dir:
            folder.chmod(0o755)
        elif stat.S_IMODE(folder.stat().st_mode) & 0o011 != 0o011:
            raise Skip(f"others may not search {folder}")
    (t.dir / "home").chmod(0o700)
    for name in ("instar", "qemu-img"):
        if not (t.dir / name).exists():
            shutil.copy(t.tools.instar, t.dir / name)
    for name, lines in (("instar", 1), ("qemu-img", 0)):
        outcome = run([t.dir / name, "info", "--isolation=process", "images/x.qcow2"], cwd=t.dir,
                      user=STRANGER, env={"HOME": str(t.dir / "home")})
        t.equal(outcome.code, 0, "exit code", outcome)
        warnings = [line for line in outcome.err_lines if "configuration file" in line]
        t.equal(len(warnings), lines, "warnings", outcome)


def groups():
    group = Group("configuration")
    group.case("a file of one's own is obeyed")(own)
    group.case("a home in a directory like /tmp is as good")(sticky)
    group.case("a path that is not there is told with its place")(missing_path)
    group.case("a link to no file")(link_to_nothing)
    group.case("a home that cannot be looked into")(closed_home)
    for row in CHANGES:
        group.add(f"a file {row} that opens the gate", not_obeyed, row, OPENS)
        group.add(f"a file {row} that closes it", not_obeyed, row, CLOSES)
    return [group]
