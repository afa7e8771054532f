#!/usr/bin/env python3
"""Runs all tests of Instar, or some, and ends with one line: N passed, N failed, N skipped.

    tests/run.py                                  everything
    tests/run.py --only conformance -k subcluster cases whose name holds that word
    tests/run.py --only unit --build build/asan   the compiled tests of another build
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import xml.etree.ElementTree
from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
sys.path.insert(0, str(TESTS))

import conformance.amend  # noqa: E402
import conformance.bitmap  # noqa: E402
import conformance.check  # noqa: E402
import conformance.check_foreign  # noqa: E402
import conformance.checks  # noqa: E402
import conformance.compare  # noqa: E402
import conformance.create  # noqa: E402
import conformance.dd  # noqa: E402
import conformance.divergences  # noqa: E402
import conformance.errors  # noqa: E402
import conformance.header_kept  # noqa: E402
import conformance.hyper_v  # noqa: E402
import conformance.image_opts  # noqa: E402
import conformance.matrix  # noqa: E402
import conformance.measure  # noqa: E402
import conformance.measure_written  # noqa: E402
import conformance.mixed  # noqa: E402
import conformance.overwrite  # noqa: E402
import conformance.overwrite_qcow2  # noqa: E402
import conformance.readers  # noqa: E402
import conformance.repair  # noqa: E402
import conformance.resize  # noqa: E402
import conformance.snapshot  # noqa: E402
import conformance.vmdk  # noqa: E402
import crash.cases  # noqa: E402
import harness  # noqa: E402
import hostile.cases  # noqa: E402
import integration.cases  # noqa: E402

PYTHON_SUITES = {
    "conformance": lambda: [*conformance.checks.groups(), *conformance.compare.groups(),
                            *conformance.check.groups(), *conformance.check_foreign.groups(),
                            *conformance.errors.groups(),
                            *conformance.header_kept.groups(),
                            *conformance.readers.groups(), *conformance.create.groups(),
                            *conformance.measure.groups(), *conformance.dd.groups(),
                            *conformance.hyper_v.groups(), *conformance.image_opts.groups(),
                            *conformance.vmdk.groups(),
                            *conformance.matrix.groups(), *conformance.measure_written.groups(),
                            *conformance.mixed.groups(), *conformance.overwrite.groups(),
                            *conformance.overwrite_qcow2.groups(),
                            *conformance.amend.groups(), *conformance.bitmap.groups(),
                            *conformance.repair.groups(),
                            *conformance.resize.groups(), *conformance.snapshot.groups(),
                            *conformance.divergences.groups()],
    "hostile": hostile.cases.groups,
    "integration": integration.cases.groups,
    "crash": crash.cases.groups,
}
SUITES = ("unit", *PYTHON_SUITES)


def run_unit(build, jobs, tally, select_case, prefix="unit/", label=None):
    """Runs ctest (only the tests with that label, if given) and takes its verdicts over."""
    if not (build / "CTestTestfile.cmake").exists():
        tally.add(harness.Verdict("unit", "failed", f"{build} holds no configured build"))
        return
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "junit.xml")
        process = subprocess.run(
            ["ctest", "--test-dir", build, "-j", str(jobs), "--output-on-failure",
             "--no-tests=error", "--output-junit", report, *(["-L", label] if label else [])],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if not report.exists():
            tally.add(harness.Verdict("unit", "failed",
                                      process.stdout.decode("utf-8", "replace")[-4000:]))
            return
        found = xml.etree.ElementTree.parse(report).getroot().iter("testcase")
        before = tally.count("failed")
        for case in found:
            name = prefix + case.get("name")
            if select_case is None or select_case(name):
                tally.add(unit_verdict(name, case))
        if process.returncode != 0 and tally.count("failed") == before and select_case is None:
            tally.add(harness.Verdict("unit", "failed", f"ctest itself: {process.returncode}\n"
                                      + process.stdout.decode("utf-8", "replace")[-4000:]))


def unit_verdict(name, case):
    output = case.findtext("system-out") or ""
    failure, skipped = case.find("failure"), case.find("skipped")
    if failure is not None or case.get("status") == "fail":
        return harness.Verdict(name, "failed", output[-4000:])
    if skipped is not None or case.get("status") in ("notrun", "disabled"):
        reason = skipped.get("message", "") if skipped is not None else "disabled"
        if not reason.startswith("SKIP_"):  # not the test's own wish: not built, disabled
            return harness.Verdict(name, "failed", reason)
        return harness.Verdict(name, "skipped", reason_of_skip(output) or reason)
    return harness.Verdict(name, "passed")


def reason_of_skip(output):
    """The text given to GTEST_SKIP: the line after the place."""
    lines = output.splitlines()
    for number, line in enumerate(lines):
        if line.rstrip().endswith(": Skipped") and number + 1 < len(lines):
            return lines[number + 1].strip()
    return ""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--instar", default=None, help="the program (default: BUILD/bin/instar)")
    parser.add_argument("--build", default=ROOT / "build/release", type=Path)
    parser.add_argument("--ctest-build", action="append", default=[], type=Path,
                        help="another build (sanitizers) whose unit tests run as well")
    parser.add_argument("--only", action="append", choices=SUITES, help="may be given repeatedly")
    parser.add_argument("-k", "--keyword", help="only cases whose name holds this")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("--workdir", help="where scratch files go (default: the system's)")
    parser.add_argument("-v", "--verbose", action="store_true", help="a line for every case")
    parser.add_argument("--slowest", type=int, default=0, metavar="N",
                        help="print the N Python cases that took longest")
    parser.add_argument("--list", action="store_true", help="print the names of the Python cases")
    return parser.parse_args()


def main():
    options = arguments()
    suites = options.only or SUITES
    groups = [g for name in suites if name in PYTHON_SUITES for g in PYTHON_SUITES[name]()]
    if options.list:
        for group in groups:
            for name, _ in group.cases:
                print(f"{group.name}/{name}")
        return 0
    # A terminated run still removes its scratch files.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    select_case = (lambda name: options.keyword in name) if options.keyword else None
    tally = harness.Tally(options.verbose)
    start = time.monotonic()

    def tell_time(what):
        print(f"{what}: done after {time.monotonic() - start:.0f} s", flush=True)

    if "unit" in suites:
        run_unit(options.build, options.jobs, tally, select_case)
        for build in options.ctest_build:
            run_unit(build, options.jobs, tally, select_case, f"unit@{build.name}/", "unit")
        tell_time("unit tests")
    if groups:
        tools = harness.Tools(options.instar or options.build / "bin/instar", options.workdir,
                              options.jobs)
        if os.access(tools.instar, os.X_OK):
            with open(TESTS / "conformance/divergences.toml", "rb") as file:
                registry = tomllib.load(file)["divergence"]
            harness.run_groups(groups, tools, tally, select_case, harness.Divergences(registry),
                               every_suite=not options.only)
            tell_time("other suites")
        else:
            tally.add(harness.Verdict("instar", "failed", f"{tools.instar} is no program"))
    tally.print_skips()
    tally.print_slowest(options.slowest)
    failed = [v.name for v in tally.verdicts if v.status == "failed"]
    if failed:
        print("Failed:\n  " + "\n  ".join(failed))
    print(tally.summary())
    return 1 if failed or not tally.verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
