"""When ./dev bench --check says that a bar is met, out of reach or missed."""

import importlib.util
import pathlib
import subprocess
import sys

from harness import Group

BENCHMARKS = pathlib.Path(__file__).resolve().parents[2] / "benchmarks"


def load(name):
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def timed(*seconds):
    return {"seconds": seconds, "median_seconds": sorted(seconds)[len(seconds) // 2]}


def run(judging, kvm, process=None, bare=None, peak=10):
    """One row in which qemu-img takes one second, and what it may take: 0.7 of that. With process
    it is as fast as with kvm where nothing else is said."""
    theirs = {**timed(1, 1, 1), "peak_mib": 20, "allocated_bytes": 100, "file_bytes": 1000}
    mine = {"kvm": timed(*kvm), "process": timed(*(process or kvm))}
    for told in mine.values():
        told |= {"ratio": judging.ratio(told, theirs), "peak_mib": peak, "allocated_bytes": 101,
                 "file_bytes": 1000}
    result = {"row": "row", "qemu_img": theirs, "instar": mine}
    if bare:
        result["bare"] = {"read": timed(*bare), "large": timed(3, 3, 3)}
    return [result], {"memory": {"most_more_mib": 32}, "process": {"most_of_kvm": 1.1},
                      "physical": {"most_over": 1.25}, "bar": [{"row": "row", "max_ratio": 0.7}]}


def verdict(judging, *arguments, **more):
    results, demanded = run(judging, *arguments, **more)
    good, lines = judging.check(results, {}, demanded)
    return good, [line.split(":")[0] for line in lines]


def verdicts(t):
    judging = load("judging")
    half, most, near, far = (0.5,) * 3, (0.7,) * 3, (0.8,) * 3, (0.95,) * 3
    t.equal(verdict(judging, half), (True, ["met"]), "below the bar")
    t.equal(verdict(judging, most), (True, ["met"]), "at the bar")
    t.equal(verdict(judging, near), (False, ["missed"]), "above it")
    t.equal(verdict(judging, near, bare=(0.75,) * 3), (True, ["out of reach"]), "near the least")
    t.equal(verdict(judging, far, bare=(0.75,) * 3), (False, ["missed"]), "far from the least")
    results, demanded = run(judging, far, bare=(0.75,) * 3)
    demanded["bar"][0]["most_over"] = 1.3
    t.equal(judging.check(results, {}, demanded)[0], True, "far from the least, as the bar allows")
    t.equal(verdict(judging, near, bare=half), (False, ["missed"]), "the bare work has it")
    t.equal(verdict(judging, near, process=(0.78,) * 3, bare=(0.9,) * 3), (True, ["out of reach"]),
            "what instar does itself counts as the least")
    t.equal(verdict(judging, near, process=half, bare=(0.9,) * 3), (False, ["missed"]),
            "what instar does itself is in reach")
    t.equal(verdict(judging, half, process=most), (False, ["missed", "met"]), "a slow process mode")
    t.equal(verdict(judging, half, peak=53), (False, ["missed", "missed", "met"]),
            "too much memory")
    t.equal(verdict(judging, (0.1, 0.9, 0.9)), (False, ["missed"]), "the median of the pairs counts")


def what_is_not_measured_is_missed(t):
    judging = load("judging")
    results, demanded = run(judging, (0.5,) * 3)
    demanded["bar"].append({"row": "another", "max_ratio": 0.7})
    good, lines = judging.check(results, {"another": "no such file system"}, demanded)
    t.equal((good, lines[-1]), (False, "missed: another: not measured: no such file system"),
            "a row that could not be measured")
    del results[0]["instar"]["process"]
    t.equal(judging.check(results, {}, demanded)[1][0], "missed: row: not measured with process",
            "an isolation that was left out")
    results, demanded = run(judging, (0.5,) * 3)
    demanded["bar"][0]["no_larger"] = True
    t.equal(judging.check(results, {}, demanded)[1][0],
            "missed: row: 101 bytes of storage, qemu-img 100", "a larger file")
    results[0]["instar"]["kvm"] |= {"allocated_bytes": 100, "file_bytes": 1001}
    t.equal(judging.check(results, {}, demanded)[1][0],
            "missed: row: 1001 bytes, qemu-img 1000", "a longer file")
    results, demanded = run(judging, (0.5,) * 3)
    demanded["bar"][0]["peak_mib"] = 9
    t.equal(judging.check(results, {}, demanded)[1][0], "missed: row: 10 MiB of memory, allowed 9",
            "more memory than the bar allows")
    demanded["bar"] = []
    t.equal(judging.check(results, {}, demanded)[1][0], "missed: row: there is no bar",
            "a row without a bar")


def what_scatters(t):
    """The middle half counts, not what lies outside it."""
    judging = load("judging")
    for seconds, settled in (((1,), True), ((1, 1.1, 1.05, 1.02, 9), True),
                             ((1, 1.1, 1.05, 5, 9), False), ((1, 1.3, 1, 1.3, 1, 1.3), False)):
        t.equal(judging.settled(seconds), settled, f"settled {seconds}")


def refused(t):
    """Before anything is made or looked for, in one line."""
    def told(*arguments):
        done = subprocess.run([sys.executable, BENCHMARKS / "compare.py", *arguments],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr.count("\n")

    for arguments in (["--size", "1000"], ["--size", "0"], ["--size", "-16M"], ["--size", "4X"],
                      ["--size", ""], ["--size", "24M"], ["--dir", "/nonexistent"],
                      ["--dir", __file__], ["--dir", "/proc"], ["--rows", "no such row"],
                      ["--pairs", "0"], ["--check", "--pairs", "4"], ["--check", "--size", "256M"],
                      ["--check", "--rows", "info", "--size", "256M"],
                      ["--check", "--dir", "/proc"]):
        t.equal(told(*arguments), (2, "", 1), " ".join(arguments))


def groups():
    group = Group("verdicts of the benchmark")
    group.case("met, out of reach, missed")(verdicts)
    group.case("what is not measured, and what is too large")(what_is_not_measured_is_missed)
    group.case("what scatters is measured again")(what_scatters)
    group.case("arguments that make no sense")(refused)
    return [group]
