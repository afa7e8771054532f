"""kill -9 of the real program at each of its system calls that write: the image is the old one or the
new one, and clean. Where the program writes into the disk, the disk may be a mixture; then all else is as
it was, the bitmaps know of it, and the same command once more makes the new image.

strace sends the signal at the nth call of one kind, for n from 1 on, until a run gets to its end. A kill is
no power loss: what was written is there, whether flushed or not. Power loss is what tests/crash/*.cc is for.
"""

import dataclasses
import hashlib
import json
import shutil
import signal

from conformance.check import Tables
from crash.stored_bitmaps import stored_bitmaps
from harness import Failure, Group, Skip, run

WRITING_CALLS = ("pwrite64", "pwritev", "pwritev2", "write", "writev", "fallocate", "ftruncate",
                 "fdatasync", "fsync", "sync_file_range", "copy_file_range", "sendfile", "splice")
# write also goes to pipes, sockets and eventfds, often.
MOST_POINTS_A_CALL = 400


@dataclasses.dataclass
class Image:
    name: str
    options: str  # of qemu-img create; a raw image if None
    commands: tuple  # of qemu-io
    also: tuple = ()  # of qemu-img, with {} for the image
    backing: bool = False
    damaged: bool = False  # a cluster is leaked, and one is not counted


WRITES = ("write -P 1 0 64k", "write -P 2 448k 128k", "write -z 192k 64k", "write -P 3 704k 64k")
IMAGES = (
    Image("v3", "", WRITES, (("snapshot", "-c", "one", "{}"),
                             ("bitmap", "--add", "-g", "512", "{}", "b"))),
    Image("v2", "compat=0.10", WRITES[:2]),
    Image("small-clusters", "cluster_size=512", WRITES),
    Image("extended-l2", "extended_l2=on", WRITES),
    Image("overlay", "", ("write -P 1 0 64k",), backing=True),
    Image("data-file", "data_file=d.raw,data_file_raw=on", WRITES),
    Image("raw", None, WRITES[:2]),
    Image("damaged", "", WRITES, damaged=True),
)
# name, and the words of the command behind `instar`, with {form} for the format
CHANGES = (
    ("resize up", "resize -q -f {form} image +320k"),
    ("resize up-metadata", "resize -q -f {form} --preallocation=metadata image +320k"),
    ("resize up-full", "resize -q -f {form} --preallocation=full image +100k"),
    ("resize up-far", "resize -q -f {form} image +40M"),
    ("resize down", "resize -q -f {form} --shrink image -200k"),
    ("resize to-nothing", "resize -q -f {form} --shrink image 512"),
    ("snapshot taken", "snapshot -c two image"),
    ("snapshot applied", "snapshot -a one image"),
    ("snapshot deleted", "snapshot -d one image"),
    ("amend version", "amend -q -o compat=0.10 image"),
    ("amend refcounts", "amend -q -o refcount_bits=64 image"),
    ("amend several", "amend -q -o compat=1.1,lazy_refcounts=on,size=2M image"),
    ("bitmap added", "bitmap --add -g 4k image c"),
    ("bitmap merged", "bitmap --add --merge b --disable image c"),
    ("repair", "check -q -r all image"),
    ("bitmap removed", "bitmap --remove image b"),
    ("convert", "convert -n -t writeback -f raw -O {form} source.raw image"),
    ("convert zeros", "convert -n -t writeback -f raw -O {form} zeros.raw image"),
    ("convert compressed", "convert -n -c -t writeback -f raw -O {form} source.raw image"),
)
DISK = "content of disk"
# What `./dev test` does; `./dev prove kill` does all.
SLICE = {("v3", "resize up", "process"), ("small-clusters", "resize down", "process"),
         ("raw", "resize up", "process"), ("overlay", "resize up", "kvm"),
         ("v3", "snapshot taken", "process"), ("v3", "snapshot deleted", "kvm"),
         ("v2", "amend several", "process"), ("v3", "bitmap merged", "process"),
         ("v3", "convert", "process"), ("data-file", "convert", "kvm"),
         ("damaged", "repair", "process"), ("damaged", "repair", "kvm")}


