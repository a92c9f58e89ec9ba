/** Text made safe for HTML and SVG, attributes included. */
export function escapeHtml(text: unknown): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return String(text).replace(/[&<>"']/g, (character) => entities[character]);
}

/** A table; cells are text, and numbers stand to the right. */
export function htmlTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cell = (value: string | number): string =>
    typeof value === "number" || /^[−-]?[\d.]/.test(value)
      ? `<td class="number">${escapeHtml(value)}</td>`
      : `<td>${escapeHtml(value)}</td>`;
  const header =
    head.length === 0 ? "" : `<thead><tr>${head.map((name) => `<th>${escapeHtml(name)}</th>`).join("")}</tr></thead>`;
  return `<div class="scroll"><table>${header}<tbody>${rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("\n")}</tbody></table></div>`;
}

const STYLE = `
:root { color-scheme: light dark; --surface: #ffffff; --panel: #f6f7f9; --ink: #1b1f24; --muted: #5c6570; --grid: #dfe3e8; --first: #0b63c5; --second: #c2410c; }
@media (prefers-color-scheme: dark) {
  :root { --surface: #14171b; --panel: #1c2026; --ink: #e6e9ed; --muted: #9aa4b0; --grid: #333a43; --first: #6cb0ff; --second: #ff9d66; }
}
body { margin: 0 auto; padding: 1.5rem; max-width: 64rem; background: var(--surface); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; } h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; } p { margin: .5rem 0; color: var(--muted); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1rem; }
figure { margin: 0; padding: .75rem; background: var(--panel); border-radius: .5rem; } figcaption { font-size: .9rem; margin-bottom: .25rem; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--muted); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--grid); stroke-width: 1; } .first { stroke: var(--first); } .second { stroke: var(--second); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .dot.first, .bar.first { fill: var(--first); stroke: none; } .dot.second { fill: var(--second); stroke: none; }
.dashed { stroke-dasharray: 4 4; stroke: var(--muted); } .whisker { stroke: var(--ink); stroke-width: 1.5; }
.key { font-size: .85rem; color: var(--muted); } .key b { font-weight: 600; } .key .first { color: var(--first); } .key .second { color: var(--second); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; } th, td { padding: .3rem .75rem .3rem 0; text-align: left; border-bottom: 1px solid var(--grid); }
td.number { text-align: right; font-variant-numeric: tabular-nums; } .confusion td { text-align: right; padding: .5rem .9rem; border: 1px solid var(--surface); }
ul { padding-left: 1.2rem; } .warning { color: var(--second); }
`;

/** A whole page that loads nothing from anywhere. @param body HTML */
export function htmlPage(title: string, subtitle: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(subtitle)}</p>
${body}
</body>
</html>
`;
}
