"""What running the mutants showed: kept in `results.json`, and shown in `docs/mutants.md`.

A result is kept with the digest of the bug, and of the suite with the tests, that it is about; once these are others,
there is none any more.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.mutants.mutant import Mutant

RESULTS = Path(__file__).with_name("results.json")
BEGIN = "<!-- begin of the table, which `python -m tests.mutants --write` makes -->"
END = "<!-- end of the table -->"
NOT_RUN = "not run"

Results = dict[str, dict[str, Any]]


def load() -> Results:
    """Return the results by mutant: `digest`, and what is known by `suite` and by `simulation`."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def store(mutant: Mutant, by: str, result: dict[str, Any]) -> None:
    """Keep what a run showed. `by`: suite or simulation."""
    known = load()
    entry = known.get(mutant.name)
    if entry is None or entry["digest"] != mutant.digest:
        entry = known[mutant.name] = {"digest": mutant.digest}
    entry[by] = result
    RESULTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def result_of(mutant: Mutant, by: str, known: Results) -> dict[str, Any] | None:
    entry = known.get(mutant.name, {})
    result = entry.get(by) if entry.get("digest") == mutant.digest else None
    return result if result and result.get("tests", [*mutant.caught_by]) == [*mutant.caught_by] else None


def write_page(page: Path, mutants: Sequence[Mutant]) -> None:
    """Write the table anew between its two marks; the rest of the page stays."""
    before, after = split_page(page)
    page.write_text(f"{before}{BEGIN}\n\n{table(mutants, load())}\n{END}{after}")


def table_of(page: Path) -> str:
    """Return the page's table as it is."""
    before, after = split_page(page)
    text = page.read_text()
    return text[len(before) + len(BEGIN) : len(text) - len(after) - len(END)].strip("\n") + "\n"


def split_page(page: Path) -> tuple[str, str]:
    text = page.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{page} has no place for the table.")
    return text.partition(BEGIN)[0], text.partition(END)[2]


def table(mutants: Sequence[Mutant], known: Results) -> str:
    """Return the table in Markdown. It has a column for the simulation once there is a result of one."""
    is_simulated = any(result_of(mutant, "simulation", known) for mutant in mutants)
    names = ["mutant", "bug", "file", "caught by"] + (["operations until the simulation finds it"] * is_simulated)
    rows = [names, ["---"] * len(names)]
    for mutant in mutants:
        row = [f"`{mutant.name}`", mutant.bug, f"`{mutant.file}`", caught_by(mutant, known)]
        rows.append(row + [found_after(mutant, known)] * is_simulated)
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def caught_by(mutant: Mutant, known: Results) -> str:
    result = result_of(mutant, "suite", known)
    if result is None:
        return NOT_RUN
    return "<br>".join(f"`{test}`" for test in mutant.caught_by) if result["caught"] else "**survives**"


def found_after(mutant: Mutant, known: Results) -> str:
    result = result_of(mutant, "simulation", known)
    if result is None:
        return NOT_RUN
    if result["operation"] is None:
        return f"not within {result['operations']:,}" if not result["caught"] else f"within {result['operations']:,}"
    return f"{result['operation']:,}"
