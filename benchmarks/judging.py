"""What bars.toml says of measured rows."""

import statistics


def ratio(mine, theirs):
    """The median of what the runs of a pair have to each other, which went one after the other."""
    return statistics.median(a / b for a, b in zip(mine["seconds"], theirs["seconds"]))


def digits(ratio):
    """A ratio for people: 0.45, 0.0071."""
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.4f}"


def settled(seconds):
    """Whether the middle half of what was measured lies within a fifth of the median."""
    if len(seconds) < 2:
        return True
    low, _, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return high - low <= 0.2 * statistics.median(seconds)


def copies(result):
    """The ways of doing the bare work of a row, if there is not more to it."""
    return list(result.get("bare", {}).values())


def bare_seconds(result):
    """The fastest way to do the bare work of the row; None where there is more to it."""
    return min((told["median_seconds"] for told in copies(result)), default=None)


def least(result):
    """The least ratio to qemu-img that was seen of the row's work: that of the bare work, unless
    instar has less, whatever the isolation. None where the bare work is not known."""
    bare = copies(result)
    return min(ratio(told, result["qemu_img"])
               for told in bare + list(result["instar"].values())) if bare else None


def judge(result, told, bar, most_over):
    """The verdict on a row: "met", "out of reach" or "missed", and in words. A ratio is out of reach
    where the least work does not have it; then it counts how near the row comes to that."""
    theirs = result["qemu_img"]
    for what, key in (("bytes of storage", "allocated_bytes"), ("bytes", "file_bytes")):
        if bar.get("no_larger") and told[key] > theirs[key]:
            return "missed", f"{told[key]} {what}, qemu-img {theirs[key]}"
    if told["peak_mib"] > bar.get("peak_mib", told["peak_mib"]):
        return "missed", f"{told['peak_mib']:.0f} MiB of memory, allowed {bar['peak_mib']}"
    text = f"{digits(told['ratio'])}, allowed {digits(bar['max_ratio'])}"
    if told["ratio"] <= bar["max_ratio"]:
        return "met", text
    limit = least(result)
    if limit is None:
        return "missed", text
    over = told["ratio"] / limit
    beyond = limit > bar["max_ratio"] and over <= bar.get("most_over", most_over)
    return "out of reach" if beyond else "missed", (
        text + f"; the least there is has {limit:.2f}, this takes {over:.2f} times as long")


def missed_by_all(results, demanded):
    """Where a row uses too much memory, or differs too much between two isolations."""
    of_their_own = {bar["row"] for bar in demanded["bar"] if "peak_mib" in bar}
    for result in results:
        theirs = result["qemu_img"]
        for isolation, told in result["instar"].items():
            if (result["row"] not in of_their_own and
                    told["peak_mib"] > theirs["peak_mib"] + demanded["memory"]["most_more_mib"]):
                yield (f"{result['row']} ({isolation}): {told['peak_mib']:.0f} MiB of memory, "
                       f"qemu-img {theirs['peak_mib']:.0f} MiB")
        process, kvm = (result["instar"].get(name) for name in ("process", "kvm"))
        if process and kvm:
            times = ratio(process, kvm)
            if times > demanded["process"]["most_of_kvm"]:
                yield f"{result['row']}: process takes {times:.2f} times as long as kvm"
        elif kvm:
            yield f"{result['row']}: not measured with process"


def check(results, unmeasured, demanded):
    """What bars.toml says of all rows: whether nothing is missed, and the verdicts in words.
    `unmeasured`: why not, of rows."""
    lines = [f"missed: {line}" for line in missed_by_all(results, demanded)]
    barred = {bar["row"] for bar in demanded["bar"]}
    lines += [f"missed: {result['row']}: there is no bar" for result in results
              if result["row"] not in barred]
    by_name = {result["row"]: result for result in results}
    for bar in demanded["bar"]:
        result = by_name.get(bar["row"])
        told = result and result["instar"].get("kvm")
        if told:
            verdict, text = judge(result, told, bar, demanded["physical"]["most_over"])
        else:
            verdict, text = "missed", "not measured" + (
                ": " + unmeasured[bar["row"]] if bar["row"] in unmeasured else " with kvm")
        lines.append(f"{verdict}: {bar['row']}: {text}")
    return not any(line.startswith("missed") for line in lines), lines
