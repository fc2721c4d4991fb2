"use strict";
const { result, members, beside } = JSON.parse(document.getElementById("data").textContent);
const colours = { certified: "#1f8a70", verified: "#2474b5", measured: "#2474b5", refuted: "#c0392b", unverified: "#9aa4af" };
const dense = result.baseline;
const chosen = result.best ?? result.knee, title = result.best === null ? "knee" : "best";
const verdict = (m) => (m.verification ? m.verification.verdict : "unverified");
const verdictInWords = (m) => verdict(m) + (verdict(m) === "certified" && m.verification.bought ? ` by ${m.verification.bought.labels} bought labels of ${m.verification.bought.texts} texts` : "") + (m.verification && m.verification.blocked_by != null ? `, blocked by #${m.verification.blocked_by}` : "") + (m.verification && m.answered?.qualifier ? `, ${m.answered.qualifier}` : "");
const isShown = (v) => v !== null && v !== undefined;
const number = (v, digits = 4) => (isShown(v) ? v.toFixed(digits) : "–");
const interval = (v, b, digits = 4) => (isShown(v) ? number(v, digits) + (b ? ` [${b[0].toFixed(digits)}, ${b[1].toFixed(digits)}]` : "") : "–");
const PREFIXES = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]];
const scaled = (v, unit = "") => {
  const rounded = Number(v.toPrecision(3));
  const [factor, prefix] = PREFIXES.find(([each]) => Math.abs(rounded) >= each) ?? [1, ""];
  return `${Number((rounded / factor).toPrecision(3))} ${prefix}${unit}`.trimEnd();
};
const AXES = {
  "FLOPs ratio": (m) => m.flops_ratio,
  "bit operations ratio": (m) => m.bit_operations_ratio ?? null,
  "drop (search)": (m) => m.drop,
  "drop (verification)": (m) => (m.verification ? m.verification.drop : null),
  "latency ratio": (m) => m.latency_ratio,
  "energy ratio": (m) => m.energy_ratio,
  parameters: (m) => m.parameters,
  "size in bytes": (m) => m.size_bytes,
  "peak memory ratio": (m) => m.memory_ratio ?? null,
  divergence: (m) => m.divergence,
};
const AT_DENSE = { "FLOPs ratio": 1, "bit operations ratio": 1, "drop (search)": 0, "drop (verification)": 0, "latency ratio": 1, "energy ratio": 1, "peak memory ratio": 1, divergence: 0 };
for (const cost of Object.keys(dense?.own ?? {})) { AXES[`${cost} ratio`] = (m) => m.own_ratios[cost]; AT_DENSE[`${cost} ratio`] = 1; }
if (dense) { AT_DENSE.parameters = dense.parameters; AT_DENSE["size in bytes"] = dense.size_bytes; }

