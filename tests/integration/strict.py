"""The strict profile on the command line: the verdict, its exit codes, and the configuration under
which every verb refuses what fails it."""

import json
import re
from pathlib import Path

from harness import Group
from hostile import tracing
from hostile.generate import Qcow2
from integration.locks import held_by_a_machine

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "strict.md"
SECRET = b"another tenant's disk"


def make(t):
    (t.dir / "good.raw").write_bytes(bytes(range(256)) * 4096)
    for form in ("qcow2", "vmdk", "vpc", "vhdx"):
        made = t.instar("convert", "-f", "raw", "-O", form, "good.raw", f"good.{form}")
        t.check(made.code == 0, "the generator failed", made)
    (t.dir / "secret.raw").write_bytes(SECRET.ljust(1 << 20, b"\0"))
    (t.dir / "bad.qcow2").write_bytes(bytes(Qcow2().back(b"secret.raw", b"raw").data(0).build()))
    folder = t.dir / "home" / "instar"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("strict = true\n")


def configured(t, *arguments, **options):
    return t.instar(*arguments, env={"XDG_CONFIG_HOME": str(t.dir / "home")}, **options)


def passes(t, isolation):
    t.tools.isolation(isolation)
    outcome = t.succeeded(t.instar("info", f"--isolation={isolation}", "--strict", "--output=json",
                                   "-f", "qcow2", "good.qcow2"))
    t.equal(json.loads(outcome.text), {"verdict": "passed", "format": "qcow2", "reasons": []},
            "the verdict", outcome)


def refuses(t, isolation):
    t.tools.isolation(isolation)
    outcome = t.instar("info", f"--isolation={isolation}", "--strict", "-f", "qcow2", "bad.qcow2")
    t.equal(outcome.code, 2, "exit code", outcome)
    t.equal(outcome.text, "backing-file: the image names a backing file (offset 8)\n"
            "verdict: refused\n", "what is printed", outcome)
    t.check(not t.complaint(outcome), "a verdict is no error", outcome)


def opens_no_reference(t):
    outcome, calls = tracing.trace(t, tracing.PATH_CALLS, "info", "--strict", "-f", "qcow2", "bad.qcow2")
    t.equal(outcome.code, 2, "exit code", outcome)
    tracing.demand_untouched(calls, "secret.raw")


NOT_JUDGED = {
    "without -f": (["info", "--strict", "good.qcow2"], "-f FORMAT"),
    "a format that does not exist": (["info", "--strict", "-f", "nonsense", "good.qcow2"], "nonsense"),
    "a file that does not exist": (["info", "--strict", "-f", "raw", "absent"], "absent"),
    "a directory": (["info", "--strict", "-f", "raw", "home"], "home"),
    "a chain": (["info", "--strict", "--backing-chain", "-f", "qcow2", "good.qcow2"], "--strict"),
    "a part of a file": (["info", "--strict", "--image-opts",
                          "driver=raw,offset=512,file.filename=good.raw"], "--strict"),
}


def not_judged(t, arguments, says):
    t.refused(t.instar(*arguments), says=says)


def in_use(t):
    """An image that somebody writes to is not judged, unless -U says so."""
    with held_by_a_machine(t.dir / "good.raw"):
        t.refused(t.instar("info", "--strict", "-f", "raw", "good.raw"), lines=2)
        t.succeeded(t.instar("info", "--strict", "-U", "-f", "raw", "good.raw"))


# verb -> the command, with {} for the image, and the exit code where it is refused
VERBS = {
    "info": (["info", "-f", "qcow2", "{}"], 2),
    "map": (["map", "-f", "qcow2", "{}"], 1),
    "check": (["check", "-f", "qcow2", "{}"], 1),
    "measure": (["measure", "-f", "qcow2", "-O", "raw", "{}"], 1),
    "convert": (["convert", "-f", "qcow2", "-O", "raw", "{}", "out"], 1),
    "dd": (["dd", "-f", "qcow2", "-O", "raw", "bs=64k", "if={}", "of=out"], 1),
    "compare": (["compare", "-f", "raw", "-F", "qcow2", "good.raw", "{}"], 2),
    "create": (["create", "-q", "-f", "qcow2", "-b", "{}", "-F", "qcow2", "out"], 1),
    "create -o": (["create", "-q", "-f", "qcow2", "-o", "backing_file={},backing_fmt=qcow2", "out"], 1),
    "convert -B": (["convert", "-f", "raw", "-O", "qcow2", "-B", "{}", "-F", "qcow2", "good.raw",
                    "out"], 1),
}


def clear(t):
    (t.dir / "out").unlink(missing_ok=True)


