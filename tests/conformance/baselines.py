#!/usr/bin/env python3
"""Compares the program with what recorded versions of qemu-img printed.

    ./dev baselines DIR [--verb VERB]...

DIR holds the recordings: check.py, make_images.py, and outputs.json (command lines, and for each
version the exit code, standard output and standard error). They are not part of the project.

A command line that differs on purpose stands in baselines.toml with the reason. The run fails where
another one differs, and where one of these no longer does.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
VERSIONS = ("7.2", "10.1", "11.1")
REGISTRY = HERE / "baselines.toml"


class Wrong(Exception):
    """Nothing can be compared."""


def read_registry(text, versions=VERSIONS):
    """{version: {number: reason}} of baselines.toml."""
    expected = {version: {} for version in versions}
    for entry in tomllib.loads(text).get("difference", []):
        unknown = set(entry) - {"lines", "versions", "reason"}
        if unknown or not entry.get("lines") or not entry.get("reason"):
            raise Wrong(f"{REGISTRY.name}: an entry has lines, reason and perhaps versions: {entry}")
        named = entry.get("versions", list(versions))
        if not set(named) <= set(versions):
            raise Wrong(f"{REGISTRY.name}: versions are {', '.join(versions)}: {entry}")
        for version in named:
            for number in entry["lines"]:
                if number in expected[version]:
                    raise Wrong(f"{REGISTRY.name}: {number} stands there twice for {version}")
                expected[version][number] = entry["reason"]
    return expected


def chosen(expected, lines, verbs):
    """Those of `expected` whose command line is of one of `verbs`; all where there are none.
    `lines`: {number: command line}."""
    missing = sorted(set(expected) - set(lines))
    if missing:
        raise Wrong(f"{REGISTRY.name}: no such command lines: {', '.join(missing)}")
    return {number: reason for number, reason in expected.items()
            if not verbs or lines[number].split(" ")[0] in verbs}


def exceptions(expected):
    """The file for check.py --except."""
    return "".join(f"{number} {reason}\n" for number, reason in sorted(expected.items()))


class Recordings:
    """The folder of the recordings, and the images made for them."""

    def __init__(self, folder, program, images):
        self.folder = pathlib.Path(folder)
        self.environment = {**os.environ, "PROGRAM": str(program)}
        self.images = images
        with open(self.folder / "outputs.json", encoding="utf-8") as file:
            commands = json.load(file)["commands"]
        self.lines = {number: command["line"] for number, command in commands.items()}
        subprocess.run([sys.executable, self.folder / "make_images.py", images], check=True,
                       env={**self.environment, "PYTHONDONTWRITEBYTECODE": "1"})

    def differing(self, version, arguments, show):
        """Numbers of the command lines that differ; `show` has check.py print them."""
        with tempfile.TemporaryDirectory(prefix="instar-baselines.") as folder:
            report = pathlib.Path(folder, "report.json")
            process = subprocess.run(
                [sys.executable, self.folder / "check.py", version, "--images", self.images,
                 "--report", report, "--show", "all" if show else "0", *arguments],
                env={**self.environment, "PYTHONDONTWRITEBYTECODE": "1"}, check=False,
                stdout=None if show else subprocess.DEVNULL)
            if process.returncode not in (0, 1):
                raise Wrong(f"check.py ended with {process.returncode}")
            return {row["number"] for row in json.loads(report.read_text())}


def judge(recordings, version, expected, verbs):
    """What is wrong with one version, in lines."""
    expected = chosen(expected, recordings.lines, verbs)
    with tempfile.NamedTemporaryFile("w", prefix="instar-except.", encoding="utf-8") as file:
        file.write(exceptions(expected))
        file.flush()
        others = recordings.differing(
            version, [*(word for verb in verbs for word in ("--verb", verb)), "--except", file.name],
            show=True)
    wrong = [f"{version}: {number} differs, and {REGISTRY.name} does not say why: "
             f"{recordings.lines[number]}" for number in sorted(others)]
    if expected:
        still = recordings.differing(
            version, [word for number in sorted(expected) for word in ("--number", number)],
            show=False)
        wrong += [f"{version}: {number} no longer differs, but {REGISTRY.name} says so: "
                  f"{recordings.lines[number]}" for number in sorted(set(expected) - still)]
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("recordings", metavar="DIR", help="where the recordings are")
    parser.add_argument("--verb", action="append", default=[],
                        help="only this verb; may be given repeatedly")
    parser.add_argument("--version", action="append", choices=VERSIONS,
                        help="only this version; may be given repeatedly")
    parser.add_argument("--instar", default=HERE.parents[1] / "build/release/bin/instar",
                        help="the program (build/release/bin/instar)")
    options = parser.parse_args()
    try:
        expected = read_registry(REGISTRY.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory(prefix="instar-images.") as folder:
            recordings = Recordings(options.recordings, pathlib.Path(options.instar).resolve(),
                                    pathlib.Path(folder, "images"))
            wrong = [line for version in options.version or VERSIONS
                     for line in judge(recordings, version, expected[version], options.verb)]
    except (OSError, ValueError, Wrong, subprocess.CalledProcessError) as failure:
        sys.exit(f"baselines: {failure}")
    print("", *wrong, f"{len(wrong)} wrong", sep="\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
