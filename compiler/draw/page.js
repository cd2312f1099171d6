"use strict";
// Draws the wires of the graph, and links its blocks with the plots, the lists and the panel of numbers.
// What comes from a spec is set as text, never as markup.

const DATA = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const PORT = 10, TRACK = 8, RADIUS = 9, CORNER = 7;

const byId = (id) => document.getElementById(id);
const blockOf = (number) => byId(`b${number}`);

// -- wires: each body of a block by itself ---------------------------------------------------------------------------

function measure(body) {
  const rows = [], columns = [], boxes = new Map();
  for (const item of body.children) {
    if (item.dataset.c === undefined) continue;
    const middle = item.offsetLeft + item.offsetWidth / 2;
    columns[item.dataset.c] = middle;
    if (item.dataset.b === undefined) continue;
    const row = Number(item.dataset.r);
    rows[row] = Math.min(rows[row] ?? Infinity, item.offsetTop);
    boxes.set(Number(item.dataset.b), { row, middle, top: item.offsetTop, bottom: item.offsetTop + item.offsetHeight });
  }
  return { rows, columns, boxes, width: body.clientWidth, height: body.clientHeight };
}

function findWay(run, at, plan) {
  const [source, target, lane, leave, arrive, side, , from, to] = run;
  const start = at.boxes.get(source), end = at.boxes.get(target);
  const top = (row) => (row < plan.height ? at.rows[row] : at.height);
  const track = (row, number) => top(row) - 13 - TRACK * number;
  let x = (start ? start.middle : at.width / 2) + from * PORT;
  const points = [[x, start ? start.bottom : 0]];
  if (lane >= 0) {
    const y = track(start ? start.row + 1 : 0, leave);
    points.push([x, y], [at.columns[lane], y]);
    x = at.columns[lane];
  }
  const goal = (end ? end.middle : at.width / 2) + to * PORT;
  if (side) {
    const y = (end.top + end.bottom) / 2;
    return [...points, [x, y], [goal + (x > goal ? RADIUS : -RADIUS), y]];
  }
  const y = track(end ? end.row : plan.height, arrive);
  const bend = Math.abs(x - goal) > 1 ? [[x, y], [goal, y]] : [];
  return [...points, ...bend, [Math.abs(x - goal) > 1 ? goal : x, end ? end.top : at.height]];
}

// A way beside another, that starts and ends at the same edges: of a value that one node reads several times.
function shift(points, by) {
  const last = points.length - 1, sideways = points[last][1] === points[last - 1][1];
  return points.map(([x, y], i) => [i === last && sideways ? x : x + by, i && (i < last || sideways) ? y - by : y]);
}

function round(points) {
  let path = `M${points[0]}`;
  for (let i = 1; i + 1 < points.length; i++) {
    const [a, b, c] = [points[i - 1], points[i], points[i + 1]];
    const near = (p) => {
      const length = Math.hypot(p[0] - b[0], p[1] - b[1]) || 1;
      const part = Math.min(CORNER, length / 2) / length;
      return [b[0] + (p[0] - b[0]) * part, b[1] + (p[1] - b[1]) * part];
    };
    path += ` L${near(a)} Q${b} ${near(c)}`;
  }
  return `${path} L${points.at(-1)}`;
}

function drawTip([x1, y1], [x2, y2]) {
  const angle = Math.atan2(y2 - y1, x2 - x1);
  const corner = (turn) => [x2 - 8 * Math.cos(angle + turn), y2 - 8 * Math.sin(angle + turn)];
  return `M${[x2, y2]} L${corner(0.42)} L${corner(-0.42)} Z`;
}

function addPath(svg, d, kind) {
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", d);
  if (kind) path.setAttribute("class", kind);
  svg.append(path);
}

function drawBody(body) {
  const svg = body.querySelector(":scope > svg.wires"), plan = DATA.wires[body.dataset.w];
  const at = measure(body);
  svg.replaceChildren();
  svg.setAttribute("width", at.width);
  svg.setAttribute("height", at.height);
  for (const run of plan.runs) {
    const way = findWay(run, at, plan).filter((p, i, all) => !i || p[0] !== all[i - 1][0] || p[1] !== all[i - 1][1]);
    for (const beside of run[9]) {
      const points = shift(way, beside);
      addPath(svg, round(points), run[6] ? "" : "sizes");
      if (run[1] >= 0) addPath(svg, drawTip(points.at(-2), points.at(-1)), "tip");
    }
  }
}

function drawWires() {
  for (const body of document.querySelectorAll(".body")) if (!body.closest("details:not([open])")) drawBody(body);
}

// -- selection -------------------------------------------------------------------------------------------------------

function addEntry(list, name, text) {
  const dt = document.createElement("dt"), dd = document.createElement("dd");
  dt.textContent = name;
  text.split(/(?<=[./])/).forEach((part) => dd.append(part, document.createElement("wbr")));
  list.append(dt, dd);
}

function showNumbers(number, node) {
  const block = DATA.blocks[number], panel = byId("numbers");
  const title = document.createElement("h3"), list = document.createElement("dl");
  title.textContent = block.title + (block.times > 1 ? ` ×${block.times}` : "");
  for (const [name, text] of block.facts) addEntry(list, name, text);
  const last = node ?? block.nodes.at(-1);
  if (last !== undefined) {
    addEntry(list, node === undefined && block.nodes.length > 1 ? "last node" : "node", DATA.nodes[last]);
    for (const fact of DATA.facts) if (fact.texts[last]) addEntry(list, fact.title, fact.texts[last]);
  }
  panel.replaceChildren(title, list);
  if (block.nodes.length > 1) panel.append(listNodes(block, last));
}