def make(t, folder, image):
    folder.mkdir()
    run_here = lambda *words: succeed(run([t.tools.need(words[0]), *words[1:]], cwd=folder))
    if image.options is None:
        run_here("qemu-img", "create", "-q", "-f", "raw", "image", "768k")
    else:
        extra = []
        if image.backing:
            run_here("qemu-img", "create", "-q", "-f", "raw", "b.raw", "2M")
            run_here("qemu-io", "-f", "raw", "-c", "write -P 9 0 2M", "b.raw")
            extra = ["-b", "b.raw", "-F", "raw"]
        if image.options:
            extra += ["-o", image.options]
        run_here("qemu-img", "create", "-q", "-f", "qcow2", *extra, "image", "768k")
    form = "raw" if image.options is None else "qcow2"
    commands = [word for command in image.commands for word in ("-c", command)]
    run_here("qemu-io", "-f", form, *commands, "image")
    for words in image.also:
        run_here("qemu-img", *(word.format("image") for word in words))
    for name, writes in (("source.raw", ("write -P 5 0 100k", "write -P 6 300k 300k")), ("zeros.raw", ())):
        run_here("qemu-img", "create", "-q", "-f", "raw", name, "700k")
        if writes:
            run_here("qemu-io", "-f", "raw", *(w for write in writes for w in ("-c", write)), name)
    if image.damaged:
        damage(folder / "image")
    return form


def damage(path):
    tables = Tables(bytearray(path.read_bytes()))
    first, second, *_ = tables.l2_entries()
    tables.set_refcount(tables.host(first), 0)
    tables.put(second, 0)
    path.write_bytes(tables.image)


def succeed(outcome):
    if outcome.code != 0:
        raise Failure("the generator failed\n" + outcome.describe())
    return outcome


def facts(t, folder, form, instar, damaged=False):
    """All that is to be seen of the image; a Failure where it is not clean, unless that may be."""
    qemu_img = t.tools.need("qemu-img")
    info = run([qemu_img, "info", "--output=json", "-f", form, "image"], cwd=folder)
    if info.code != 0:
        raise Failure("qemu-img cannot open the image\n" + info.describe())
    told = json.loads(info.text)
    seen = {key: told.get(key) for key in ("virtual-size", "backing-filename")}
    seen["options"] = told.get("format-specific")
    # Each run takes its snapshot at another time.
    seen["snapshots"] = [(s["id"], s["name"], s["vm-state-size"]) for s in told.get("snapshots", ())]
    if form == "qcow2":
        for check in (run([qemu_img, "check", "-f", form, "image"], cwd=folder),
                      run([instar, "check", "-f", form, "image"], cwd=folder)):
            seen.setdefault("checks", []).append(check.code)
            if check.code != 0 and not damaged:
                raise Failure("the image is not clean\n" + check.describe())
        seen["bitmaps"] = stored_bitmaps(folder / "image")
    shown = [("disk", [])] + [(s["name"], ["-l", s["name"]]) for s in told.get("snapshots") or ()]
    for name, choice in shown:
        succeed(run([qemu_img, "convert", *choice, "-f", form, "-O", "raw", "image", "content"],
                    cwd=folder))
        with open(folder / "content", "rb") as file:
            seen["content of " + name] = hashlib.file_digest(file, "sha256").hexdigest()
        (folder / "content").unlink()
    return seen


