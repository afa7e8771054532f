"""Files that an image names: what the reference gate lets through, and that it never looks first.

Every case has a directory `images` for the image, and beside it `outside`, which nothing that an
image says may reach.
"""

import json
import os
import shutil
import socket

from harness import Group, Skip
from hostile import generate, tracing
from hostile.generate import Qcow2

SECRET = "outside-secret"  # in the name of every file that must stay closed


def furnish(t):
    images, outside = t.dir / "images", t.dir / "outside"
    for folder in (images, outside):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    (outside / f"{SECRET}.qcow2").write_bytes(Qcow2().data(0).build())
    (outside / f"{SECRET}.raw").write_bytes(b"the secret " * 1000)
    return images


def write_overlay(images, name, form):
    (images / "x.qcow2").write_bytes(Qcow2(size=1 << 20).back(name, form).data(3).build())


# What an image names: (name, format extension). {outside} is the absolute path beside the image's.
OUTSIDE = {
    "an absolute path": ("/etc/passwd", b"raw"),
    "an absolute path without a format": ("/etc/passwd", None),
    "a path above": (f"../outside/{SECRET}.qcow2", b"qcow2"),
    "a raw path above": (f"../outside/{SECRET}.raw", b"raw"),
    "a path down and above": (f"sub/../../outside/{SECRET}.qcow2", b"qcow2"),
    "a path above from here": (f"./.././outside/{SECRET}.qcow2", b"qcow2"),
    "an absolute path beside": (f"{{outside}}/{SECRET}.qcow2", b"qcow2"),
    "an absolute path through the image's directory": (
        f"{{images}}/../outside/{SECRET}.qcow2", b"qcow2"),
    "a json: name": (f'json:{{{{"driver":"raw","file":{{{{"driver":"file","filename":'
                     f'"{{outside}}/{SECRET}.raw"}}}}}}}}', b"raw"),
    "a json: name without a format": (
        f'json:{{{{"file.filename":"{{outside}}/{SECRET}.raw"}}}}', None),
    "an nbd:// name": (f"nbd://127.0.0.1:1/{SECRET}", b"raw"),
    "an nbd: socket": (f"nbd:unix:{{outside}}/{SECRET}.sock", b"raw"),
    "a file: name": (f"file:{{outside}}/{SECRET}.raw", b"raw"),
    "a fat: name": (f"fat:{{outside}}/{SECRET}", b"raw"),
    "an https:// name": (f"https://127.0.0.1:1/{SECRET}", b"raw"),
    "a path in /proc": ("/proc/self/environ", b"raw"),
    "a magic link": (f"/proc/self/root/{{outside}}/{SECRET}.raw", b"raw"),
    "standard input": ("/dev/stdin", b"raw"),
    "a device": ("/dev/zero", b"raw"),
    "a symbolic link out": (f"link-{SECRET}", b"raw"),
    "a directory that is a symbolic link out": (f"directory/{SECRET}.raw", b"raw"),
    "an absolute symbolic link": (f"absolute-{SECRET}", b"raw"),
    "a FIFO": (f"fifo-{SECRET}", b"raw"),
    "a socket": (f"socket-{SECRET}", b"raw"),
    "a directory": (f"directory-{SECRET}", b"raw"),
    "a device node": (f"node-{SECRET}", b"raw"),
    "a device through a symbolic link": (f"zero-{SECRET}", b"raw"),
    "its own directory": (".", b"raw"),
    "the directory above": ("..", b"raw"),
    "a long way up": ("../" * 300 + "etc/passwd", b"raw"),
    "a name with a zero byte": (f"x\0../outside/{SECRET}.raw", b"raw"),
}

# The gate may look at these, they lie where images may refer to; it must not hand them out.
LOOKED_AT = {"a symbolic link out", "a directory that is a symbolic link out",
             "an absolute symbolic link", "a FIFO", "a socket", "a directory", "a device node",
             "a device through a symbolic link", "its own directory"}


def furnish_links(images):
    outside = images.parent / "outside"
    os.symlink(f"../outside/{SECRET}.raw", images / f"link-{SECRET}")
    os.symlink("../outside", images / "directory")
    os.symlink(outside / f"{SECRET}.raw", images / f"absolute-{SECRET}")
    os.mkfifo(images / f"fifo-{SECRET}")
    (images / f"directory-{SECRET}").mkdir()
    os.symlink("/dev/zero", images / f"zero-{SECRET}")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(images, os.O_DIRECTORY)  # socket paths are short: bind through the descriptor
        listener.bind(f"/proc/self/fd/{here}/socket-{SECRET}")
        os.close(here)


