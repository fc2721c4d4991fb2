// The fronts of several studies in one plot.
import { read } from "./api.js";
import { AXES, chosen, offer } from "./axes.js";
import { fixed } from "./format.js";
import { colour, draw, redrawOnScheme, SYMBOLS } from "./plot.js";

const TONES = ["accent", "verified", "refuted", "unverified", "certified", "within", "ink", "faint"];
const studies = read("data");
const verdict = (member) => member.verification?.verdict ?? "unverified";

function plot() {
  const names = chosen();
  const [x, y] = names.map((name) => AXES[name]);
  draw(document.getElementById("scatter"), studies.map((study, i) => trace(study, TONES[i], x, y)), {
    xaxis: { title: { text: names[0] } }, yaxis: { title: { text: names[1] } },
  });
}

function trace({ front }, tone, x, y) {
  const members = front.items.filter((m) => x.of(m) !== null && y.of(m) !== null);
  return {
    name: front.study, type: "scatter", mode: "lines+markers", x: members.map(x.of), y: members.map(y.of),
    text: members.map((m) => `<b>${front.study} #${m.candidate}</b> ${verdict(m)}<br>drop ${fixed(m.drop)} search`), hovertemplate: "%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
    line: { color: colour(tone), width: 1, dash: "dot" }, marker: { color: colour(tone), size: 11, symbol: members.map((m) => SYMBOLS[verdict(m)]) },
  };
}

const all = studies.flatMap(({ front }) => front.items);
if (all.length) {
  offer(all, all.some((m) => m.verification) ? "drop, verified" : "drop, search", plot);
  redrawOnScheme(plot);
  plot();
}
