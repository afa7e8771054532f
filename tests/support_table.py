#!/usr/bin/env python3
"""The table in README.md of what works with which format, made by trying it.

    tests/support_table.py --instar build/release/bin/instar           prints it
    tests/support_table.py --instar build/release/bin/instar --write   puts it into README.md
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- support table: tests/support_table.py --write -->", "<!-- end of support table -->"

# Each column: its head, and the command that has to succeed. {f} is the format; x.FORMAT and
# y.FORMAT are equal images, x.raw their content.
COLUMNS = (
    ("create", ["create", "-q", "-f", "{f}", "new", "1M"]),
    ("info", ["info", "-f", "{f}", "x.{f}"]),
    ("convert from", ["convert", "-f", "{f}", "-O", "raw", "x.{f}", "new"]),
    ("convert to", ["convert", "-f", "raw", "-O", "{f}", "x.raw", "new"]),
    ("check", ["check", "-q", "-f", "{f}", "x.{f}"]),
    ("compare", ["compare", "-q", "-f", "{f}", "-F", "{f}", "x.{f}", "y.{f}"]),
    ("map", ["map", "-f", "{f}", "x.{f}"]),
    ("measure", ["measure", "-O", "{f}", "--size", "1M"]),
    ("dd", ["dd", "-f", "{f}", "-O", "{f}", "bs=64k", "count=1", "if=x.{f}", "of=new"]),
    ("amend", ["amend", "-f", "{f}", "-o", "compat=1.1", "x.{f}"]),
    ("bitmap", ["bitmap", "--add", "-f", "{f}", "x.{f}", "b"]),
    ("commit", ["commit", "-f", "{f}", "x.{f}"]),
    ("rebase", ["rebase", "-u", "-f", "{f}", "-b", "", "x.{f}"]),
    ("resize", ["resize", "-f", "{f}", "x.{f}", "+1M"]),
    ("snapshot", ["snapshot", "-c", "s", "x.{f}"]),
)


def formats(instar):
    """The formats that the program says it supports."""
    text = subprocess.run([instar, "--help"], capture_output=True, text=True, check=True).stdout
    return re.search(r"^Supported formats: (.*)$", text, re.MULTILINE)[1].split()


def works(instar, arguments, form):
    """Whether the command succeeds in a fresh directory with sample images."""
    with tempfile.TemporaryDirectory() as folder:
        content = b"instar\n\0" * 8192 + bytes(1 << 20)
        Path(folder, "x.raw").write_bytes(content)
        Path(folder, "y.raw").write_bytes(content)
        if form != "raw":
            for name in ("x", "y"):
                run(instar, ["convert", "-f", "raw", "-O", form, "x.raw", f"{name}.{form}"], folder)
        return run(instar, [argument.format(f=form) for argument in arguments], folder) == 0


def run(instar, arguments, folder):
    return subprocess.run([instar, *arguments], cwd=folder, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          check=False).returncode


def table(instar):
    names = formats(instar)
    lines = ["| | " + " | ".join(names) + " |", "|---|" + ":-:|" * len(names)]
    for head, arguments in COLUMNS:
        cells = ["yes" if works(instar, arguments, form) else "–" for form in names]
        lines.append(f"| {head} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def documented():
    """The table as README.md has it."""
    text = README.read_text()
    return text[text.index(BEGIN) + len(BEGIN):text.index(END)].strip() + "\n"


def write(instar):
    text = README.read_text()
    before, after = text[:text.index(BEGIN) + len(BEGIN)], text[text.index(END):]
    README.write_text(f"{before}\n{table(instar)}{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--instar", required=True, type=lambda name: str(Path(name).resolve()))
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if arguments.write:
        write(arguments.instar)
    else:
        sys.stdout.write(table(arguments.instar))


if __name__ == "__main__":
    main()