def prepare(t, row):
    images = furnish(t)
    furnish_links(images)
    name, form = OUTSIDE[row]
    if row == "a device node":
        try:
            os.mknod(images / name, 0o020666, os.makedev(1, 5))
        except OSError as error:
            raise Skip(f"cannot make device nodes: {error.strerror}") from error
    name = name.format(outside=t.dir / "outside", images=images)
    write_overlay(images, name.encode(), form)
    return images, name


VERBS = {
    "info --backing-chain": ["info", "--backing-chain", "x.qcow2"],
    "convert": ["convert", "-O", "raw", "x.qcow2", "out"],
    "measure": ["measure", "-O", "qcow2", "x.qcow2"],
    "dd": ["dd", "bs=64k", "count=1", "if=x.qcow2", "of=out"],
}


def outside_is_refused(t, row):
    images, name = prepare(t, row)
    for arguments in VERBS.values():
        outcome = t.refused(t.instar(*arguments, cwd=images))
        shown = " ".join(t.complaint(outcome))
        t.check(not (images / "out").exists(), "a target is left", outcome)
        t.check("the secret" not in shown, "told the content", outcome)
        if "outside" not in name:
            t.check(str(t.dir / "outside") not in shown, "told where the name leads", outcome)


def outside_is_never_opened(t, row):
    images, name = prepare(t, row)
    for arguments in VERBS.values():
        outcome, calls = tracing.trace(t, tracing.PATH_CALLS, *arguments, cwd=images)
        t.check(outcome.code == 1, "should be refused", outcome)
        if row in LOOKED_AT:
            opened = [c for c in calls if SECRET in c.arguments and c.worked
                      and c.name in ("open", "openat", "openat2", "creat")
                      and "O_PATH" not in c.arguments]
            t.check(not opened, f"opened: {[str(c) for c in opened]}", outcome)
        else:
            word = SECRET if SECRET in name else name.split("/")[-1] or name
            if word in (".", ".."):
                word = f'"{word}"'
            tracing.demand_untouched(calls, word)


def info_only_names_it(t, row):
    """Without --backing-chain the name is printed and nothing of it is touched."""
    images, name = prepare(t, row)
    outcome, calls = tracing.trace(t, tracing.PATH_CALLS, "info", "--output=json", "x.qcow2",
                                   cwd=images)
    t.succeeded(outcome)
    t.equal(json.loads(outcome.text)["backing-filename"], name.split("\0")[0], "backing-filename",
            outcome)
    if SECRET in name:
        tracing.demand_untouched(calls, SECRET)


def create_over_it_opens_nothing_else(t, row):
    """An overlay on a hostile image: its size is all that is asked, what it names stays closed."""
    images, name = prepare(t, row)
    outcome, calls = tracing.trace(t, tracing.PATH_CALLS, "create", "-q", "-f", "qcow2", "-b",
                                   "x.qcow2", "-F", "qcow2", "new.qcow2", cwd=images)
    t.succeeded(outcome)
    t.check((images / "new.qcow2").exists(), "nothing was made", outcome)
    if SECRET in name:
        tracing.demand_untouched(calls, SECRET)


# What a user may put below an image, and whether that keeps the image's own wish from counting.
CHOSEN = {
    "another base": ("x.qcow2", "backing.driver=raw,backing.file.filename=base.raw", True),
    "no base": ("x.qcow2", "backing=", True),
    "another format for its base": ("x.qcow2", "backing.driver=raw", False),
    "it as the base of another": ("top.qcow2", "backing.driver=qcow2,backing.file.filename=x.qcow2",
                                  False),
    "nothing": ("x.qcow2", "backing.read-only=on", False),
}
CHOSEN_OVER = ("a path above", "a raw path above", "an absolute path beside", "a json: name",
               "an nbd: socket", "a magic link")


def chosen_base(t, row, choice):
    """A user who says what stands below an image gets that file, and none that the image names."""
    images, _ = prepare(t, row)
    base_at("base.raw")(images)
    (images / "top.qcow2").write_bytes(Qcow2(size=1 << 20).data(1).build())
    image, options, suffices = CHOSEN[choice]
    for verb in (["map"], ["convert", "-O", "qcow2"]):
        outcome, calls = tracing.trace(
            t, tracing.PATH_CALLS, *verb, "--image-opts",
            f"driver=qcow2,file.filename={image},{options}",
            *(["out"] if verb[0] == "convert" else []), cwd=images)
        t.equal(outcome.code, 0 if suffices else 1, "exit code", outcome)
        t.check((images / "out").exists() == (suffices and verb[0] == "convert"), "target", outcome)
        tracing.demand_untouched(calls, SECRET)


