#!/usr/bin/env python3
"""The manual page, completions, option tables of docs/verbs and list of verbs, made from --help.

    tests/generated_docs.py --instar build/release/bin/instar           names what is stale
    tests/generated_docs.py --instar build/release/bin/instar --write   renews it

--help itself is written from the rows that the program reads options with (cli/options.h). Here
only the parts between two marks are made; the rest of these files is written by hand.
"""

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import support_table

ROOT = Path(__file__).resolve().parent.parent
MANUAL = "packaging/man/instar.1"
COMPLETIONS = {name: f"packaging/completions/instar.{name}" for name in ("bash", "zsh", "fish")}
BEGIN, END = "made by './dev docs': {}", "end of what './dev docs' made"


# ---- what --help says

@dataclass
class Option:
    letter: str  # "-f" or nothing
    names: list  # "--format"
    value: str   # "FORMAT", "human|json" or nothing
    help: str    # on one line

    def spellings(self):
        return ([self.letter] if self.letter else []) + self.names

    def repeatable(self):
        return "may be repeated" in self.help or "several are" in self.help

    def brief(self):
        """The first statement of its help, without what is in parentheses."""
        return re.split(r"; |\. |: ", re.sub(r" \([^)]*\)", "", self.help))[0]

    def choices(self, formats):
        if "|" in self.value:
            return self.value.split("|")
        return formats if self.value == "FORMAT" else []


@dataclass
class Verb:
    name: str
    brief: str = ""
    synopsis: list = field(default_factory=list)  # "[OPTION...] FILE", a form of the command each
    description: list = field(default_factory=list)  # lines
    options: list = field(default_factory=list)


@dataclass
class Program:
    verbs: list
    options: list  # before the verb
    common: list   # of every verb, and before it
    formats: list
    refused: list  # formats that are recognised


def help_of(instar, *verb):
    process = subprocess.run([instar, *verb, "--help"], stdout=subprocess.PIPE, text=True,
                             check=True)
    return process.stdout


def section(text, head):
    """The lines below `head` up to an empty one."""
    return text.split(f"\n{head}:\n", 1)[1].split("\n\n", 1)[0].splitlines()


def options_below(text, head):
    options = []
    for line in section(text, head):
        if line.startswith("      "):
            options[-1].help = f"{options[-1].help} {line.strip()}".strip()
            continue
        spellings, _, value = re.fullmatch(r"  ((-[^ ]+, )*-[^ ]+) ?(.*)", line).groups()
        names = spellings.split(", ")
        letter = names.pop(0) if len(names[0]) == 2 else ""
        options.append(Option(letter, names, value, ""))
    return options


def read_verb(instar, name, brief):
    text = help_of(instar, name)
    head = text.split("\nOptions:\n", 1)[0].splitlines()
    verb = Verb(name, brief)
    start = re.compile(rf"(usage:|      ) instar {name} ")
    while start.match(head[0]):
        verb.synopsis.append(start.sub("", head.pop(0)))
    verb.description = head
    verb.options = options_below(text, "Options")
    return verb


def read_program(instar):
    text = help_of(instar)
    verbs = [line.split(None, 1) for line in section(text, "Verbs") if line.startswith("  ")]
    listed = {head: re.search(rf"^{head}: (.*)$", text, re.M)[1].split()
              for head in ("Supported formats", "Recognised and refused")}
    return Program([read_verb(instar, *verb) for verb in verbs], options_below(text, "Options"),
                   options_below(text, "Options that every verb takes as well"),
                   listed["Supported formats"], listed["Recognised and refused"])


# ---- the pages in docs/verbs

def as_code(text):
    """Marks options, and what is quoted, as code."""
    text = re.sub(r"(?<!\w)'([^']+)'(?!\w)", r"`\1`", text)
    return re.sub(r"(?<![\w`-])(--?[A-Za-z][\w-]*(?:[ =][a-z_]+=\w+)?)(?![\w`])", r"`\1`", text)


def option_table(options):
    lines = ["| option | what |", "|---|---|"]
    for option in options:
        if "--help" in option.names:
            continue
        spellings = option.spellings()
        if option.value:
            spellings[-1] += " " + option.value.replace("|", "\\|")
        cell = ", ".join(f"`{spelling}`" for spelling in spellings)
        lines.append(f"| {cell} | {as_code(option.help)} |")
    return lines


