"""What did the demo give? Writes docs/lab/demo.md from a run folder, and the same table into the README.

`make demo && .venv/bin/python benchmarks/readme_table.py demo/run`

A test holds the README against docs/lab/demo.md, so that no number of the README is written by hand.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- demo-results -->", "<!-- end of demo-results -->"
COMMAND = "make demo && .venv/bin/python benchmarks/readme_table.py demo/run"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the demo's run folder")
    run = parser.parse_args().run
    metrics = json.loads((run / "metrics.json").read_text())
    environment = json.loads((run / "environment.json").read_text())
    table = results(metrics)
    (ROOT / "docs/lab/demo.md").write_text(lab_page(table, metrics, environment))
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text(), table))
    print(table)
    return 0


def results(metrics: dict[str, Any]) -> str:
    """The models' errors as a Markdown table, and the verdict."""
    unit = metrics["units"][metrics["target"][0]]
    differences = {row["against"]: row for row in metrics["comparisons"] if row["metric"] == "rmse"}
    lines = [f"| model | RMSE ({unit}) | MAE ({unit}) | network minus model, RMSE |", "| --- | --- | --- | --- |"]
    for model, found in metrics["models"].items():
        row = differences.get(model)
        difference = f"{row['difference']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})" if row else ""
        lines.append(f"| {model.replace('_', ' ')} | {_cell(found['rmse'])} | {_cell(found['mae'])} | {difference} |")
    words = f"In brackets 95 % intervals over people. {metrics['verdict']}"
    return "\n".join([*lines, "", *textwrap.wrap(words, 118)])


def _cell(found: dict[str, float]) -> str:
    return f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"


def lab_page(table: str, metrics: dict[str, Any], environment: dict[str, Any]) -> str:
    """docs/lab/demo.md."""
    people = metrics["data"]["people"]
    network = metrics["models"]["network"]
    return "\n".join(
        [
            "# The demo's results",
            "",
            f"Written by `{COMMAND}`.",
            "",
            *textwrap.wrap(
                f"Example `blood-pressure`: {people['train']:,} people to train on, {people['tuning']:,} to tune on, "
                f"{people['held_out']:,} held out. The run took {environment['seconds']:.0f} s with "
                f"{environment['threads']} threads allowed; sequela {environment['sequela']}, torch "
                f"{environment['packages']['torch']}, instruction set {environment['native'].get('set', 'none')}.",
                118,
            ),
            "",
            table,
            "",
            (
                f"Of the 90 % intervals {100 * network['coverage']['value']:.1f} % "
                f"({100 * network['coverage']['low']:.1f} to {100 * network['coverage']['high']:.1f}) held the value; "
                f"their width is {network['width']['value']:.1f}."
            ),
            "",
        ]
    )


def with_table(readme: str, table: str) -> str:
    """The README with the table between its two marks."""
    before, mark, after = readme.partition(BEGIN)
    rest = after.partition(END)[2] if END in after else after
    return f"{before}{mark}\n\n{table}\n\n{END}{rest}"


if __name__ == "__main__":
    raise SystemExit(main())