def oracle(t, name):
    """The refusal is the same whatever is, or is not, where the name points."""
    seen = {}
    for state in ("absent", "a file", "an image", "a directory", "a closed file", "a loop"):
        images = furnish(t)
        target = t.dir / "outside" / "oracle"
        if state == "a file":
            target.write_bytes(b"content")
        elif state == "an image":
            target.write_bytes(Qcow2().build())
        elif state == "a directory":
            target.mkdir()
        elif state == "a closed file":
            target.touch(0)
        elif state == "a loop":
            os.symlink("oracle", target)
        os.symlink("../outside", images / "directory")
        os.symlink("../outside/oracle", images / "link")
        write_overlay(images, name.format(outside=t.dir / "outside").encode(), b"qcow2")
        for verb, arguments in VERBS.items():
            outcome = t.refused(t.instar(*arguments, cwd=images))
            seen.setdefault(verb, {})[state] = (outcome.code, outcome.out, outcome.err)
    for verb, answers in seen.items():
        t.check(len(set(answers.values())) == 1, f"{verb} answers differ: {answers}")


# -- what is allowed ------------------------------------------------------------------------------


def allowed(t, name, prepare_images):
    images = furnish(t)
    prepare_images(images)
    write_overlay(images, name.encode(), b"raw")
    t.succeeded(t.instar("info", "--backing-chain", "x.qcow2", cwd=images))
    t.succeeded(t.instar("convert", "-O", "raw", "x.qcow2", "out", cwd=images))
    content = (images / "out").read_bytes()
    t.check(content[:4] == b"base", "the base's content is missing")


def base_at(path):
    def make(images):
        target = images / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"base" * 10000)

    return make


def linked_base(images):
    base_at("real/base.raw")(images)
    os.symlink("real/base.raw", images / "base.raw")


def linked_directory(images):
    base_at("real/base.raw")(images)
    os.symlink("real", images / "sub")


def policy(t, options, reference, code):
    """Widening and closing the gate by options."""
    images = furnish(t)
    base_at("base.raw")(images)
    base_at("base.raw")(t.dir / "outside")
    write_overlay(images, reference.encode(), b"raw")
    options = [option.format(outside=t.dir / "outside") for option in options]
    for arguments in (["info", *options, "--backing-chain", "x.qcow2"],
                      ["convert", *options, "-O", "raw", "x.qcow2", "out"]):
        outcome = t.instar(*arguments, cwd=images)
        if code:
            t.refused(outcome)
        else:
            t.succeeded(outcome)


def nested_reference(t):
    """What a base names counts from the base's own directory, and may not lead out either."""
    images = furnish(t)
    (images / "sub").mkdir()
    (images / "x.qcow2").write_bytes(
        Qcow2(size=1 << 20).back(b"sub/base.qcow2", b"qcow2").build())
    for name, code in ((b"bottom.raw", 0), (f"../../outside/{SECRET}.raw".encode(), 1),
                       (f"../outside/{SECRET}.raw".encode(), 1)):
        (images / "sub/bottom.raw").write_bytes(b"bottom" * 1000)
        (images / "sub/base.qcow2").write_bytes(Qcow2(size=1 << 20).back(name, b"raw").build())
        outcome = t.instar("convert", "-O", "raw", "x.qcow2", "out", cwd=images)
        if code:
            t.refused(outcome)
        else:
            t.succeeded(outcome)
            t.check((images / "out").read_bytes()[:6] == b"bottom", "another file was read")
            (images / "out").unlink()


# -- formats of references ------------------------------------------------------------------------


def base_format(t, stated, content, accepted):
    images = furnish(t)
    (images / "base").write_bytes(content)
    write_overlay(images, b"base", stated)
    outcome = t.instar("convert", "-O", "raw", "x.qcow2", "out", cwd=images)
    if accepted:
        t.succeeded(outcome)
        return (images / "out").read_bytes()
    t.refused(outcome)
    t.check(not (images / "out").exists(), "a target is left", outcome)
    return None


def stated_raw_stays_raw(t):
    """A raw base whose content is a qcow2 header that names a host file: read as the bytes it is."""
    content = bytes(Qcow2(size=1 << 20).back(b"/etc/passwd", b"raw").build())
    out = base_format(t, b"raw", content, True)
    t.check(out[:len(content)][:65536] == content[:65536], "not the bytes of the base")


# -- loops and depth ------------------------------------------------------------------------------


def refused_chain(t, images, top="x.qcow2"):
    t.refused(t.instar("info", "--backing-chain", top, cwd=images))
    t.refused(t.instar("convert", "-O", "raw", top, "out", cwd=images))
    t.check(not (images / "out").exists(), "a target is left")
    t.succeeded(t.instar("info", top, cwd=images))


