"""Files beside an image that are not the image's to name: hidden ones, other people's, root's own,
and the kernel's. Row for row what docs/security.md says of them, in both isolations."""

import json
import os
import stat

from harness import Group, Skip, remove_tree, run as run_program
from hostile.generate import Qcow2

ALICE, BOB = 64001, 64002
SECRET = b"the secret " * 1000


def need_root():
    if os.geteuid() != 0:
        raise Skip("only root can give files to others")


def reachable(t):
    """Lets everybody search the group's directory, as everybody can those above it."""
    t.dir.chmod(0o755)
    for above in t.dir.parents:
        if stat.S_IMODE(above.stat().st_mode) & 0o011 != 0o011:
            raise Skip(f"others may not search {above}")


def furnish(t, image_owner=ALICE):
    images = t.dir / "images"
    remove_tree(images)
    images.mkdir()
    for name, content in (("base.raw", SECRET), (".hidden.raw", SECRET), (".dir/inside.raw", SECRET),
                          ("sub/deep.raw", SECRET)):
        (images / name).parent.mkdir(exist_ok=True)
        (images / name).write_bytes(content)
    os.symlink(".dir/inside.raw", images / "link.raw")
    if os.geteuid() == 0:
        reachable(t)
        for place in (images, images / "sub"):
            place.chmod(0o755)
        overlay(images, b"base.raw", image_owner)
    return images


def overlay(images, name, owner=None, path="x.qcow2", form=b"raw"):
    (images / path).write_bytes(Qcow2(size=1 << 16).back(name, form).build())
    if owner is not None:
        os.chown(images / path, owner, owner)
        (images / path).chmod(0o644)


def give(path, owner, mode):
    os.chown(path, owner, owner)
    path.chmod(mode)


VERBS = {
    "info": ["info", "--backing-chain"],
    "convert": ["convert", "-O", "raw"],
}


def run(t, images, verb, *options, image="x.qcow2"):
    (images / "out").unlink(missing_ok=True)
    command = [VERBS[verb][0], *options, *VERBS[verb][1:], image]
    return t.instar(*command, *(["out"] if verb == "convert" else []), cwd=images)


def opens(t, images, *options, image="x.qcow2"):
    for verb in VERBS:
        t.succeeded(run(t, images, verb, *options, image=image))
    t.check((images / "out").read_bytes()[:10] == SECRET[:10], "not the content of the base")


def refused(t, images, *options, says, image="x.qcow2"):
    for verb in VERBS:
        outcome = t.refused(run(t, images, verb, *options, image=image), says=says)
        t.check(not (images / "out").exists(), "a target is left", outcome)
        t.check(b"the secret" not in outcome.out + outcome.err, "told the content", outcome)


HIDDEN = {
    "a hidden file": b".hidden.raw",
    "a file in a hidden directory": b".dir/inside.raw",
    "a hidden file by way of a directory": b"sub/../.hidden.raw",
    "a file by way of a hidden directory": b".dir/../base.raw",
    "a link to a file in a hidden directory": b"link.raw",
}


