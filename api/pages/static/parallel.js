// Parallel coordinates as plain SVG: all candidates as one faint path, the members of the front as lines of their own.
import { AXES, known } from "./axes.js";
import { verdictAt } from "./front.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 272, TOP = 44, BOTTOM = 24, SIDE = 60, ROOM = 100; // an upright axis needs so much room for its name
const ROW = 60, EDGE = 12;

// Axes are side by side on wide screens, and one below the other on narrow ones.
export function drawParallel(target, view, { choose, hover }) {
  const names = known(view.front.items.length ? view.front.items : view.members);
  const width = target.clientWidth;
  const place = width >= ROOM * names.length ? standing(width, names.length) : lying(width, names.length);
  const scales = names.map((name, i) => scaleOf(name, view, place, i));
  const svg = node("svg", { viewBox: `0 0 ${width} ${place.height}`, width, height: place.height, role: "img", "aria-label": "Members of the front on all axes; the table below has the same values" });
  svg.append(node("path", { class: "background", d: view.members.map((m) => lineOf(m, scales)).join("") }));
  for (const member of view.front.items) svg.append(...memberOf(member, scales, view, choose, hover));
  for (const scale of scales) svg.append(...axisOf(scale));
  target.replaceChildren(svg);
  highlight(target, view.chosen, "chosen");
}

function standing(width, axes) {
  const across = (i) => SIDE + (i * (width - 2 * SIDE)) / Math.max(1, axes - 1);
  const point = (i, share) => [across(i), HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)];
  const texts = (i) => ({ title: [across(i), 12, "middle"], low: [across(i) + 6, HEIGHT - BOTTOM + 14, "start"], high: [across(i) + 6, TOP - 4, "start"] });
  return { height: HEIGHT, point, texts };
}

function lying(width, axes) {
  const down = (i) => 26 + i * ROW;
  const point = (i, share) => [EDGE + share * (width - 2 * EDGE), down(i)];
  const texts = (i) => ({ title: [3, down(i) - 10, "start"], low: [3, down(i) + 16, "start"], high: [width - 3, down(i) + 16, "end"] });
  return { height: axes * ROW, point, texts };
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
function scaleOf(name, view, place, i) {
  const axis = AXES[name];
  const values = [...view.front.items.map(axis.of).filter((v) => v !== null), axis.dense(view.study.baseline)];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const share = (value) => Math.max(-0.04, Math.min(1.04, (value - low) / (high - low || 1)));
  return { name, low, high, of: axis.of, at: (value) => place.point(i, share(value)), texts: place.texts(i) };
}

function axisOf({ name, low, high, at, texts }) {
  const short = (value) => Number(value.toPrecision(3)).toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 });
  const text = ([x, y, anchor], shown, more = {}) => node("text", { x, y, "text-anchor": anchor, ...more }, shown);
  return [
    node("path", { class: "axis", d: `M${at(low).join(" ")}L${at(high).join(" ")}` }),
    text(texts.title, name, { class: "title" }), text(texts.low, short(low)), text(texts.high, short(high)),
  ];
}

function lineOf(member, scales) {
  let path = "", pen = "M";
  for (const scale of scales) {
    const value = scale.of(member);
    if (value === null) { pen = "M"; continue; }
    path += pen + scale.at(value).map((x) => x.toFixed(1)).join(" ");
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