def cycle(t, length):
    images = furnish(t)
    names = ["x.qcow2", *(f"l{i}.qcow2" for i in range(1, length))]
    for name, below in zip(names, [*names[1:], names[0]]):
        (images / name).write_bytes(Qcow2(size=1 << 20).back(below.encode(), b"qcow2").build())
    refused_chain(t, images)


def self_by_another_name(t):
    images = furnish(t)
    os.symlink("x.qcow2", images / "other.qcow2")
    write_overlay(images, b"other.qcow2", b"qcow2")
    refused_chain(t, images)


def deep(images, layers):
    for level in range(layers):
        described = Qcow2(cluster_bits=9, size=65536)
        if level:
            described.back(f"l{level - 1}.qcow2".encode(), b"qcow2")
        else:
            described.data(0)
        (images / f"l{level}.qcow2").write_bytes(described.build())
    os.rename(images / f"l{layers - 1}.qcow2", images / "x.qcow2")


def deep_chain(t, layers, accepted):
    images = furnish(t)
    deep(images, layers)
    if not accepted:
        refused_chain(t, images)
        return
    t.succeeded(t.instar("convert", "-O", "raw", "x.qcow2", "out", cwd=images))
    t.check((images / "out").read_bytes()[:512] == b"\x01" * 512, "the bottom's data is missing")


# -- external data files --------------------------------------------------------------------------

DATA_FILES = {
    "a host file": "/etc/passwd",
    "a path above": f"../outside/{SECRET}.raw",
    "a json: name": f'json:{{"driver":"file","filename":"/tmp/{SECRET}"}}',
    "a json: name of a host file": 'json:{"driver":"host_device","filename":"/etc/passwd"}',
    "an nbd:// name": f"nbd://127.0.0.1:1/{SECRET}",
    "a FIFO": f"fifo-{SECRET}",
    "a symbolic link out": f"link-{SECRET}",
    "a directory": f"directory-{SECRET}",
    "a missing file": f"missing-{SECRET}",
}


def data_file(t, row, raw):
    images = furnish(t)
    furnish_links(images)
    name = DATA_FILES[row]
    (images / "x.qcow2").write_bytes(generate.with_data_file(name.encode(), raw))
    outcome = t.succeeded(t.instar("info", "--output=json", "x.qcow2", cwd=images))
    t.equal(json.loads(outcome.text)["format-specific"]["data"]["data-file"], name, "data-file",
            outcome)
    for to in ("raw", "qcow2"):
        outcome = t.refused(t.instar("convert", "-O", to, "x.qcow2", "out", cwd=images))
        t.check(not (images / "out").exists(), "a target is left", outcome)


def data_file_is_never_opened(t, row):
    images = furnish(t)
    furnish_links(images)
    name = DATA_FILES[row]
    word = SECRET if SECRET in name else "passwd"
    (images / "x.qcow2").write_bytes(generate.with_data_file(name.encode()))
    _, calls = tracing.trace(t, tracing.PATH_CALLS, "info", "x.qcow2", cwd=images)
    tracing.demand_untouched(calls, word)
    if row in ("a FIFO", "a symbolic link out", "a directory", "a missing file"):
        return
    _, calls = tracing.trace(t, tracing.PATH_CALLS, "convert", "-O", "raw", "x.qcow2", "out",
                             cwd=images)
    tracing.demand_untouched(calls, word)


def data_file_is_the_image(t):
    """An image that reads its own metadata as guest data gains nothing, and must not be taken twice."""
    images = furnish(t)
    (images / "x.qcow2").write_bytes(generate.with_data_file(b"x.qcow2"))
    t.refused(t.instar("convert", "-O", "raw", "x.qcow2", "out", cwd=images))


# -- raw stays raw --------------------------------------------------------------------------------


def forced_raw(t):
    images = furnish(t)
    content = bytes(Qcow2(size=1 << 20).back(b"/etc/passwd", b"raw").data(0).build())
    (images / "disk").write_bytes(content)
    outcome = t.succeeded(t.instar("info", "-f", "raw", "--output=json", "disk", cwd=images))
    report = json.loads(outcome.text)
    t.equal((report["format"], report["virtual-size"]), ("raw", len(content)), "format", outcome)
    t.check("backing-filename" not in report, "a raw disk has no backing file", outcome)
    for to in ("raw", "qcow2"):
        outcome, calls = tracing.trace(t, tracing.PATH_CALLS, "convert", "-f", "raw", "-O", to,
                                       "disk", f"out.{to}", cwd=images)
        t.succeeded(outcome)
        tracing.demand_untouched(calls, "passwd")
    t.check((images / "out.raw").read_bytes() == content, "not the same bytes")
    compared = t.qemu_img("compare", "-f", "qcow2", "-F", "raw", "out.qcow2", "disk", cwd=images)
    t.check(compared.code == 0, "the qcow2 holds other bytes", compared)