def hidden(t, row, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    images = furnish(t, os.geteuid())
    overlay(images, HIDDEN[row])
    refused(t, images, how, says="begins with a dot")
    refused(t, images, how, "--references=any-owner", says="begins with a dot")


def hidden_is_no_oracle(t):
    images = furnish(t, os.geteuid())
    seen = {}
    for there in (True, False):
        if not there:
            (images / ".hidden.raw").unlink()
            remove_tree(images / ".dir")
        for name in (b".hidden.raw", b".dir/inside.raw", b".dir/../base.raw"):
            overlay(images, name)
            for verb in VERBS:
                outcome = run(t, images, verb)
                seen.setdefault((name, verb), set()).add((outcome.code, outcome.err))
    for case, answers in seen.items():
        t.check(len(answers) == 1, f"{case} differs by what is there: {answers}")


NAMED = {
    "the directory": ("{images}/.dir", b".dir/inside.raw", True),
    "the directory, of a link into it": ("{images}/.dir", b"link.raw", True),
    "the file": ("{images}/.hidden.raw", b".hidden.raw", True),
    "the directory, of another one": ("{images}/.dir", b".hidden.raw", False),
    "the directory above": ("{images}", b".hidden.raw", False),
}


def named(t, row):
    path, name, works = NAMED[row]
    images = furnish(t, os.geteuid())
    overlay(images, name)
    option = "--allow-path=" + path.format(images=images)
    if works:
        opens(t, images, option)
    else:
        refused(t, images, option, says="begins with a dot")


# What a command makes or names beside a hidden image: the arguments of create or convert, and what
# must be read again.
OWN_PARTS = {
    "flat extents": ["-O", "vmdk", "-o", "subformat=monolithicFlat", "x.raw", ".own.vmdk"],
    "divided flat extents": ["-O", "vmdk", "-o", "subformat=twoGbMaxExtentFlat", "x.raw",
                             ".own.vmdk"],
    "divided sparse extents": ["-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", "x.raw",
                               ".own.vmdk"],
    "a data file": ["-O", "qcow2", "-o", "data_file=.own.raw", "x.raw", ".own.qcow2"],
}


def own_parts(t, row, isolation):
    """A hidden image that instar wrote, it reads."""
    how = f"--isolation={t.tools.isolation(isolation)}"
    images = furnish(t, os.geteuid())
    (images / "x.raw").write_bytes(SECRET.ljust(1 << 16, b"x"))
    t.succeeded(t.instar("convert", how, "-f", "raw", *OWN_PARTS[row], cwd=images))
    image = OWN_PARTS[row][-1]
    for path in (image, images / image):
        t.succeeded(t.instar("compare", how, "-f", "raw", "x.raw", path, cwd=images))
    t.succeeded(t.instar("check", how, image, cwd=images))


HIDDEN_NAMES = {  # arguments, what the image names, what it is
    "a backing file": (["create", "-f", "qcow2", "-b", ".hidden.raw", "-F", "raw", "over.qcow2"],
                       ".hidden.raw", "backing file"),
    "a backing file in a hidden directory": (
        ["create", "-f", "qcow2", "-b", ".dir/inside.raw", "-F", "raw", "over.qcow2"],
        ".dir/inside.raw", "backing file"),
    "a data file": (["create", "-f", "qcow2", "-o", "data_file=.other.raw", "over.qcow2", "64k"],
                    ".other.raw", "data file"),
    "a backing file of a conversion": (
        ["convert", "-f", "raw", "-O", "qcow2", "-B", ".hidden.raw", "-F", "raw", "base.raw",
         "over.qcow2"], ".hidden.raw", "backing file"),
}


def hidden_names_are_warned_of(t, row, isolation):
    """What cannot be read without an option is said when it is made, and that option works."""
    how = f"--isolation={t.tools.isolation(isolation)}"
    images = furnish(t, os.geteuid())
    (verb, *arguments), name, kind = HIDDEN_NAMES[row]
    outcome = t.instar(verb, how, *arguments, cwd=images)
    t.equal(outcome.code, 0, "exit code", outcome)
    t.equal(t.complaint(outcome),
            [f"instar: warning: 'over.qcow2' names a hidden {kind}, '{name}', which opens only if "
             "--allow-path names it"], "the warning", outcome)
    read = ["convert", how, "-O", "raw", "over.qcow2", "out"]
    t.refused(t.instar(*read, cwd=images), says="--allow-path")
    allowed = "--allow-path=" + name.split("/")[0]
    t.succeeded(t.instar(*read[:1], allowed, *read[1:], cwd=images))
    for path in ("over.qcow2", ".other.raw"):
        (images / path).unlink(missing_ok=True)
    t.succeeded(t.instar(verb, how, allowed, *arguments, cwd=images))


def image_options_lift_the_readers_rule(t):
    """As the message says: a backing file that the user names, root reads."""
    need_root()
    images = furnish(t)
    give(images / "base.raw", 0, 0o600)
    refused(t, images, says="--image-opts")
    t.succeeded(t.instar("convert", "--image-opts", "-O", "raw",
                         "driver=qcow2,file.filename=x.qcow2,backing.driver=raw,"
                         "backing.file.filename=base.raw", "out", cwd=images))
    t.check((images / "out").read_bytes()[:10] == SECRET[:10], "not the content of the base")


def links(t, isolation):
    """A link may lead to any file that may be named."""
    how = f"--isolation={t.tools.isolation(isolation)}"
    images = furnish(t, os.geteuid())
    elsewhere = t.dir / "elsewhere"
    remove_tree(elsewhere)
    elsewhere.mkdir()
    (elsewhere / "base.raw").write_bytes(SECRET)
    os.symlink(images / "base.raw", images / "absolute.raw")
    os.symlink(elsewhere / "base.raw", images / "absolutely-out.raw")
    os.symlink("../elsewhere/base.raw", images / "out.raw")
    overlay(images, b"absolute.raw")
    opens(t, images, how)
    for name in (b"absolutely-out.raw", b"out.raw"):
        overlay(images, name)
        refused(t, images, how, says="--allow-path")
        for allowed in (elsewhere, elsewhere / "base.raw"):
            opens(t, images, how, f"--allow-path={allowed}")
        refused(t, images, how, "--allow-path=sub", says="--allow-path")


OWNERS = {  # owner and mode of the base of alice's image, options, what must be said; None: it opens
    "the image's owner's": (ALICE, 0o600, (), None),
    "root's that all may read": (0, 0o644, (), None),
    "another owner's": (BOB, 0o644, (), "belongs neither to root"),
    "another owner's, with any-owner": (BOB, 0o644, ("--references=any-owner",), None),
    "another owner's private one, with any-owner": (
        BOB, 0o600, ("--references=any-owner",), "may not be read by the owner"),
    "root's private one": (0, 0o600, (), "may not be read by the owner"),
    "root's private one, with any-owner": (
        0, 0o600, ("--references=any-owner",), "may not be read by the owner"),
    "root's for its group": (0, 0o640, (), "may not be read by the owner"),
    "root's, with its directory named": (
        0, 0o600, ("--allow-path=.",), "may not be read by the owner"),
    "the image's owner's, with none": (ALICE, 0o600, ("--references=none",), "not allowed"),
    "the image's owner's, with no-references": (ALICE, 0o600, ("--no-references",), "not allowed"),
}


def owners(t, row, isolation):
    need_root()
    how = f"--isolation={t.tools.isolation(isolation)}"
    owner, mode, options, says = OWNERS[row]
    images = furnish(t)
    give(images / "base.raw", owner, mode)
    if says is None:
        opens(t, images, how, *options)
    else:
        refused(t, images, how, *options, says=says)


def access_list(t):
    """An access list can let the image's owner read what the mode does not."""
    need_root()
    images = furnish(t)
    give(images / "base.raw", 0, 0o600)
    refused(t, images, says="may not be read by the owner")
    entries = ((1, 6, -1), (2, 4, ALICE), (4, 0, -1), (16, 4, -1), (32, 0, -1))
    value = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + rights.to_bytes(2, "little") +
        (who & 0xFFFFFFFF).to_bytes(4, "little") for tag, rights, who in entries)
    try:
        os.setxattr(images / "base.raw", "system.posix_acl_access", value)
    except OSError as error:
        raise Skip(f"no access lists here: {error.strerror}") from error
    opens(t, images)
    overlay(images, b"base.raw", BOB)
    refused(t, images, says="may not be read by the owner")


