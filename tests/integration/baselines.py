"""What ./dev baselines calls wrong: differences without a reason, and reasons without a difference."""

from conformance import baselines
from harness import Failure, Group

LINES = {"0001": "resize disk 1M", "0002": "resize disk", "0003": "info disk"}


class Recordings:
    """In the place of recorded versions: the command lines that differ, by version."""

    lines = LINES

    def __init__(self, differ):
        self.differ = differ

    def differing(self, version, arguments, show):
        words = list(arguments)
        if "--number" in words:
            return self.differ[version] & set(words[1::2])
        with open(words[words.index("--except") + 1], encoding="utf-8") as file:
            excepted = {line.split()[0] for line in file}
        verbs = [words[at + 1] for at, word in enumerate(words) if word == "--verb"]
        return {number for number in self.differ[version] - excepted
                if not verbs or LINES[number].split()[0] in verbs}


def entry(lines, **others):
    text = f"[[difference]]\nlines = {lines}\n"
    return text + "".join(f"{key} = {value!r}\n" for key, value in others.items())


def judged(t):
    registry = entry(["0002"], versions=["7.2"], reason="a help of our own")
    expected = baselines.read_registry(registry)
    t.equal(expected, {"7.2": {"0002": "a help of our own"}, "10.1": {}, "11.1": {}}, "the registry")
    t.equal(baselines.exceptions(expected["7.2"]), "0002 a help of our own\n", "the exceptions")

    def wrong(differ, verbs=("resize",)):
        recordings = Recordings({"7.2": set(differ)})
        return [line.split(",")[0] for line in
                baselines.judge(recordings, "7.2", expected["7.2"], list(verbs))]
    t.equal(wrong(["0002"]), [], "what differs has a reason")
    t.equal(wrong(["0001", "0002"]), ["7.2: 0001 differs"], "what differs has none")
    t.equal(wrong([]), ["7.2: 0002 no longer differs"], "a reason is stale")
    t.equal(wrong(["0003"], ["info"]), ["7.2: 0003 differs"], "only one verb is asked for")
    t.equal(wrong(["0002", "0003"], []), ["7.2: 0003 differs"], "all verbs are asked for")


def refused(t):
    for text, why in ((entry(["0001"]), "without a reason"),
                      (entry(["0001"], reason="x", version=["7.2"]), "with an unknown member"),
                      (entry(["0001"], reason="x", versions=["7.3"]), "of an unknown version"),
                      (entry(["0001", "0001"], reason="x"), "of one line twice")):
        try:
            baselines.read_registry(text)
        except baselines.Wrong:
            continue
        raise Failure(f"an entry {why} was taken")
    try:
        baselines.chosen({"0009": "x"}, LINES, [])
    except baselines.Wrong:
        return
    raise Failure("an entry of no command line was taken")


def registry_is_well_formed(t):
    expected = baselines.read_registry(baselines.REGISTRY.read_text(encoding="utf-8"))
    t.equal(set(expected), set(baselines.VERSIONS), "versions")


def groups():
    group = Group("baselines")
    group.case("differences and reasons")(judged)
    group.case("a registry that is not well-formed")(refused)
    group.case("the registry")(registry_is_well_formed)
    return [group]
