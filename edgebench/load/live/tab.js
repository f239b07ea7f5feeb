// The chart above and the notes below the table of the tab "Cache". Added to Locust's page by web.py; it puts its two
// elements beside React's own and takes them away again when another tab is chosen.

const EVERY_MS = 1000;
const SVG = "http://www.w3.org/2000/svg";
const BOX = { width: 1000, height: 190, left: 44, right: 20, top: 12, bottom: 24 };
const MARKS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
const LINES = [
  { label: "proved", dash: "" },
  { label: "claimed by header", dash: "5 4" },
];
const STYLE = `
  .edgebench { --line-0: #0072b2; --line-1: #c65600; font: 400 0.875rem/1.5 Roboto, Helvetica, Arial, sans-serif; }
  .edgebench.dark { --line-0: #3d9fdc; --line-1: #f0802b; }
  .edgebench figure { margin: 0 0 16px; }
  .edgebench figcaption { display: flex; flex-wrap: wrap; gap: 4px 24px; align-items: center; }
  .edgebench figcaption b { font-weight: 500; }
  .edgebench .key { display: inline-flex; align-items: center; gap: 8px; font-variant-numeric: tabular-nums; }
  .edgebench svg { display: block; width: 100%; overflow: visible; }
  .edgebench svg text { font-size: 12px; fill: currentColor; opacity: 0.7; }
  .edgebench .grid { stroke: currentColor; opacity: 0.15; }
  .edgebench .cross { stroke: currentColor; opacity: 0.5; }
  .edgebench path, .edgebench .key line { fill: none; stroke-width: 2; }
  .edgebench dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 16px 0; max-width: 100ch; }
  .edgebench dt { font-weight: 500; }
  .edgebench dd { margin: 0; opacity: 0.85; }
  .edgebench a { color: #15803d; }
  .edgebench.dark a { color: #4ade80; }
  .edgebench p { margin: 12px 0 0; }
  .edgebench + .MuiTableContainer-root :is(th, td):nth-child(n + 3) { text-align: right; }
  .edgebench + .MuiTableContainer-root td { font-variant-numeric: tabular-nums; }
  @media (max-width: 600px) { .edgebench dl { grid-template-columns: 1fr; } }
`;
const NOTES = `
  <p><a href="./cache/csv" download>Download as CSV</a></p>
  <dl>
    <dt>Proved hits</dt>
    <dd>Of the answers that carry the origin's stamp, the share whose stamp is older than the request: those bytes cannot
      have been made for it. Fresh and stale ones count alike. Left out is what the cache itself says it revalidated; one
      that does so in silence and keeps the old stamp is counted. An answer that waited for another request's fetch does
      not count. It needs a wrapped origin on the same machine as the load (one clock). The report tells all of these
      apart.</dd>
    <dt>Claimed hits</dt>
    <dd>Share of answers whose headers (Cache-Status, X-Cache, Age, …) claim a hit, fresh or stale.</dd>
    <dt>Origin offload</dt>
    <dd>1 − (distinct responses of the origin + revalidated answers) ÷ requests, as far as clients see: what the origin
      answered and no client got (a refresh in the background that was never used, a 304 nobody tells of) is not in it,
      but in the origin's ledger.</dd>
    <dt>Hit, miss</dt>
    <dd>Latency from when the request was due, without the generator's own lateness, to 0.4 %. By proof where there is a
      stamp, else by header. “–” where fewer than 10 answers lie beyond it: a median needs 20, a 99th percentile
      1,000. Answers with 5xx, and requests without an answer, are in no figure but “# Requests” and the offload.</dd>
  </dl>
`;

const chart = element("section", "edgebench", `<style>${STYLE}</style><figure></figure>`);
const notes = element("section", "edgebench", NOTES);
let latest = null;
let hovered = null;

function element(tag, className, html) {
  const made = document.createElement(tag);
  made.className = className;
  made.innerHTML = html;
  return made;
}

