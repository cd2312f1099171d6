"""A run as one page that needs no network and runs no script: figures, curves, samples, evaluations and recipe."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

from archspec.wording import cut
from runtime.runs.record import PARTS, RunRecord
from runtime.training.run_folder import RECIPE, SHEET

PAGE, CURVES = "index.html", "curves.svg"
"""The files of a run's page, and of its curves."""

MAX_SHEET_BYTES = 16 << 20
"""The largest picture of samples that a page holds, in bytes."""

MAX_TEXT = 1 << 16
"""The largest recipe that a page shows whole, in characters."""

MAX_EVALUATIONS = 500
"""The largest number of evaluations in the table of a page; of more, the last ones."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin: 0 } .note { opacity: .7; margin: .2rem 0 }
dl { display: flex; flex-wrap: wrap; gap: .8rem 2.4rem; padding: 0 }
dt { opacity: .7 } dd { margin: 0; font-size: 1.4rem }
svg, img { max-width: 100%; height: auto } img { image-rendering: pixelated }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .15rem .9rem .15rem 0; text-align: right }
th { border-bottom: 1px solid; font-weight: 600 } tr.best { font-weight: 600 } .scroll { overflow-x: auto }
pre { overflow-x: auto; padding: .8rem; border: 1px solid color-mix(in srgb, currentColor 25%, transparent) }
"""


def write_run_page(run: RunRecord, curves: str) -> str:
    """Write the text of a run's page, with its curves, an SVG."""
    title = escape(cut(f"{run.folder.name} · {run.spec}", 200))
    pieces = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title} · archspec</title>\n<style>{STYLE}</style>\n</head>\n<body>",
        *_write_header(run, title),
        "<main>",
        f"<section><h2>Curves</h2>{curves}</section>",
        *_write_sheet(run.folder / SHEET),
        *_write_evaluations(run),
        *_write_recipe(run.folder / RECIPE),
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(pieces)


def _write_header(run: RunRecord, title: str) -> Iterator[str]:
    state = "finished" if run.finished else "not finished"
    yield f'<header><h1>{title}</h1><p class="note">{state}, {run.last_step:,} steps</p><dl>'
    for part in PARTS:
        score = run.score(part)
        if score is not None and run.metric:
            yield f"<div><dt>{escape(part)} {escape(run.metric.replace('_', ' '))}</dt><dd>{score:.4f}</dd></div>"
    best = run.best_evaluation()
    if best is not None:
        yield f"<div><dt>weights kept of step</dt><dd>{int(best['step']):,}</dd></div>"
    if run.seconds is not None:
        yield f"<div><dt>seconds</dt><dd>{run.seconds:,.0f}</dd></div>"
    yield "</dl></header>"


def _write_sheet(path: Path) -> Iterator[str]:
    with suppress(OSError):
        if path.stat().st_size <= MAX_SHEET_BYTES:
            data = b64encode(path.read_bytes()).decode()
            yield "<section><h2>Training images as the network sees them</h2>"
            yield f'<img alt="varied training images with what is asked of them" src="data:image/png;base64,{data}">'
            yield "</section>"


def _write_evaluations(run: RunRecord) -> Iterator[str]:
    rows = run.evaluations[-MAX_EVALUATIONS:]
    if not rows:
        return
    known = dict.fromkeys(name for row in rows for name in row if name not in ("kind", "best"))
    names = [name for name in known if any(isinstance(row.get(name), int | float) for row in rows)]
    best = run.best_evaluation()
    yield '<section><h2>Evaluations</h2><div class="scroll"><table><thead><tr>'
    yield "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in names) + "</tr></thead><tbody>"
    for row in rows:
        marked = ' class="best"' if row is best else ""
        yield f"<tr{marked}>" + "".join(f"<td>{escape(_write_number(row, name))}</td>" for name in names) + "</tr>"
    yield "</tbody></table></div></section>"


def _write_number(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if isinstance(value, float):
        return f"{value:.4g}" if name in ("learning_rate", "seconds", "samples_per_second") else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else ""


def _write_recipe(path: Path) -> Iterator[str]:
    with suppress(OSError, UnicodeDecodeError):
        text = path.read_text(encoding="utf-8")
        shown = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}\n… ({len(text):,} characters)"
        yield f"<section><h2>Recipe</h2><pre>{escape(shown)}</pre></section>"
