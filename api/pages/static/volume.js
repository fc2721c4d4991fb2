// The hypervolume over the candidates.
import { ask } from "./api.js";
import { colour, draw } from "./plot.js";

export async function drawVolume(target, path) {
  const { items } = await ask(`${path}/hypervolume`);
  const trace = { x: items.map((s) => s.candidates), y: items.map((s) => s.hypervolume), type: "scatter", mode: "lines", line: { shape: "hv", color: colour("accent"), width: 2 }, fill: "tozeroy", fillcolor: colour("accent-wash"), hovertemplate: "%{x} candidates<br>%{y:.4f}<extra></extra>" };
  return draw(target, [trace], { xaxis: { title: { text: "candidates" } }, yaxis: { rangemode: "tozero" }, showlegend: false });
}