function drawn(parent, tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function percent(ratio) {
  return ratio === null || ratio === undefined ? "–" : `${(100 * ratio).toFixed(1)} %`;
}

function clock(seconds) {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Whether the page is dark just now: Locust's button changes the colours without telling. */
function isDark() {
  const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).map(Number);
  return red + green + blue < 384;
}

/** The panel of the chosen tab, where it is ours. */
function panel() {
  const tab = document.querySelector("main [role=tab][aria-selected=true]");
  return tab && tab.textContent === "Cache" ? tab.closest(".MuiContainer-root") : null;
}

function place() {
  const home = panel();
  if (!home) {
    chart.remove();
    notes.remove();
    return false;
  }
  const table = home.querySelector(":scope > .MuiTableContainer-root");
  if (chart.parentNode !== home || (table && chart.nextSibling !== table)) home.insertBefore(chart, table);
  if (home.lastChild !== notes) home.append(notes);
  return true;
}

function paint() {
  for (const section of [chart, notes]) section.classList.toggle("dark", isDark());
  if (!latest) return;
  const figure = chart.querySelector("figure");
  const { points, step_s: step, rows } = latest;
  const total = rows[rows.length - 1];
  const at = hovered !== null && hovered < points.length ? hovered : null;
  const values = at === null ? [total.proved_hit_ratio, total.claimed_hit_ratio] : points[at];
  const caption = element("figcaption", "", `<b>Hit ratio, all endpoints</b>`);
  LINES.forEach(({ label, dash }, line) => {
    const key = element("span", "key", `<svg width="28" height="8" style="width:28px"></svg><span></span>`);
    const attributes = { x1: 0, x2: 28, y1: 4, y2: 4, "stroke-dasharray": dash, style: `stroke:var(--line-${line})` };
    drawn(key.firstChild, "line", attributes);
    key.lastChild.textContent = `${label} ${percent(values[line])}`;
    caption.append(key);
  });
  const when = at === null ? "since the start" : `at ${clock(at * step)}`;
  caption.append(element("span", "when", when));
  const svg = document.createElementNS(SVG, "svg");
  // One unit is one pixel, so that text and lines keep their size on a phone.
  BOX.width = Math.max(280, chart.clientWidth || 1000);
  svg.setAttribute("viewBox", `0 0 ${BOX.width} ${BOX.height}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `Hit ratio over time, last ${percent(points.at(-1)?.[0])} proved`);
  plot(svg, points, step, at);
  svg.addEventListener("pointermove", (event) => hover(event, svg, points.length));
  svg.addEventListener("pointerleave", () => hover(null));
  figure.replaceChildren(caption, svg);
}

function plot(svg, points, step, at) {
  const inner = { width: BOX.width - BOX.left - BOX.right, height: BOX.height - BOX.top - BOX.bottom };
  const last = Math.max(points.length - 1, 1);
  const x = (index) => BOX.left + (inner.width * index) / last;
  const y = (ratio) => BOX.top + inner.height * (1 - ratio);
  for (const ratio of [0, 0.25, 0.5, 0.75, 1]) {
    drawn(svg, "line", { class: "grid", x1: BOX.left, x2: BOX.width - BOX.right, y1: y(ratio), y2: y(ratio) });
    drawn(svg, "text", { x: BOX.left - 8, y: y(ratio) + 4, "text-anchor": "end" }, `${100 * ratio} %`);
  }
  const seconds = last * step;
  const between = MARKS_S.find((mark) => seconds / mark <= inner.width / 80) ?? seconds;
  for (let mark = 0; mark <= seconds; mark += between) {
    drawn(svg, "text", { x: x(mark / step), y: BOX.height - 6, "text-anchor": "middle" }, clock(mark));
  }
  LINES.forEach(({ dash }, line) => {
    let pen = "M";
    let path = "";
    points.forEach((values, index) => {
      if (values[line] === null) {
        pen = "M";
      } else {
        path += `${pen}${x(index).toFixed(1)},${y(values[line]).toFixed(1)}`;
        pen = "L";
      }
    });
    drawn(svg, "path", { d: path, "stroke-dasharray": dash, style: `stroke:var(--line-${line})` });
  });
  if (at !== null) drawn(svg, "line", { class: "cross", x1: x(at), x2: x(at), y1: BOX.top, y2: y(0) });
}

function hover(event, svg, count) {
  let next = null;
  if (event && count) {
    const box = svg.getBoundingClientRect();
    const share = (event.clientX - box.left - BOX.left) / (box.width - BOX.left - BOX.right);
    next = Math.round(Math.min(1, Math.max(0, share)) * (count - 1));
  }
  if (next !== hovered) {
    hovered = next;
    paint();
  }
}

async function update() {
  if (!place() || document.hidden) return;
  try {
    const response = await fetch("./cache/live");
    if (response.ok) latest = await response.json();
  } catch {
    // The test's process has ended; what was there stays.
  }
  paint();
}

new MutationObserver(() => {
  const before = chart.isConnected;
  if (place() && !before) update();
}).observe(document.getElementById("root"), { childList: true, subtree: true });
setInterval(update, EVERY_MS);
