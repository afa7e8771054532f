"""How a run of Instar is held against the same run of qemu-img."""

import json

from harness import Failure


def unique_keys(pairs):
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise Failure(f"a JSON object repeats a key: {names}")
    return dict(pairs)


def parse(t, outcome):
    try:
        return json.loads(outcome.out.decode("utf-8"), object_pairs_hook=unique_keys)
    except ValueError as error:
        raise Failure(f"not JSON: {error}\n{outcome.describe()}") from error


def take_opened_references(t, report):
    """Takes our own member out of what info says: qemu-img has none (docs/divergences.md)."""
    first = report[0] if isinstance(report, list) else report
    opened = first.pop("opened-references", [])
    for reference in opened:
        t.equal(sorted(reference), ["filename", "kind", "named-by"], "an opened reference")
    return opened


def as_qemu(t):
    return f"--qemu-version={t.tools.qemu_version}"


def fields(value, path=""):
    """Flattens JSON into path -> scalar, so that a difference names its field."""
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        return {path: value}
    flat = {path + "/": type(value).__name__}
    for key, inner in items:
        flat.update(fields(inner, f"{path}/{key}"))
    return flat


def differing_fields(got, want):
    got, want = fields(got), fields(want)
    return {key: (got.get(key, "absent"), want.get(key, "absent"))
            for key in sorted(got.keys() | want.keys())
            if got.get(key, "absent") != want.get(key, "absent")}


def same_output(t, *arguments):
    """Exit code and standard output are qemu-img's, byte for byte; a complaint is one line."""
    want = t.qemu_img(*arguments)
    verb, *rest = arguments
    got = t.instar(verb, as_qemu(t), *rest)
    t.equal(got.code, want.code, "exit code", got, want)
    t.equal(got.text.split("\n"), want.text.split("\n"), "standard output", got, want)
    complaint = t.complaint(got)
    t.check(bool(complaint) == bool(want.err_lines), "complaints", got, want)
    t.clean(got)
    return got