def verb_refuses(t, arguments, code):
    clear(t)
    outcome = t.refused(configured(t, *(a.format("bad.qcow2") for a in arguments)), code=code,
                        says=["bad.qcow2", "strict profile", "backing-file"])
    t.equal(outcome.text, "", "standard output", outcome)
    t.check(not (t.dir / "out").exists(), "a target is left", outcome)


def verb_goes_on(t, arguments):
    clear(t)
    t.succeeded(configured(t, *(a.format("good.qcow2") for a in arguments)))


def verb_needs_a_format(t):
    clear(t)
    t.refused(configured(t, "convert", "-O", "raw", "good.qcow2", "out"), says="-f FORMAT")
    t.check(not (t.dir / "out").exists(), "a target is left")


def verb_by_option(t):
    clear(t)
    t.refused(t.instar("convert", "--strict", "-f", "qcow2", "-O", "raw", "bad.qcow2", "out"),
              says="backing-file")
    t.succeeded(t.instar("convert", "--strict", "-f", "qcow2", "-O", "raw", "good.qcow2", "out"))


def pipe_is_not_judged(t):
    clear(t)
    t.refused(configured(t, "convert", "-f", "raw", "-O", "raw", "-", "out"), says="pipe")


def compare_keeps_its_option(t):
    """--strict of compare is qemu-img's; there the profile comes from before the verb."""
    t.succeeded(t.instar("compare", "--strict", "good.qcow2", "good.qcow2"))
    t.refused(t.instar("--strict", "compare", "-f", "qcow2", "-F", "qcow2", "good.qcow2",
                       "bad.qcow2"), code=2, says="backing-file")


def opens_nothing_named_under_configuration(t):
    clear(t)
    outcome, calls = tracing.trace(t, tracing.PATH_CALLS, "convert", "--strict", "-f", "qcow2", "-O", "raw", "bad.qcow2",
                                    "out")
    t.equal(outcome.code, 1, "exit code", outcome)
    tracing.demand_untouched(calls, "secret.raw")


def codes_are_documented(t):
    """The page lists every code, and no other."""
    source = (ROOT / "formats" / "base" / "reasons.h").read_text()
    known = re.findall(r'\{ReasonCode::k\w+, "([a-z-]+)"\}', source)
    listed = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(), re.MULTILINE)
    t.check(len(known) > 10, "codes in the source")
    t.equal(sorted(listed), sorted(known), "the codes in docs/strict.md")


def example_works(t):
    """The upload check of the page, as it stands there."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL).group(1)
    space = {}
    exec(compile(code.replace('"instar"', repr(str(t.tools.instar))), "strict.md", "exec"), space)
    check, refused = space["check_upload"], space["UploadRefused"]
    for form in ("raw", "qcow2", "vmdk", "vpc", "vhdx"):
        check(str(t.dir / f"good.{form}"), form, 1 << 30)
    for name, form, code in (("bad.qcow2", "qcow2", "backing-file"),
                             ("good.qcow2", "raw", "format-mismatch"),
                             ("good.raw", "qcow2", "format-mismatch")):
        try:
            check(str(t.dir / name), form, 1 << 30)
        except refused as error:
            t.check(code in str(error), f"{name} as {form}: {error}")
        else:
            t.check(False, f"{name} as {form} was taken in")
    try:
        check(str(t.dir / "absent"), "raw", 1 << 30)
    except refused:
        t.check(False, "what could not be judged is not the uploader's fault")
    except RuntimeError:
        pass
    else:
        t.check(False, "a file that is not there was taken in")


def groups():
    group = Group("strict", make)
    for isolation in ("kvm", "process", "none"):
        group.add(f"info --strict passes a sound image, {isolation}", passes, isolation)
        group.add(f"info --strict refuses with exit code 2, {isolation}", refuses, isolation)
    group.add("info --strict opens nothing that the image names", opens_no_reference)
    for name, (arguments, says) in NOT_JUDGED.items():
        group.add(f"info --strict of {name} could not be judged", not_judged, arguments, says)
    group.add("an image in use could not be judged", in_use)
    for verb, (arguments, code) in VERBS.items():
        group.add(f"configured: {verb} refuses what fails", verb_refuses, arguments, code)
        group.add(f"configured: {verb} goes on with what passes", verb_goes_on, arguments)
    group.add("configured: the format must be stated", verb_needs_a_format)
    group.add("configured: a pipe could not be judged", pipe_is_not_judged)
    group.add("--strict of another verb", verb_by_option)
    group.add("--strict of compare stays qemu-img's", compare_keeps_its_option)
    group.add("convert --strict opens nothing that the image names",
              opens_nothing_named_under_configuration)
    group.add("docs/strict.md lists every code", codes_are_documented)
    group.add("the upload check of docs/strict.md works", example_works)
    return [group]