def closed_directory(t):
    need_root()
    images = furnish(t)
    give(images / "sub", 0, 0o700)
    overlay(images, b"sub/deep.raw", ALICE)
    refused(t, images, says="may not be read by the owner")
    give(images / "sub", 0, 0o755)
    opens(t, images)


def chain(t):
    """root's image in between does not hand alice what only root may read."""
    need_root()
    images = furnish(t)
    overlay(images, b"base.raw", 0, path="middle.qcow2")
    overlay(images, b"middle.qcow2", ALICE, form=b"qcow2")
    give(images / "base.raw", 0, 0o600)
    opens(t, images, image="middle.qcow2")
    refused(t, images, says="may not be read by the owner")
    give(images / "base.raw", 0, 0o644)
    opens(t, images)
    give(images / "base.raw", ALICE, 0o644)
    refused(t, images, says="belongs neither to root")


def upload_folder(t):
    """All files are one user's: only a closed gate keeps an image from naming its neighbour."""
    images = furnish(t, os.geteuid())
    overlay(images, b"base.raw")
    opens(t, images)
    refused(t, images, "--references=none", says="not allowed")
    settings = t.dir / "settings"
    (settings / "instar").mkdir(parents=True, exist_ok=True)
    (settings / "instar/config.toml").write_text('references = "none"\n', encoding="ascii")
    outcome = t.instar("info", "--backing-chain", "x.qcow2", cwd=images,
                       env={"XDG_CONFIG_HOME": str(settings)})
    t.refused(outcome, says="not allowed")
    t.succeeded(t.instar("info", "--backing-chain", "--references=directory", "x.qcow2", cwd=images,
                         env={"XDG_CONFIG_HOME": str(settings)}))


