"""The measurements as the tables of docs/lab/cells.md."""

from collections.abc import Iterable


def markdown(reports: Iterable[dict]) -> str:
    """All claims in one table, then one section a part and allocator, in the order in which they were measured."""
    reports = list(reports)
    parts = [part for report in reports for part in report["parts"]]
    return "\n\n".join([_claims(parts), *(_section(part, report) for report in reports for part in report["parts"])])


def _claims(parts: list[dict]) -> str:
    """Each claim with what was measured and its bar, for each allocator."""
    allocators = list(dict.fromkeys(part["allocator"] for part in parts))
    rows: dict[tuple[str, str], dict[str, dict]] = {}
    for part in parts:
        for verdict in part["verdicts"]:
            rows.setdefault((part["question"].split(".")[0], verdict["claim"]), {})[part["allocator"]] = verdict
    lines = ["part", "what", *(cell for allocator in allocators for cell in (f"{allocator} allocator", "bar"))]
    table = [lines, ["---"] * len(lines)]
    for (letter, claim), found in rows.items():
        cells = [letter, claim]
        for allocator in allocators:
            verdict = found.get(allocator)
            cells += ["", ""] if verdict is None else [_measured(verdict), f"{verdict['bar']:.3g}"]
        table.append(cells)
    return "\n".join(f"| {' | '.join(row)} |" for row in table)


def _measured(verdict: dict) -> str:
    return f"{verdict['measured']:.3g}" + ("" if verdict["passed"] else " **missed**")


def _section(part: dict, report: dict) -> str:
    facts = part["machine"]
    loads = ", ".join(f"{load:.1f}" for load in facts["load_average"])
    marks = ["taken beside others' work" if report["even_if_busy"] else "on a quiet machine"]
    marks += ["quick: too few steps for a median"] if report["quick"] else []
    head = (
        f"### {part['question']}; {part['allocator']} allocator\n\n"
        f"{facts['date']}, {facts['processor']}, {facts['native']['set']}, load average {loads}; "
        f"{'; '.join(marks)}.\n"
    )
    rows = [_row(case) for case in part["cases"]]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(row.get(name, "") for name in columns) for row in rows]
    table = "\n".join(f"| {line} |" for line in lines)
    bars = "\n".join(
        f"- {'cleared' if verdict['passed'] else '**missed**'}: {verdict['claim']} {verdict['measured']:.4g}, "
        f"bar {verdict['bar']:.4g}"
        for verdict in part["verdicts"]
    )
    return f"{head}\n{table}\n\n{bars}"


def _row(case: dict) -> dict[str, str]:
    """Cells of one line: what every part has in common, then one column for each thing timed."""
    row = {"case": case["case"] + (f", {case['kind']}" if "kind" in case else "")}
    if "skipped" in case:
        return {**row, "ratio": f"skipped: {case['skipped']}"}
    if "ratio" in case:
        row["ratio"] = f"{case['ratio']:.2f}"
    if "ratio_of_least" in case:
        row["of the fastest steps"] = f"{case['ratio_of_least']:.2f}"
    if case.get("threads") == 1:
        row["of processor time"] = f"{case['ratio_of_cpu_time']:.2f}"
    if "most" in case:
        row["at the peak"] = f"{case['most']:.1f}"
    for name, timed in case.items():
        if isinstance(timed, dict) and "median_ms" in timed:
            row[name + ", ms"] = _timed(timed)
    if "share" in case:
        row |= {
            "GFLOP/s": f"{case['gflops']:.0f}",
            "peak": f"{case['peak_gflops']:.0f}",
            "share": f"{100 * case['share']:.0f} %",
            "of processor time": f"{100 * case['share_of_cpu_time']:.0f} %",
        }
    if "updates_a_second" in case:
        row["million updates a second"] = f"{case['updates_a_second'] / 1e6:.2f}"
        row["of processor time"] = f"{case['updates_a_second_of_cpu_time'] / 1e6:.2f}"
        row["at the peak"] = f"{case['most_updates_a_second'] / 1e6:.2f}"
        row["GB/s of states"] = f"{case['state_gigabytes_a_second']:.1f}"
    row["others' cores"] = f"{case['others_cores']:.1f}"
    return row


def _timed(timed: dict) -> str:
    text = f"{timed['median_ms']:.{0 if timed['median_ms'] >= 100 else 2}f}"
    if "minor_faults" in timed:
        text += f" ({timed['minor_faults']:.0f} faults"
        text += f", {timed['peak_mb']:.0f} MB)" if "peak_mb" in timed else ")"
    return text