def readme_parts(program):
    return {"verbs": [f"- [{verb.name}](docs/verbs/{verb.name}.md): {verb.brief}"
                      for verb in program.verbs]}


def page_parts(verb):
    forms = [f"instar {verb.name} {form}" for form in verb.synopsis]
    return {"synopsis": ["```", *forms, "```"], "options": option_table(verb.options)}


# ---- the manual page

def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text[:1] in (".", "'") else text


def sentence(text):
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def roff_lines(lines):
    """Paragraphs, with what is indented as it stands."""
    made, literal = [], False
    for line in lines:
        if line.startswith("  ") != literal:
            literal = not literal
            made.append(".nf" if literal else ".fi")
        made.append(roff(line) if line else ".PP")
    return made + ([".fi"] if literal else [])


def roff_options(options, with_help=True):
    lines = []
    for option in options:
        if "--help" in option.names and not with_help:
            continue
        head = ", ".join(f"\\fB{roff(spelling)}\\fR" for spelling in option.spellings())
        value = option.value.replace("|", " | ") if option.value else ""
        lines += [".TP", head + (f" \\fI{roff(value)}\\fR" if value else ""),
                  roff(sentence(option.help))]
    return lines


def manual_parts(program):
    synopsis, verbs = [], []
    for verb in program.verbs:
        for form in verb.synopsis:
            synopsis += [".br"] if synopsis else []
            synopsis.append(f"\\fBinstar {verb.name}\\fR {roff(form)}")
        verbs += [f".SS {verb.name}", *roff_lines(verb.description),
                  *roff_options(verb.options, with_help=False)]
    return {"synopsis": synopsis, "formats": manual_formats(program), "verbs": verbs,
            "options of every verb": roff_options(program.common + program.options)}


def manual_formats(program):
    """What works with which format, as the table in README.md has it."""
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")]
                      for line in support_table.documented().splitlines()]
    by_formats = {}
    for what, *cells in rows:
        formats = tuple(name for name, cell in zip(head[1:], cells) if cell == "yes")
        if formats:
            by_formats.setdefault(formats, []).append(what)
    lines = ["Formats: " + ", ".join(program.formats) + "."]
    for formats, what in by_formats.items():
        lines += [".TP", ", ".join(f"\\fB{each}\\fR" for each in what), ", ".join(formats)]
    return lines + [".PP", "Recognised and refused, never taken for raw: "
                    + ", ".join(program.refused) + "."]


# ---- completions

def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def bash_parts(program):
    lines = [f"_instar_verbs={quoted(' '.join(verb.name for verb in program.verbs))}", "",
             "# _instar_options VERB: its options; without a verb those that come before it.",
             "_instar_options() {", "  case $1 in"]
    owners = [(quoted(""), program.options), *((v.name, v.options) for v in program.verbs)]
    for name, options in owners:
        spellings = [s for option in options for s in option.spellings()]
        lines.append(f"    {name}) echo {quoted(' '.join(spellings))} ;;")
    common = [s for option in program.common for s in option.spellings()]
    lines += ["  esac", f"  echo {quoted(' '.join(common))}", "}", "",
              "# _instar_value VERB OPTION: the words its value may be, FILE, DIR, or ANY; nothing",
              "# where it takes none.", "_instar_value() {", "  case $1:$2 in"]
    for owner, options in [*owners, ("*", program.common)]:
        owner = "" if owner == quoted("") else owner
        for option in options:
            if not option.value:
                continue
            pattern = " | ".join(f"{owner}:{spelling}" for spelling in option.spellings())
            value = option.value if option.value in ("FILE", "DIR") else "ANY"
            words = " ".join(option.choices(program.formats)) or value
            lines.append(f"    {pattern}) echo {quoted(words)} ;;")
    return {"options": lines + ["  esac", "}"]}