def special(t, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    images = furnish(t, os.geteuid())
    for name in (b"/proc/self/environ", b"/proc/self/maps", b"/proc/1/environ", b"/proc/nothing"):
        overlay(images, name)
        for option in ("--allow-path=/", "--allow-path=/proc"):
            if option == "--allow-path=/proc" and name == b"/proc/nothing":
                continue
            refused(t, images, how, option, says="special file system")


def in_slash(t):
    """An image in / names what is below /."""
    path = f"/instar-test-{os.getpid()}.qcow2"
    for name in (b"proc/self/environ", b"/proc/self/maps", b"etc/passwd"):
        content = Qcow2(size=1 << 16).back(name, b"raw").build()
        try:
            with open(path, "wb") as file:
                file.write(content)
        except OSError as error:
            raise Skip(f"cannot write to /: {error.strerror}") from error
        try:
            t.succeeded(t.instar("info", path))
            for spelling, folder in ((path, t.dir), (path[1:], "/"), (f"/..{path}", t.dir)):
                t.refused(t.instar("info", "--backing-chain", spelling, cwd=folder),
                          says="outside the directories")
                t.refused(t.instar("convert", "-O", "raw", spelling, t.dir / "out", cwd=folder),
                          says="outside the directories")
        finally:
            os.unlink(path)


def what_was_opened(t, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    images = furnish(t, os.geteuid())
    overlay(images, b"base.raw", path="middle.qcow2")
    overlay(images, b"./middle.qcow2", form=b"qcow2")
    outcome = t.succeeded(t.instar("info", how, "--output=json", "--backing-chain", "x.qcow2",
                                   cwd=images))
    first, *rest = json.loads(outcome.text)
    t.equal(first["opened-references"],
            [{"kind": "backing-file", "filename": "./middle.qcow2", "named-by": "x.qcow2"},
             {"kind": "backing-file", "filename": "./base.raw", "named-by": "./middle.qcow2"}],
            "opened-references", outcome)
    t.check(all("opened-references" not in image for image in rest), "told twice", outcome)
    outcome = t.succeeded(t.instar("info", how, "--output=json", "x.qcow2", cwd=images))
    t.check("opened-references" not in json.loads(outcome.text), "nothing was opened", outcome)

    os.symlink(t.tools.instar, images / "qemu-img")
    outcome = run_program([images / "qemu-img", "info", how, "--output=json", "--backing-chain",
                           "x.qcow2"], cwd=images)
    t.check(outcome.code == 0 and b"opened-references" not in outcome.out,
            "qemu-img has no such member", outcome)

    for verb in VERBS:
        outcome = run(t, images, verb, how, "--trace=references")
        t.check(outcome.code == 0, "should have succeeded", outcome)
        t.equal(t.complaint(outcome),
                ["instar: opened './middle.qcow2', the backing file of 'x.qcow2'",
                 "instar: opened './base.raw', the backing file of './middle.qcow2'"], "the trace",
                outcome)
    t.refused(run(t, images, "info", how, "--trace=references", "--references=none"),
              says="not allowed")


def groups():
    group = Group("neighbours")
    for isolation in ("kvm", "process"):
        for row in HIDDEN:
            group.add(f"{row}, {isolation}", hidden, row, isolation)
        for row in OWNERS:
            group.add(f"a base that is {row}, {isolation}", owners, row, isolation)
        for row in OWN_PARTS:
            group.add(f"{row} of a hidden image, {isolation}", own_parts, row, isolation)
        for row in HIDDEN_NAMES:
            group.add(f"a hidden name of {row} is warned of, {isolation}",
                      hidden_names_are_warned_of, row, isolation)
        group.add(f"links, {isolation}", links, isolation)
        group.add(f"the kernel's files, {isolation}", special, isolation)
        group.add(f"what was opened is shown, {isolation}", what_was_opened, isolation)
    group.case("no oracle for hidden files")(hidden_is_no_oracle)
    for row in NAMED:
        group.add(f"--allow-path names {row}", named, row)
    group.case("--image-opts names what root reads")(image_options_lift_the_readers_rule)
    group.case("an access list counts")(access_list)
    group.case("a directory that the image's owner may not search")(closed_directory)
    group.case("a chain through root's image")(chain)
    group.case("a folder of uploads")(upload_folder)
    group.case("an image in /")(in_slash)
    return [group]
