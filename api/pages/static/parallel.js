// Parallel coordinates as plain SVG: all candidates as one faint path, the members of the front as lines of their own.
import { AXES, known } from "./axes.js";
import { verdictAt } from "./front.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 272, TOP = 44, BOTTOM = 24, SIDE = 60;

export function drawParallel(target, view, { choose, hover }) {
  const names = known(view.front.items.length ? view.front.items : view.members);
  const width = Math.max(target.clientWidth, 130 * names.length);
  const scales = names.map((name, i) => scaleOf(name, view, SIDE + (i * (width - 2 * SIDE)) / Math.max(1, names.length - 1)));
  const svg = node("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": "Members of the front on all axes at once; the table below has the same figures" });
  svg.append(node("path", { class: "background", d: view.members.map((m) => lineOf(m, scales)).join("") }));
  for (const scale of scales) svg.append(...axisOf(scale));
  for (const member of view.front.items) svg.append(...memberOf(member, scales, view, choose, hover));
  target.classList.add("scroll");
  svg.setAttribute("width", width);
  target.replaceChildren(svg);
  highlight(target, view.chosen, "chosen");
}

export function highlight(target, candidate, kind) {
  for (const line of target.querySelectorAll(".member")) line.classList.toggle(kind, line.dataset.candidate === String(candidate));
}

function node(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// An axis spans the front and the dense model, so that the front is not pressed flat by hopeless candidates.
function scaleOf(name, view, x) {
  const axis = AXES[name];
  const values = [...view.front.items.map(axis.of).filter((v) => v !== null), axis.dense(view.study.baseline)];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const extent = high - low || 1;
  const y = (value) => HEIGHT - BOTTOM - ((value - low) / extent) * (HEIGHT - TOP - BOTTOM);
  return { name, x, low, high, of: axis.of, y: (value) => Math.max(TOP - 14, Math.min(HEIGHT - BOTTOM + 10, y(value))) };
}

function axisOf({ name, x, low, high }) {
  const short = (value) => Number(value.toPrecision(3)).toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 });
  return [
    node("path", { class: "axis", d: `M${x} ${TOP}V${HEIGHT - BOTTOM}` }),
    node("text", { class: "title", x, y: 12, "text-anchor": "middle" }, name),
    node("text", { x: x + 6, y: TOP - 4 }, short(high)),
    node("text", { x: x + 6, y: HEIGHT - BOTTOM + 14 }, short(low)),
  ];
}

function lineOf(member, scales) {
  let path = "", pen = "M";
  for (const scale of scales) {
    const value = scale.of(member);
    if (value === null) { pen = "M"; continue; }
    path += `${pen}${scale.x.toFixed(1)} ${scale.y(value).toFixed(1)}`;
    pen = "L";
  }
  return path;
}

function memberOf(member, scales, view, choose, hover) {
  const d = lineOf(member, scales);
  const line = node("path", { class: `member ${verdictAt(member, view.study, view.epsilon, view.judged)}`, d, "data-candidate": member.candidate });
  const target = node("path", { class: "target", d });
  target.append(node("title", {}, `candidate ${member.candidate}`));
  for (const part of [line, target]) part.addEventListener("click", () => choose(member.candidate));
  target.addEventListener("mouseenter", () => hover(member.candidate));
  target.addEventListener("mouseleave", () => hover(null));
  return [line, target];
}
