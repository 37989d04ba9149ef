"""How does the HTML report look: on a phone, on a desk, in the dark, and on paper?

Colours follow the reader's scheme; every state has a word and a mark beside its colour. Contrast of text is at least
4.5:1 in both schemes (WCAG 2.2, 1.4.3).
"""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --paper: #ffffff; --ink: #1c2430; --muted: #586273; --rule: #dbe0e7;
  --target: #b8420f; --control: #2563a8;
  --ok: #17663d; --ok-back: #e5f3ea;
  --throttled: #8a4a00; --throttled-back: #fcefd9;
  --blocked: #9d1b1b; --blocked-back: #fce6e6;
  --withheld: #66309c; --withheld-back: #f0e7f9;
  --down: #3e4856; --down-back: #e7eaee;
  --inconclusive: #4b5668; --inconclusive-back: transparent;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161c; --paper: #1a2028; --ink: #e4e8ee; --muted: #a0aab9; --rule: #323b48;
    --target: #f08a55; --control: #7fb2ec;
    --ok: #86d3a6; --ok-back: #16331f;
    --throttled: #f3bf70; --throttled-back: #3a2a0c;
    --blocked: #f59c9c; --blocked-back: #421a1c;
    --withheld: #cda8f0; --withheld-back: #33224a;
    --down: #c3cbd6; --down-back: #2b333e;
    --inconclusive: #b3bdcb; --inconclusive-back: transparent;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  overflow-wrap: anywhere; /* a hostile or a very long name must not widen the page */
}
main, header, footer { max-width: 66rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
h1 { font-size: 0.95rem; font-weight: 600; color: var(--muted); margin: 0; letter-spacing: 0.01em; }
.headline { font-size: clamp(1.5rem, 4.2vw, 2.1rem); line-height: 1.25; font-weight: 650; margin: 0.35rem 0 0.9rem;
  max-width: 48rem; text-wrap: balance; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 0; }
h3 { font-size: 1rem; margin: 2rem 0 0.6rem; }
p { margin: 0.5rem 0; max-width: 46rem; }
a { color: inherit; text-decoration-color: var(--muted); text-underline-offset: 0.2em; }
.muted, figcaption, dt, th { color: var(--muted); }
.meta { max-width: 58rem; font-size: 0.92rem; color: var(--muted); margin: 0.2rem 0; }
.counts { display: flex; flex-wrap: wrap; gap: 0.4rem; list-style: none; margin: 0 0 1rem; padding: 0; }
.state { display: inline-block; padding: 0.08em 0.6em; border-radius: 1em; font-size: 0.92em; font-weight: 600;
  border: 1px solid transparent; white-space: nowrap; }
.ok { color: var(--ok); background: var(--ok-back); }
.throttled { color: var(--throttled); background: var(--throttled-back); }
.blocked { color: var(--blocked); background: var(--blocked-back); }
.withheld { color: var(--withheld); background: var(--withheld-back); }
.down { color: var(--down); background: var(--down-back); }
.inconclusive { color: var(--inconclusive); background: var(--inconclusive-back); border: 1px dashed currentColor; }
.none { color: var(--muted); }
.word { background: none; border: 0; padding: 0; font-weight: 500; white-space: normal; }
.note { border-left: 3px solid var(--throttled); background: var(--paper); padding: 0.6rem 0.9rem; margin: 0.75rem 0;
  border-radius: 0 6px 6px 0; }
section, article { background: var(--paper); border: 1px solid var(--rule); border-radius: 10px;
  padding: 1.25rem; margin: 1.25rem 0; }
article > .title { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between;
  gap: 0.4rem 1rem; }
article .reason { font-size: 1.06rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.92rem; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; font-size: 0.86rem; }
th, td { padding: 0.45rem 0.7rem 0.45rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
tbody tr:last-child > * { border-bottom: 0; }
tbody th { color: var(--ink); font-size: inherit; font-weight: 600; }
td .second { display: block; color: var(--muted); font-size: 0.92em; }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.88em; }
.directions { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0 2.5rem; }
.direction { min-width: 0; display: grid; grid-row: span 5; grid-template-rows: subgrid;
  grid-template-columns: minmax(0, 1fr); align-content: start; }
.direction > dl { align-self: start; align-content: start; width: 100%; }
figure { margin: 0.75rem 0 1.25rem; }
figcaption { font-size: 0.88rem; line-height: 1.4; margin-bottom: 0.4rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
.key { white-space: nowrap; color: var(--ink); }
.key::before { content: ""; display: inline-block; width: 0.68em; height: 0.68em; margin-right: 0.35em;
  border: 2px solid; }
.key.target::before { border-color: var(--target); background: var(--target); border-radius: 50%; }
.key.control::before { border-color: var(--control); }
.key.line::before { width: 1.3em; height: 0; border-width: 2px 0 0; vertical-align: middle; }
.key.target.line::before { border-radius: 0; }
.key.control.line::before { border-style: dashed; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; margin: 0.5rem 0; font-size: 0.92rem; }
dt { font-size: 0.95em; }
dd { margin: 0; min-width: 0; font-variant-numeric: tabular-nums; }
.timings td, .timings th { border: 0; padding: 0.2rem 0.7rem 0.2rem 0; }
.timings .track { width: 68%; padding-right: 0.7rem; }
.timings th { padding-top: 0.6rem; }
.timings .phase { padding-left: 0.9rem; }
.bar { display: block; height: 0.72rem; margin-top: 0.42rem; min-width: 2px; border-radius: 2px;
  background: var(--control); print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.bar.failed { background: repeating-linear-gradient(135deg, var(--target) 0 4px, transparent 4px 7px);
  border: 1px solid var(--target); }
.timings .seconds { white-space: nowrap; text-align: right; padding-right: 0; }
details { margin: 0.9rem 0 0; }
summary { cursor: pointer; font-weight: 600; padding: 0.2rem 0; }
summary:focus-visible, a:focus-visible { outline: 2px solid var(--control); outline-offset: 2px; }
footer { padding-top: 0.5rem; padding-bottom: 3rem; font-size: 0.92rem; }
@media (min-width: 46.01rem) {
  thead th, .check { white-space: nowrap; }
  .measured .of { min-width: 11rem; }
  .contacts tbody th { min-width: 13rem; }
  .contacts td:nth-child(3) { min-width: 10rem; }
}
@media (max-width: 46rem) {
  header { padding-top: 1.5rem; }
  main, header, footer { padding-left: 0.9rem; padding-right: 0.9rem; }
  section, article { padding: 1rem 0.95rem; }
  .stack thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .stack, .stack tbody, .stack tr, .stack td, .stack tbody th { display: block; width: 100%; }
  .stack tr { padding: 0.6rem 0; border-bottom: 1px solid var(--rule); }
  .stack tbody tr:last-child { border-bottom: 0; }
  .stack td, .stack tbody th { border: 0; padding: 0.1rem 0; }
  .stack td { display: grid; grid-template-columns: 6.2rem 1fr; gap: 0.6rem; }
  .stack td::before { content: attr(data-label); color: var(--muted); font-size: 0.94em; }
  .stack td > * { min-width: 0; justify-self: start; }
  .overview tbody tr { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 0.3rem 0.6rem;
    align-items: start; padding: 0.8rem 0; }
  .overview tbody th, .overview .verdict, .overview .rate { grid-column: span 2; }
  .overview tbody th { order: 1; }
  .overview .verdict { order: 2; justify-self: end; width: auto; }
  .overview .access { order: 3; }
  .overview .rate { order: 4; }
  .overview td { display: block; }
  .overview td::before { display: block; font-size: 0.82em; line-height: 1.3; }
  .overview .verdict::before { display: none; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 0.45rem; }
}
@media print {
  :root { --page: #fff; --paper: #fff; --ink: #000; --muted: #444; --rule: #bbb; }
  body { font-size: 10.5pt; }
  section, article { border: 0; border-top: 1px solid #bbb; border-radius: 0; padding: 0.8rem 0; margin: 0.6rem 0; }
  figure, tr, .note, .direction > dl { break-inside: avoid; }
  h2, h3, .title { break-after: avoid; }
  details::details-content { content-visibility: visible; height: auto; }
  summary { list-style: none; }
}
"""