function row(table, cells, kind, className) {
  const tr = table.appendChild(document.createElement("tr"));
  if (className) tr.className = className;
  for (const cell of cells) {
    const td = tr.appendChild(document.createElement(kind));
    td.textContent = cell.text === undefined ? cell : cell.text;
    if (cell.className) td.className = cell.className;
  }
}
const milliseconds = (s) => `${(s * 1e3).toFixed(s < 1e-3 ? 3 : 1)} ms`;
const RUNTIMES = { torch: "torch", onnxruntime: "ONNX Runtime", "torch-compile": "torch.compile" };
const nameOf = (l) => RUNTIMES[l.backend] ?? l.backend;
const placesOf = (views) => [...new Map(views.flatMap((m) => m?.latency ?? []).map((l) => [`${l.batch} ${l.backend} ${l.length}`, l])).values()];
const titleOf = (l, places) => `batch ${l.batch}${new Set(places.map((each) => each.length)).size > 1 ? `, ${l.length} tokens` : ""}${places.some((each) => each.backend !== "torch") ? `, ${nameOf(l)}` : ""}`;
const latencyAt = (m, place) => m.latency.find((l) => l.batch === place.batch && l.backend === place.backend && l.length === place.length);
const times = (ratio, bounds) => `×${interval(ratio, bounds, 2)}`;
const changed = (ratio, bounds = null) => `${((ratio - 1) * 100).toFixed(1)} %${bounds ? ` [${bounds.map((b) => ((b - 1) * 100).toFixed(1)).join(", ")}]` : ""}`;
const toTorch = (l, figure, of = "of") => (l.gain_torch ? `${figure(l.ratio_torch, l.ratio_torch_interval)} ${of} torch float32` : "no gain over torch float32");
function changeOf(l, figure, of = "of") {
  if (l.backend === "torch") return l.gain ? figure(l.ratio, l.ratio_interval) : "no gain";
  const there = l.gain ? `${figure(l.ratio, l.ratio_interval)} ${of} ${nameOf(l)} float32` : `no gain over ${nameOf(l)} float32`;
  return `${there}, ${toTorch(l, figure, of)}`;
}
function latency(l) {
  const kernels = l.kernels ? ` (${l.kernels})` : "";
  const before = isShown(l.dense_seconds) ? `${milliseconds(l.dense_seconds)} → ` : "";
  return `${before}${milliseconds(l.seconds)} ${changeOf(l, times)}${kernels}`;
}
const ofDense = (l) => milliseconds(l.seconds) + (l.backend === "torch" ? "" : ` ${toTorch(l, times)}`);
const energyChange = (m) => (m === dense || !isShown(m.energy_ratio) ? "" : m.energy_gain ? ` ${times(m.energy_ratio, m.energy_ratio_interval)}` : " no gain");
function costs(m) {
  const before = m !== dense && isShown(m.energy_dense_j) ? `${scaled(m.energy_dense_j, "J")} → ` : "";
  return [isShown(m.energy_j) ? `${before}${scaled(m.energy_j, "J")}${energyChange(m)} (${m.energy_source})` : "–", m.parameters.toLocaleString("en"),
    scaled(m.size_bytes, "B"), isShown(m.peak_memory_bytes) ? scaled(m.peak_memory_bytes, "B") + (isShown(m.memory_ratio) ? ` ×${m.memory_ratio.toFixed(2)}` : "") : "–"];
}
function drawFront() {
  const table = document.getElementById("front");
  const shown = result.front.length ? result.front : result.least_violating;
  const places = placesOf([dense, ...shown]);
  row(table, ["", result.metric, "drop, 95 %", "verified drop, 95 %", "upper bound", "corrected for luck", "chance above ε", "verdict", "FLOPs",
    ...places.map((l) => `latency, ${titleOf(l, places)}`), "energy", "parameters", "size", "peak memory"], "th");
  if (dense) row(table, ["dense", number(dense.accuracy), "–", "–", "–", "–", "–", "–", scaled(dense.flops),
    ...places.map((l) => (latencyAt(dense, l) ? ofDense(latencyAt(dense, l)) : "–")), ...costs(dense)], "td", "dense");
  for (const m of shown) {
    const v = m.verification;
    row(table, [`#${m.candidate}${m.candidate === chosen ? ` ${title}` : ""}${m.distribution ? ` ${m.distribution}` : ""}${m.recipe ? ` ${m.recipe.words}` : ""}`, number(m.accuracy), interval(m.drop, m.drop_interval),
      v ? interval(v.drop, v.interval) : "–", v ? number(v.upper_95) : "–", number(v?.shrunken_drop), isShown(v?.chance_above) ? `≤ ${(v.chance_above * 100).toFixed(0)} %` : "–", { text: verdictInWords(m), className: verdict(m) },
      `${scaled(m.flops)} ×${m.flops_ratio.toFixed(3)}`, ...places.map((l) => (latencyAt(m, l) ? latency(latencyAt(m, l)) : "–")), ...costs(m)], "td");
  }
}
function drawGuests() {
  const guests = result.guests;
  if (!guests.length) return;
  document.getElementById("elsewhere").hidden = false;
  document.getElementById("beside").textContent = `On the ${guests[0].n.toLocaleString("en")} verification examples. ${beside}`;
  const table = document.getElementById("guests"), places = placesOf(guests);
  row(table, ["", result.metric, "drop, 95 %", "FLOPs", ...places.map((l) => `latency, ${titleOf(l, places)}`), "energy", "parameters", "size", "peak memory", "from"], "th");
  for (const g of guests)
    row(table, [g.name, number(g.accuracy), interval(g.drop, g.interval), `${scaled(g.flops)} ×${g.flops_ratio.toFixed(3)}`,
      ...places.map((l) => (latencyAt(g, l) ? latency(latencyAt(g, l)) : "–")), ...costs(g), `${g.place} (${g.form})`], "td");
}
function layout(extra) {
  const ink = getComputedStyle(document.body).color;
  return { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink }, margin: { t: 20, r: 20 }, legend: { orientation: "h", y: -0.2 }, ...extra };
}
function drawScatter() {
  const [x, y] = ["x", "y"].map((id) => document.getElementById(id).value);
  const onFront = new Set(result.front.map((m) => m.candidate));
  const traces = Object.keys(colours).map((kind) => {
    const some = members.filter((m) => verdict(m) === kind && isShown(AXES[x](m)) && isShown(AXES[y](m)));
    return { name: kind, mode: "markers", type: "scatter", x: some.map(AXES[x]), y: some.map(AXES[y]), customdata: some.map((m) => m.candidate),
      text: some.map((m) => `#${m.candidate} ${m.distribution ?? m.origin}${m.candidate === chosen ? ` (${title})` : ""}<br>drop ${interval(m.drop, m.drop_interval)}`),
      hovertemplate: "%{text}<br>%{x:.4g} / %{y:.4g}<extra></extra>",
      marker: { color: colours[kind], size: some.map((m) => (onFront.has(m.candidate) ? 12 : 7)), symbol: some.map((m) => (m.candidate === chosen ? "star" : "circle")) } };
  });
  if (AT_DENSE[x] !== undefined && AT_DENSE[y] !== undefined)
    traces.push({ name: "dense", mode: "markers", type: "scatter", x: [AT_DENSE[x]], y: [AT_DENSE[y]], marker: { color: "#888", size: 12, symbol: "diamond" } });
  const line = { color: "#c0392b", dash: "dot", width: 1.5 };
  const shapes = [];
  if (isShown(result.epsilon) && x.startsWith("drop")) shapes.push({ type: "line", x0: result.epsilon, x1: result.epsilon, yref: "paper", y0: 0, y1: 1, line });
  if (isShown(result.epsilon) && y.startsWith("drop")) shapes.push({ type: "line", y0: result.epsilon, y1: result.epsilon, xref: "paper", x0: 0, x1: 1, line });
  const plot = document.getElementById("scatter");
  Plotly.react(plot, traces, layout({ shapes, xaxis: { title: { text: x } }, yaxis: { title: { text: y } } }), { responsive: true, displaylogo: false });
  plot.removeAllListeners("plotly_click");
  plot.on("plotly_click", (event) => choose(event.points[0].customdata));
}
function choose(candidate) {
  if (candidate === undefined) return;
  document.getElementById("member").value = candidate;
  drawLayers();
}
function drawLayers() {
  const m = members.find((each) => each.candidate === Number(document.getElementById("member").value));
  if (!m) return;
  const levelsOf = (one) => Object.assign({}, one.config, ...Object.values(one.transforms));
  const own = levelsOf(m), full = dense?.config ? levelsOf(dense) : {}; // older studies stored no counts of the dense model
  if (!dense?.config) for (const each of members) for (const [name, kept] of Object.entries(levelsOf(each))) full[name] = Math.max(full[name] || 0, kept);
  const kindOf = (name) => Object.keys(m.transforms).find((each) => name in m.transforms[each]) ?? name.match(/\.(heads|neurons)$/)?.[1] ?? (m.recipe ? "weights" : "channels");
  const traces = [...new Set(Object.keys(own).map(kindOf))].map((kind) => {
    const names = Object.keys(own).filter((name) => kindOf(name) === kind);
    return { name: kind, type: "bar", x: names.map((n) => (["channels", "weights"].includes(kind) ? n.replace(/^net\./, "") : n.split(".")[1])), y: names.map((n) => own[n] / (full[n] || 1)),
      text: names.map((n) => own[n]), hovertemplate: "layer %{x}: %{text} kept<extra></extra>" };
  });
  Plotly.react("layers", traces, layout({ xaxis: { title: { text: "layer" } }, yaxis: { title: { text: dense?.config ? "share of the dense model's units" : "share of the most that any candidate keeps" }, range: [0, 1.05], tickformat: ".0%" } }), { responsive: true, displaylogo: false });
  document.getElementById("export").textContent = `optimize export ${result.study} ${m.candidate} DIR`;
}
function drawChosen() {
  const m = result.front.find((each) => each.candidate === chosen);
  if (!m || !dense) return;
  const table = document.getElementById("chosen");
  document.getElementById("chosen-title").textContent = `The ${title}, in the published form`;
  const line = (name, a, b, form, gain = true, ratio = b / a, bounds = null) =>
    row(table, [name, isShown(a) ? form(a) : "–", form(b), gain ? changed(ratio, bounds) : "no gain"], "td");
  row(table, ["", "original", "pruned", "change"], "th");
  if (m.verification && isShown(dense.verification_accuracy)) line(`${result.metric}, verification`, dense.verification_accuracy, m.verification.accuracy, number);
  for (const l of m.verification?.labels ?? [])
    row(table, [`F1 of ${l.label} (n = ${l.n})`, number(l.dense_f1), number(l.f1), `drop ${interval(l.drop, l.interval)}`], "td");
  line("FLOPs per inference", dense.flops, m.flops, scaled);
  for (const l of m.latency)
    row(table, [`latency, ${titleOf(l, m.latency)}`, isShown(l.dense_seconds) ? milliseconds(l.dense_seconds) : "–", milliseconds(l.seconds), changeOf(l, (r) => changed(r), "against")], "td");
  if (isShown(m.energy_j)) line(`energy per inference (${m.energy_source})`, m.energy_dense_j, m.energy_j, (v) => scaled(v, "J"), m.energy_gain, m.energy_ratio, m.energy_ratio_interval);
  if (m.answered) row(table, ["answers", "–", m.answered.words, "–"], "td");
}
const PARTS = ["CPU", "GPU", "RAM"];
const SPENT = ["time", ...PARTS, "energy", "Wh", "own", "peak RSS", "peak CUDA"];
function spent(one, parts) {
  const joules = PARTS.map((name) => parts.filter((p) => p.part === name).map((p) => p.joules));
  const sum = (values) => values.reduce((a, b) => a + b, 0), total = sum(parts.map((p) => p.joules));
  return [scaled(one.seconds, "s"), ...joules.map((each) => (each.length ? scaled(sum(each), "J") : "–")), scaled(total, "J"), (total / 3600).toPrecision(3),
    scaled(sum(parts.map((p) => p.own_joules)), "J"), scaled(one.resident_bytes, "B"), isShown(one.peak_cuda_bytes) ? scaled(one.peak_cuda_bytes, "B") : "–"];
}
const trained = [{ candidate: null, name: "dense", training: result.baseline?.training },
  ...(result.front.length ? result.front : result.least_violating).map((m) => ({ candidate: m.candidate, name: `#${m.candidate}`, training: m.training }))].filter((each) => each.training);