def fish_parts(program):
    lines = []

    def add(option, condition):
        words = ["complete", "-c", "instar"]
        words += ["-n", quoted(condition)] if condition else []
        words += ["-s", option.letter[1:]] if option.letter else []
        for name in option.names:
            words += ["-l", name[2:]]
        if option.value in ("FILE", "DIR"):
            words.append("-r")
        elif option.value:
            words.append("-x")
        choices = option.choices(program.formats)
        words += ["-a", quoted(" ".join(choices))] if choices else []
        lines.append(" ".join([*words, "-d", quoted(option.brief())]))

    for verb in program.verbs:
        lines.append(f"complete -c instar -n __fish_use_subcommand -a {verb.name} "
                     f"-d {quoted(verb.brief)}")
    for option in program.options:
        add(option, "__fish_use_subcommand")
    for verb in program.verbs:
        for option in verb.options:
            add(option, f"__fish_seen_subcommand_from {verb.name}")
    for option in program.common:
        add(option, "")
    return {"options": lines}


def zsh_specs(program, options):
    specs = []
    for option in options:
        spellings = option.spellings()
        others = "*" if option.repeatable() else f"({' '.join(spellings)})"
        brief = re.sub(r"([\[\]:])", r"\\\1", option.brief())
        choices = option.choices(program.formats)
        value = ""
        if option.value:
            action = {"FILE": "_files", "DIR": "_files -/"}.get(option.value, " ")
            action = f"({' '.join(choices)})" if choices else action
            value = f":{'value' if '|' in option.value else option.value}:{action}"
        for spelling in spellings:
            suffix = "" if not option.value else "=" if spelling.startswith("--") else "+"
            specs.append(quoted(f"{others}{spelling}{suffix}[{brief}]{value}"))
    return specs


def zsh_parts(program):
    lines = ["_instar_verbs=("]
    lines += [f"  {quoted(f'{verb.name}:{verb.brief}')}" for verb in program.verbs]
    lines += [")", "_instar_common=("]
    lines += [f"  {spec}" for spec in zsh_specs(program, program.common)]
    lines += [")", "_instar_before=("]
    lines += [f"  {spec}" for spec in zsh_specs(program, program.options)]
    lines += [")", "# _instar_set VERB: fills _instar_own with the options of this verb.",
              "_instar_set() {", "  case $1 in"]
    for verb in program.verbs:
        lines += [f"    {verb.name})", "      _instar_own=("]
        lines += [f"        {spec}" for spec in zsh_specs(program, verb.options)]
        lines += ["      )", "      ;;"]
    return {"options": lines + ["  esac", "}"]}


# ---- files

COMMENTS = {".md": ("<!-- ", " -->"), ".1": ('.\\" ', ""), ".bash": ("# ", ""), ".zsh": ("# ", ""),
            ".fish": ("# ", "")}


def renewed(path, parts):
    """The text of the file with each part made anew."""
    if not path.exists():
        raise ValueError(f"{path} is missing; the marks of its neighbours go into it")
    text = path.read_text()
    before, after = COMMENTS[path.suffix]
    for name, lines in parts.items():
        begin, end = (before + mark.format(name) + after + "\n" for mark in (BEGIN, END))
        if begin not in text:
            raise ValueError(f"{path} has no line '{begin.strip()}'")
        head, rest = text.split(begin, 1)
        text = head + begin + "\n".join(lines) + "\n" + end + rest.split(end, 1)[1]
    return text


def documents(instar):
    """The text that each file should have."""
    program = read_program(instar)
    parts = {MANUAL: manual_parts(program), COMPLETIONS["bash"]: bash_parts(program),
             COMPLETIONS["zsh"]: zsh_parts(program), COMPLETIONS["fish"]: fish_parts(program)}
    parts["README.md"] = readme_parts(program)
    parts |= {f"docs/verbs/{verb.name}.md": page_parts(verb) for verb in program.verbs}
    return {name: renewed(ROOT / name, made) for name, made in parts.items()}


def stale(instar):
    """Names of files that do not say what the program says."""
    return [name for name, text in documents(instar).items() if (ROOT / name).read_text() != text]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--instar", required=True, type=lambda name: str(Path(name).resolve()))
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if not arguments.write:
        names = stale(arguments.instar)
        sys.stdout.writelines(f"{name}\n" for name in names)
        return 1 if names else 0
    for name, text in documents(arguments.instar).items():
        (ROOT / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