def digest(folder):
    """Of the files that a run may change."""
    found = hashlib.sha256()
    for name in ("image", "d.raw"):
        if (folder / name).exists():
            with open(folder / name, "rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
    return found.digest()


def is_between(found, new):
    """Whether all but the disk is that of the new image."""
    return found | {DISK: new[DISK]} == new


# What an image cannot do, so there is nothing to kill.
REFUSALS = ("upported", "reallocation", "annot", "not found", "prevent")


def kill_everywhere(t, image, change, isolation, count=None):
    """Kills the program at each call; how many points there were."""
    strace = t.tools.need("strace")
    t.tools.need("qemu-io")
    t.tools.isolation(isolation)
    if "not available" in t.instar(change.split()[0], "--help").err_text:
        raise Skip(f"this version has no verb {change.split()[0]}")
    start, work = t.dir / "start", t.dir / "work"
    for folder in (start, work):
        shutil.rmtree(folder, ignore_errors=True)
    form = make(t, start, image)
    verb, *words = change.format(form=form).split()
    command = [t.tools.instar, verb, f"--isolation={isolation}", *words]
    old = facts(t, start, form, t.tools.instar, image.damaged)

    def fresh():
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(start, work)

    fresh()
    whole = run(command, cwd=work)
    if whole.code != 0:
        if whole.code == 1 and any(words in whole.err_text for words in REFUSALS):
            raise Skip("refused: " + whole.err_text.strip())
        raise Failure("should have succeeded\n" + whole.describe())
    new = facts(t, work, form, t.tools.instar)
    t.check(old != new, "nothing has changed", whole)

    writes_disk = verb == "convert"
    points = 0
    seen = set()
    judged = {}  # by the bytes of the files
    for call in WRITING_CALLS:
        for number in range(1, MOST_POINTS_A_CALL):
            fresh()
            outcome = run([strace, "-f", "-qq", "-o", "/dev/null", "-e", "signal=none",
                           "-e", f"trace={call}",
                           "-e", f"inject={call}:signal=KILL:when={number}", *command], cwd=work)
            if b"PTRACE" in outcome.err or b"ptrace" in outcome.err:
                raise Skip("strace may not trace here: " + outcome.err_text.strip())
            killed = outcome.code in (-signal.SIGKILL, 128 + signal.SIGKILL)
            where = f"killed at call {number} of {call}"
            key = digest(work)
            try:
                found = (judged[key] if key in judged
                         else facts(t, work, form, t.tools.instar, image.damaged))
            except Failure as failure:
                raise Failure(f"{where}: {failure}") from failure
            if writes_disk and key not in judged and outcome.code != 0:
                again = run(command, cwd=work)
                t.check(again.code == 0 and facts(t, work, form, t.tools.instar) == new,
                        f"{where}: running it again does not make the new image", again)
            judged[key] = found
            if found not in (old, new) and not (writes_disk and is_between(found, new)):
                raise Failure(f"{where}: neither the old image nor the new\n  found: {found}\n"
                              f"  old: {old}\n  new: {new}")
            seen.add(found == new)
            if outcome.code == 0:
                t.check(found == new, f"{where}: it has succeeded, and the image is the old one",
                        outcome)
                break
            # Another process of the program may be the one that was killed; this one says so.
            points += 1
            if not killed:
                t.check(outcome.code == 1, f"{where}: exit code", outcome)
    t.check(points != 0, "no call was found at which to kill")
    t.check(len(seen) == 2, f"{points} points, and never the old and the new image")
    if count is not None:
        count["kill points"] = count.get("kill points", 0) + points
        count["images that differ"] = count.get("images that differ", 0) + len(judged)


def groups(everything=False, count=None, only=""):
    found = []
    for image in IMAGES:
        group = Group(f"kill -9: {image.name}")
        for name, change in CHANGES:
            for isolation in ("process", "kvm"):
                title = f"{name} with {isolation}"
                if not everything and (image.name, name, isolation) not in SLICE:
                    continue
                if image.options is None and not name.startswith("resize"):
                    continue  # a raw image has nothing else to change
                if image.damaged != (name == "repair"):
                    continue
                if only in f"{image.name} {title}":
                    group.add(title, kill_everywhere, image, change, isolation, count)
        if group.cases:
            found.append(group)
    return found
