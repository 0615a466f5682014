"""The report: a flat list of rows that any two reports can be compared by."""

import json
import math
from pathlib import Path

COLUMNS = ("system", "task", "split", "condition", "metric", "value", "n", "ci95")


def wilson(percent: float, n: int) -> list[float]:
    """95 % interval of a share in percent (Wilson score)."""
    if n == 0:
        return [0.0, 100.0]
    z, p = 1.959964, percent / 100
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return [round(100 * max(0.0, centre - half), 3), round(100 * min(1.0, centre + half), 3)]


def share_row(system: str, split: str, condition: str, metric: str, percent: float, n: int, task: str = "retrieval") -> dict:
    """A row whose value is a share of n queries, in percent."""
    values = (system, task, split, condition, metric, round(percent, 3), n, wilson(percent, n))
    return dict(zip(COLUMNS, values, strict=True))


def write_report(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


def merge_report(path: Path, rows: list[dict]) -> None:
    """Write rows over those of the same system, task, split, condition and metric in a report that may be there."""

    def key(row: dict) -> tuple:
        return tuple(row[name] for name in COLUMNS[:5])

    kept = {key(row): row for row in (json.loads(path.read_text()) if path.exists() else [])}
    write_report(path, list((kept | {key(row): row for row in rows}).values()))


def format_table(rows: list[dict]) -> str:
    """One line a split and condition, metrics side by side."""
    groups: dict[tuple[str, str, str, str], dict[str, dict]] = {}
    for row in rows:
        groups.setdefault((row["system"], row["task"], row["split"], row["condition"]), {})[row["metric"]] = row
    lines = []
    for (system, task, split, condition), metrics in groups.items():
        cells = "  ".join(f"{name} {row['value']:g}" for name, row in metrics.items())
        n = max(row["n"] for row in metrics.values())
        lines.append(f"{system:<16} {task:<10} {split:<14} {condition:<24} n={n:<6} {cells}")
    return "\n".join(lines)