function listNodes(block, last) {
  const details = document.createElement("details"), summary = document.createElement("summary");
  const items = document.createElement("ul");
  summary.textContent = `its ${block.nodes.length.toLocaleString("en")} nodes`;
  items.className = "found";
  for (const node of block.nodes.slice(0, 200)) items.append(linkNode(node, node === last));
  details.append(summary, items);
  return details;
}

function linkNode(node, current) {
  const item = document.createElement("li"), button = document.createElement("button");
  button.className = "link";
  button.type = "button";
  button.dataset.n = node;
  button.textContent = DATA.nodes[node];
  if (current) button.setAttribute("aria-current", "true");
  item.append(button);
  return item;
}

function mark(number) {
  const nodes = new Set(DATA.blocks[number].nodes);
  for (const old of document.querySelectorAll(".on")) old.classList.remove("on");
  const boxes = blockOf(number) ? [blockOf(number)] : DATA.blocks[number].nodes.map((node) => blockOf(DATA.home[node]));
  for (const box of boxes) box?.classList.add("on");
  for (const one of document.querySelectorAll(".plot [data-n]")) one.classList.toggle("on", nodes.has(Number(one.dataset.n)));
  for (const one of document.querySelectorAll(".plot [data-b]"))
    one.classList.toggle("on", DATA.blocks[one.dataset.b].nodes.some((node) => nodes.has(node)));
  for (const one of document.querySelectorAll(".lint [data-n]"))
    if (nodes.has(Number(one.dataset.n))) one.closest("li").classList.add("on");
}

function select(number, node) {
  showNumbers(number, node);
  mark(number);
}

function reveal(number) {
  const box = blockOf(number) ?? blockOf(DATA.home[DATA.blocks[number].nodes[0]]);
  for (let outer = box.parentElement; outer; outer = outer.parentElement) if (outer.tagName === "DETAILS") outer.open = true;
  drawWires();
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  box.scrollIntoView({ block: "center", inline: "center", behavior: calm ? "auto" : "smooth" });
  (box.tagName === "DETAILS" ? box.firstElementChild : box).focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const hit = event.target.closest("[data-n], [data-b]");
  if (!hit) return;
  if (hit.dataset.n !== undefined) {
    const node = Number(hit.dataset.n);
    select(DATA.home[node], node);
    reveal(DATA.home[node]);
  } else if (hit.closest(".canvas")) {
    if (hit.tagName !== "DETAILS" || event.target.closest("summary")) select(Number(hit.dataset.b));
  } else {
    select(Number(hit.dataset.b));
    reveal(Number(hit.dataset.b));
  }
});

// -- search, opening and closing, zoom -------------------------------------------------------------------------------

function search(words) {
  const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [];
  for (let node = 0; parts.length && node < DATA.nodes.length; node++) {
    const text = `${DATA.nodes[node]} ${DATA.facts[0].texts[node]} ${DATA.facts[1].texts[node]}`.toLowerCase();
    if (parts.every((part) => text.includes(part))) found.push(node);
  }
  byId("found").replaceChildren(...found.slice(0, 50).map((node) => linkNode(node)));
  byId("count").textContent = parts.length ? `${found.length.toLocaleString("en")} found${found.length > 50 ? ", 50 listed" : ""}` : "";
  return found;
}

byId("search").addEventListener("input", (event) => search(event.target.value));
byId("finder").addEventListener("submit", (event) => {
  event.preventDefault();
  const [node] = search(byId("search").value);
  if (node === undefined) return;
  byId("found").replaceChildren();
  select(DATA.home[node], node);
  reveal(DATA.home[node]);
});

function setAll(open) {
  for (const block of document.querySelectorAll("details.block")) block.open = open;
  drawWires();
}

let zoom = 1;
function setZoom(next) {
  zoom = Math.min(2, Math.max(0.25, next));
  byId("whole").style.transform = `scale(${zoom})`;
}

byId("open").addEventListener("click", () => setAll(true));
byId("close").addEventListener("click", () => setAll(false));
byId("nearer").addEventListener("click", () => setZoom(zoom * 1.25));
byId("farther").addEventListener("click", () => setZoom(zoom / 1.25));

// -- printing: the graph is one piece that no page break moves apart, at most as wide as a sheet, and on one sheet where
// it stays legible ---------------------------------------------------------------------------------------------------

const SHEET = { width: 690, height: 940 }, LEGIBLE = 0.5;

function fixGraph() {
  const whole = byId("whole");
  whole.style.transform = "none";
  drawWires();
  const width = whole.scrollWidth, height = whole.scrollHeight;
  const across = Math.min(1, SHEET.width / width), down = Math.min(across, SHEET.height / height);
  const scale = down >= LEGIBLE * across ? down : across;
  Object.assign(whole.style, { width: `${width}px`, minWidth: "0", transform: `scale(${scale})` });
  const contain = { contain: "size", width: `${width * scale}px`, height: `${height * scale}px` };
  Object.assign(canvas.style, contain);
}

function freeGraph() {
  Object.assign(byId("whole").style, { width: "", minWidth: "" });
  Object.assign(canvas.style, { contain: "", width: "", height: "" });
  setZoom(zoom);
  drawWires();
}

addEventListener("beforeprint", fixGraph);
addEventListener("afterprint", freeGraph);

document.addEventListener("toggle", drawWires, true);
new ResizeObserver(drawWires).observe(byId("whole"));
drawWires();
const canvas = document.querySelector(".canvas");
canvas.scrollLeft = (canvas.scrollWidth - canvas.clientWidth) / 2;
