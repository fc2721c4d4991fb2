// Every candidate by two figures, with the front on top, the dense model, ε and the knee, or without ε the best.
import { AXES } from "./axes.js";
import { isFeasible, verdictAt } from "./front.js";
import { fixed } from "./format.js";
import { colour, draw, SYMBOLS } from "./plot.js";

const VERDICTS = ["certified", "verified", "measured", "refuted", "unverified"];

export function drawScatter(target, view, handlers) {
  const [x, y] = view.axes.map((name) => AXES[name]);
  const shown = view.members.filter((m) => x.of(m) !== null && y.of(m) !== null);
  const onFront = new Set(view.front.items);
  const rest = shown.filter((m) => !onFront.has(m));
  const isTried = (m) => m.verification !== null;
  const within = (m) => isFeasible(m, view.study, view.epsilon);
  const traces = [
    faint("above ε", rest.filter((m) => !isTried(m) && !within(m)), x, y, "above", 5),
    faint(Number.isFinite(view.epsilon) ? "within ε, dominated" : "dominated", rest.filter((m) => !isTried(m) && within(m)), x, y, "within", 6),
    ...VERDICTS.flatMap((verdict) => ofVerdict(verdict, shown, onFront, view, x, y)),
    marks("best", shown.filter((m) => m.candidate === view.front.best), x, y, { size: 22, symbol: "circle-open", color: colour("certified"), line: { width: 2 } }),
    marks("knee", shown.filter((m) => m.candidate === view.front.knee && onFront.has(m)), x, y, { size: 22, symbol: "circle-open", color: colour("ink"), line: { width: 2 } }),
    marks("chosen", shown.filter((m) => m.candidate === view.chosen), x, y, { size: 28, symbol: "circle-open", color: colour("accent"), line: { width: 2 } }),
    dense(view.study.baseline, x, y),
  ];
  const layout = {
    xaxis: { title: { text: view.axes[0] }, ...range(x, view, shown) },
    yaxis: { title: { text: view.axes[1] }, ...range(y, view, shown) },
    shapes: epsilonLines(x, y, view.epsilon), uirevision: view.axes.join() + view.isWhole,
  };
  const drawn = draw(target, traces.filter((trace) => trace.x.length), layout);
  listen(target, handlers);
  return drawn;
}

function listen(target, { choose, hover }) {
  for (const event of ["plotly_click", "plotly_hover", "plotly_unhover"]) target.removeAllListeners(event);
  const candidate = (event) => event.points[0].customdata;
  target.on("plotly_click", (event) => { if (candidate(event) !== undefined) choose(candidate(event)); });
  target.on("plotly_hover", (event) => hover(candidate(event)));
  target.on("plotly_unhover", () => hover(null));
}

function points(name, members, x, y) {
  return { name, type: "scatter", mode: "markers", x: members.map(x.of), y: members.map(y.of), customdata: members.map((m) => m.candidate) };
}

function faint(name, members, x, y, tone, size) {
  return { ...points(name, members, x, y), text: members.map((m) => `#${m.candidate}`), hovertemplate: "%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>", marker: { color: colour(tone), size } };
}

function ofVerdict(verdict, shown, onFront, view, x, y) {
  const members = shown.filter((m) => (onFront.has(m) || m.verification) && verdictAt(m, view.study, view.epsilon, view.judged) === verdict);
  const text = members.map((m) => `<b>#${m.candidate}</b> ${verdict}${onFront.has(m) ? "" : ", dominated"}<br>drop ${fixed(m.drop)} search${m.verification ? `, ${fixed(m.verification.drop)} verified` : ""}`);
  const marker = { color: colour(verdict), symbol: SYMBOLS[verdict], size: members.map((m) => (onFront.has(m) ? 12 : 8)), opacity: members.map((m) => (onFront.has(m) ? 1 : 0.45)), line: { width: verdict === "unverified" ? 2 : 0 } };
  return [{ ...points(verdict, members, x, y), text, hovertemplate: "%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>", marker }];
}

function marks(name, members, x, y, marker) {
  return { ...points(name, members, x, y), marker, hoverinfo: "skip", showlegend: name !== "chosen" };
}

function dense(baseline, x, y) {
  const marker = { color: colour("ink"), symbol: "diamond", size: 11 };
  return { name: "dense", type: "scatter", mode: "markers", x: [x.dense(baseline)], y: [y.dense(baseline)], marker, hovertemplate: "dense model<br>%{x:.4g}, %{y:.4g}<extra></extra>" };
}

// Drops of hopeless candidates would press the front flat, so a drop axis shows the neighbourhood of ε unless asked.
function range(axis, view, shown) {
  if (!axis.isDrop || view.isWhole || !shown.length) return { autorange: true };
  const values = shown.map(axis.of);
  const ofFront = view.front.items.map(axis.of).filter((v) => v !== null);
  const top = Math.max(3 * view.study.epsilon, Number.isFinite(view.epsilon) ? 1.5 * view.epsilon : 0, 1.1 * Math.max(0, ...ofFront));
  const bottom = Math.min(0, values.reduce((a, b) => Math.min(a, b), 0));
  return { autorange: false, range: [bottom - 0.06 * (top - bottom), top] };
}

function epsilonLines(x, y, epsilon) {
  if (!Number.isFinite(epsilon)) return [];
  const line = { color: colour("refuted"), dash: "dot", width: 1.5 };
  const label = { text: "ε", font: { color: colour("refuted") } };
  const shapes = [];
  if (x.isDrop) shapes.push({ type: "line", x0: epsilon, x1: epsilon, yref: "paper", y0: 0, y1: 1, line, label: { ...label, textposition: "end", textangle: 0 } });
  if (y.isDrop) shapes.push({ type: "line", y0: epsilon, y1: epsilon, xref: "paper", x0: 0, x1: 1, line, label: { ...label, textposition: "end" } });
  return shapes;
}
