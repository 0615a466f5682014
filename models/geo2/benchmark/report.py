"""From the results of single trainings to the rows that are committed, and from these to the table of docs/benchmark.md."""

import json
import statistics
from pathlib import Path

from ..evaluate.report import write_report

KEY = ("system", "task", "split", "condition", "metric")
BEGIN, END = "<!-- benchmark:begin -->", "<!-- benchmark:end -->"
COLUMNS = (
    ("minutes", ("train", None, "train_minutes")),
    ("R@1", ("cross_area", "aligned", "r1")),
    ("hit", ("cross_area", "aligned", "hit")),
    ("300 m", ("cross_area", "aligned_near300", "r1")),
    ("any heading", ("cross_area", "unknown_heading", "r1")),
    ("FoV 180", ("cross_area", "fov180_unknown_heading", "r1")),
    ("FoV 90", ("cross_area", "fov90_unknown_heading", "r1")),
    ("FoV 70", ("cross_area", "fov70_unknown_heading", "r1")),
    ("photo", ("cross_area", "photo", "r1")),
    ("10k more", ("cross_area", "aligned_distractors10000", "r1")),
    ("100k more", ("cross_area", "aligned_distractors100000", "r1")),
    ("cross-style", ("cross_style", "aligned", "r1")),
    ("same-area", ("same_area", "aligned", "r1")),
)


def over_seeds(results: list[list[dict]]) -> list[dict]:
    """One row of each value: that of the only seed, or the mean over the seeds with their standard deviation `sd` and how many, `seeds`. The
    interval is then that of the mean seed: as wide as one seed's, about the mean."""
    groups: dict[tuple, list[dict]] = {}
    for rows in results:
        for row in rows:
            groups.setdefault(tuple(row[k] for k in KEY), []).append(row)
    return [_over_seeds(rows) for rows in groups.values()]


def _over_seeds(rows: list[dict]) -> dict:
    if len(rows) == 1:
        return rows[0]
    values = [row["value"] for row in rows]
    ends = [round(statistics.mean(row["ci95"][i] for row in rows), 3) for i in (0, 1)]
    merged = rows[0] | {"value": round(statistics.mean(values), 3), "ci95": ends}
    return merged | {"sd": round(statistics.stdev(values), 3), "seeds": len(values)}


def read_report(path: Path) -> list[dict]:
    return json.loads(path.read_text()) if path.exists() else []


def replace_system(path: Path, system: str, rows: list[dict]) -> None:
    """Write rows of a system into a report, in place of those that it had; other systems keep theirs."""
    write_report(path, [row for row in read_report(path) if row["system"] != system] + rows)


def markdown_table(rows: list[dict]) -> str:
    """A line a system; a dash where nothing was measured."""
    titles = ["system", *(title for title, _ in COLUMNS)]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for system in dict.fromkeys(row["system"] for row in rows):
        own = [row for row in rows if row["system"] == system]
        lines.append("| " + " | ".join([system, *(_cell(own, *where) for _, where in COLUMNS)]) + " |")
    return "\n".join(lines) if len(lines) > 2 else "Nothing has been measured yet."


def _cell(rows: list[dict], split: str, condition: str | None, metric: str) -> str:
    for row in rows:
        if (row["split"], row["metric"]) == (split, metric) and condition in (None, row["condition"]):
            return f"{row['value']:.1f}" + (f" ± {row['sd']:.1f}" if "sd" in row else "")
    return "-"


def write_table(report: Path, page: Path) -> None:
    """Put the table of a report between the markers of a page. ValueError where the page has none."""
    text = page.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"{page}: expected one {BEGIN} and, after it, one {END}")
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{head}{BEGIN}\n{markdown_table(read_report(report))}\n{END}{tail}")
