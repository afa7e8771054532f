"""The gate: what a guest may have opened by name, whatever it asks for."""

import os

from hostile.guest import script as sc
from hostile.guest.script import Code, Op, Role
from hostile.guest.table import SECRET, Table

table = Table("gate")
row = table.row

HELD = "the promise held"
OPENS = ("info", "info of a chain", "check", "map", "measure", "compare", "convert", "dd")


def leak(p, device):
    """Shows what a file that was opened holds."""
    return p.read(device, 0, 512).step(sc.Step.FAIL, Code.CORRUPT, 0, 0, sc.arena(), 512, 0)


NAMES = {
    "an absolute path": b"/etc/passwd",
    "a path above": b"../outside/secret.img",
    "a path down and above": b"x/../../outside/secret.img",
    "a symbolic link": b"link.img",
    "a directory that is a symbolic link": b"linked/secret.img",
    "a FIFO": b"fifo",
    "its own directory": b".",
    "the directory above": b"..",
    "nothing": b"",
    "a slash": b"/",
    "a name with a zero byte": b"other.img\0/../../outside/secret.img",
    "a path in /proc": b"/proc/self/environ",
    "memory of the broker": b"/proc/self/mem",
    "a descriptor of the broker": b"/proc/self/fd/3",
    "a descriptor by /dev": b"/dev/fd/0",
    "standard input": b"-",
    "a json: name": b'json:{"driver":"file","filename":"/etc/passwd"}',
    "an nbd: name": b"nbd:unix:/tmp/x",
    "a file: name": b"file:/etc/passwd",
    "a very long name": b"a/" * 2048,
    "a name of dots": b"../" * 1365,
    "a name of controls": b"\x1b[2J\r\n\x07",
    "a name that is no UTF-8": b"\xff\xfe\x80",
}

for what, name in NAMES.items():
    @row(verbs=("info", "convert"), says=HELD, name=f"a guest opens nothing by {what}")
    def by_name(s, name=name):
        for role in Role:
            s.main.open(name, role=role).unless_refused(lambda p: leak(p, sc.RESULT))
        s.main.holds()


@row(verbs=OPENS, says=HELD)
def no_verb_hands_out_a_file_outside(s):
    for name in (b"/etc/passwd", b"../outside/secret.img", b"link.img", b"linked/secret.img"):
        s.main.open(name).is_refused()
    s.main.holds()


@row(verbs=OPENS, options=["--no-references"], says=HELD)
def a_closed_gate_hands_out_nothing(s):
    for name in (b"other.img", b"./other.img", b"evil.img"):
        for role in Role:
            s.main.open(name, role=role).is_refused()
    s.main.holds()


@row(verbs=("info", "convert"), says=HELD)
def a_reference_of_no_device_is_refused(s):
    for parent in (5, 1024, 0xFFFFFFFF):
        s.main.open(b"other.img", parent=parent).is_refused()
    s.main.holds()


@row(verbs=("convert",), says=HELD)
def a_file_that_was_opened_by_name_may_only_be_read(s):
    s.main.open(b"other.img", role=Role.EXTENT)
    s.main.set(2, sc.RESULT)
    s.main.ring(Op.RESIZE, sc.register(2), 0, 0).is_refused(Code.DENIED)
    s.main.ring(Op.FLUSH, sc.register(2)).is_refused(Code.DENIED).holds()


@row(verbs=("convert",), says=HELD)
def the_number_of_files_is_bounded_and_the_limit_stays(s):
    s.main.times(1100, lambda p: p.open(b"other.img", role=Role.EXTENT))
    s.main.is_refused().open(b"other.img", role=Role.EXTENT).is_refused()
    s.main.open(b"../outside/secret.img").is_refused()
    s.main.read(1024, 0, 64).is_refused().holds()


@row(verbs=("convert",), says=HELD)
def the_target_is_not_handed_out_as_a_source(s):
    """Reading it back would be harmless; a second descriptor for it must not be writable."""
    s.main.open(b"out", role=Role.EXTENT).unless_refused(
        lambda p: p.ring(Op.RESIZE, sc.RESULT, 0, 0).is_refused()).holds()


SPECIAL = (b"/proc/self/environ", b"/proc/self/maps", b"/proc/self/mem", b"/proc/1/environ",
           b"/proc/version", b"/proc/self/cmdline", b"/sys/kernel/mm/transparent_hugepage/enabled",
           b"/sys/kernel/notes", b"/dev/null", b"/dev/zero", b"/dev/mem", b"/dev/kvm")


@row(verbs=("info", "convert", "measure"), options=["--allow-path=/"], says=HELD)
def no_file_of_a_special_file_system_is_handed_out_below_an_allowed_directory(s):
    for name in SPECIAL:
        s.main.open(name, role=Role.EXTENT).is_refused()
    s.main.holds()


def others(images):
    """Files beside the image that are not the tenant's: hidden ones, other owners', root's own."""
    for name, owner, mode in ((".hidden.img", 0, 0o644), ("tenant.img", 4321, 0o644),
                              ("private.img", 0, 0o600), (".ssh/key.img", 0, 0o644)):
        path = images / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(SECRET * 10)
        path.chmod(mode)
        os.chown(path, owner, -1)
    os.chown(images / "evil.img", 1234, -1)


def refuses(name, file, options=()):
    @row(verbs=("info", "convert"), options=options, says=HELD, set_up=others,
         name=f"the default gate does not hand out {name}")
    def beside(s):
        for role in Role:
            s.main.open(file, role=role).is_refused()
        s.main.holds()


refuses("a hidden file", b".hidden.img")
refuses("a file in a hidden directory", b".ssh/key.img")
refuses("a file of another owner", b"tenant.img")
refuses("a file that the image's owner may not read", b"private.img")