def forced_raw_chain_too(t):
    """-f raw with --backing-chain: one image, no second look."""
    images = furnish(t)
    (images / "disk").write_bytes(Qcow2().back(b"/etc/passwd", b"raw").build())
    outcome = t.succeeded(t.instar("info", "-f", "raw", "--backing-chain", "--output=json", "disk",
                                   cwd=images))
    t.equal(len(json.loads(outcome.text)), 1, "images in the chain", outcome)


def probed_raw_is_reported(t):
    images = furnish(t)
    (images / "disk").write_bytes(b"\0" * 5000)
    outcome = t.succeeded(t.instar("info", "--output=json", "disk", cwd=images))
    t.equal(json.loads(outcome.text)["format"], "raw", "format", outcome)


def groups():
    gate = Group("references")
    for row in OUTSIDE:
        gate.add(f"{row} is refused", outside_is_refused, row)
        gate.add(f"{row} is never opened", outside_is_never_opened, row)
        gate.add(f"info only names {row}", info_only_names_it, row)
        gate.add(f"create over {row} opens nothing else", create_over_it_opens_nothing_else, row)
    for name in ("../outside/oracle", "{outside}/oracle", "link", "directory/oracle",
                 "directory/missing", "../missing/oracle"):
        gate.add(f"no oracle for {name}", oracle, name)

    chosen = Group("references replaced")
    for row in CHOSEN_OVER:
        for choice in CHOSEN:
            chosen.add(f"{choice} over {row}", chosen_base, row, choice)

    within = Group("references within")
    within.add("a file beside the image", allowed, "base.raw", base_at("base.raw"))
    within.add("a file below", allowed, "sub/base.raw", base_at("sub/base.raw"))
    within.add("a symbolic link that stays within", allowed, "base.raw", linked_base)
    within.add("a directory link that stays within", allowed, "sub/base.raw", linked_directory)
    within.add("a path that goes down and up again", allowed, "sub/../base.raw",
               lambda images: (base_at("sub/x")(images), base_at("base.raw")(images)))
    within.add("a name with a colon behind a slash", allowed, "./nbd:base", base_at("nbd:base"))
    within.add("--no-references closes the gate", policy, ["--no-references"], "base.raw", 1)
    within.add("--allow-path opens another directory", policy, ["--allow-path={outside}"],
               "../outside/base.raw", 0)
    within.add("--allow-path of elsewhere does not help", policy, ["--allow-path=/usr"],
               "../outside/base.raw", 1)
    within.case("a base's reference counts from the base's directory")(nested_reference)

    form = Group("reference formats")
    qcow2 = bytes(Qcow2(size=1 << 20).data(0).build())
    form.add("unstated raw is refused", base_format, None, b"plain bytes" * 100, False)
    form.add("unstated qcow2 is recognised", base_format, None, qcow2, True)
    form.add("stated qcow2 that is raw is refused", base_format, b"qcow2", bytes(4096), False)
    form.add("an unknown format is refused", base_format, b"nonsense", qcow2, False)
    form.add("a protocol as the format is refused", base_format, b"host_device", qcow2, False)
    form.add("an empty base without a format is refused", base_format, None, b"", False)
    form.case("stated raw stays raw")(stated_raw_stays_raw)
    form.case("-f raw stays raw")(forced_raw)
    form.case("-f raw stays raw in a chain")(forced_raw_chain_too)
    form.case("a probed raw is reported as raw")(probed_raw_is_reported)

    loops = Group("reference loops")
    loops.add("an image that names itself", cycle, 1)
    loops.add("two images that name each other", cycle, 2)
    loops.add("a ring of five", cycle, 5)
    loops.case("an image that names itself by a symbolic link")(self_by_another_name)
    loops.add("a chain of 60 is read", deep_chain, 60, True)
    loops.add("a chain of 70 is refused", deep_chain, 70, False)

    data = Group("data files")
    for row in DATA_FILES:
        data.add(f"{row} is named and refused", data_file, row, True)
        data.add(f"{row} is named and refused, not raw", data_file, row, False)
        data.add(f"{row} is never opened", data_file_is_never_opened, row)
    data.case("the image itself as its data file")(data_file_is_the_image)
    return [gate, chosen, within, form, loops, data]