function drawTrainings() {
  document.getElementById("training").hidden = !trained.length;
  row(document.getElementById("trainings"), ["", "epochs", "J an epoch", ...SPENT], "th");
  for (const m of trained) {
    const epochs = m.training.epochs.reduce((all, e) => all + e.of_epoch, 0);
    row(document.getElementById("trainings"), [m.name, Number(epochs.toPrecision(3)), scaled(m.training.joules / epochs, "J"), ...spent(m.training, m.training.epochs.flatMap((e) => e.parts))], "td");
  }
}
function drawEpochs() {
  const table = document.getElementById("epochs"), m = trained.find((each) => each.name === document.getElementById("trained").value);
  table.replaceChildren();
  row(table, ["epoch", "of it", ...SPENT, "sources"], "th");
  for (const e of m?.training.epochs ?? []) row(table, [e.epoch, Number(e.of_epoch.toPrecision(3)), ...spent(e, e.parts), e.parts.map((p) => `${p.part} ${p.source}`).join(", ")], "td");
}
function drawConditions() {
  const table = document.getElementById("conditions");
  const facts = { ε: result.epsilon ?? "none", ...Object.fromEntries(Object.entries(result.limits).map(([cost, limit]) => [`limit of ${cost}`, `×${limit}`])), seed: result.seed, objectives: result.objectives.join(", "), "candidates evaluated": result.candidates_evaluated,
    "stopped early": `${result.stopped_early.candidates} (${(result.stopped_early.examples_saved * 100).toFixed(0)} % of the examples saved)`,
    "studies verified on these examples": result.verification_uses, hypervolume: number(result.hypervolume) };
  for (const [name, value] of Object.entries(result.conditions))
    facts[name] = name === "examples" ? Object.entries(value).map(([role, e]) => `${role} ${e.n}`).join(", ") : String(value);
  for (const [name, value] of Object.entries(result.seconds)) facts[`time: ${name}`] = `${value.toFixed(1)} s`;
  for (const [name, value] of Object.entries(facts)) row(table, [name, value], "td");
  for (const note of result.notes) document.getElementById("notes").appendChild(document.createElement("li")).textContent = note;
}
function options(id, values, chosen, draw) {
  const select = document.getElementById(id);
  for (const [value, text] of values) select.add(new Option(text, value, false, value === chosen));
  select.addEventListener("change", draw);
}
options("x", Object.keys(AXES).map((a) => [a, a]), members.some((m) => m.recipe) ? "parameters" : "FLOPs ratio", drawScatter);
options("y", Object.keys(AXES).map((a) => [a, a]), members.some((m) => m.verification) ? "drop (verification)" : "drop (search)", drawScatter);
options("member", members.map((m) => [m.candidate, `#${m.candidate} (${m.flops_ratio.toFixed(3)} of the FLOPs, ${verdict(m)})`]), chosen, drawLayers);
options("trained", trained.map((m) => [m.name, m.name]), trained.find((m) => m.candidate === chosen)?.name, drawEpochs);
drawTrainings(); drawEpochs();
drawFront(); drawGuests(); drawScatter(); drawLayers(); drawChosen(); drawConditions();
