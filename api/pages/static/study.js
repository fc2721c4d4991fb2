// A study: progress, the front at any ε, and the candidate that is looked at.
import { ask, pages, read, Refusal, rendered } from "./api.js";
import { chosen as chosenAxes, offer } from "./axes.js";
import { enliven } from "./candidate.js";
import { frontAt, toleranceOf } from "./front.js";
import { redrawOnScheme } from "./plot.js";
import { drawParallel, highlight } from "./parallel.js";
import { drawScatter } from "./scatter.js";
import { drawTable } from "./table.js";
import { drawVolume } from "./volume.js";
import { enlivenActions, enlivenLabels } from "./actions.js";
import { watch } from "./progress.js";

const SETTLE_MS = 250, FRESH_MS = 1500;
const at = (id) => document.getElementById(id);
const { result, limits, epsilon: asked, after } = read("data");
const path = `/studies/${encodeURIComponent(result.study)}`;
const view = { study: result, members: [], epsilon: asked ?? toleranceOf(result), front: { items: [], knee: null, best: null }, judged: new Map(), chosen: null, isWhole: false, axes: [], path };

function refilter() {
  view.front = frontAt(view.members, view.study, limits, view.epsilon);
  drawTable(at("front").tBodies[0], view);
  describe(null);
  plotSoon();
  judgeSoon();
}

// Many changes of one moment are drawn once.
let isPlanned = false;
function plotSoon() {
  if (isPlanned) return;
  isPlanned = true;
  requestAnimationFrame(() => {
    isPlanned = false;
    plot();
  });
}

function plot() {
  if (!view.members.length) return;
  view.axes = chosenAxes();
  drawScatter(at("scatter"), view, { choose, hover });
  drawParallel(at("parallel"), view, { choose, hover });
}

// The server judges what the browser cannot: what is certified at this ε, and what was stopped too early to tell.
let settling = 0;
function judgeSoon() {
  clearTimeout(settling);
  settling = setTimeout(judge, SETTLE_MS);
}

async function judge() {
  const epsilon = view.epsilon;
  const judged = await ask(`/v1${path}/front?${new URLSearchParams(Number.isFinite(epsilon) ? { epsilon } : {})}`);
  if (epsilon !== view.epsilon) return;
  view.judged = new Map(judged.items.filter((m) => m.verification).map((m) => [m.candidate, m.verification.verdict]));
  drawTable(at("front").tBodies[0], view);
  describe(judged);
  plotSoon();
}

function describe(judged) {
  const bounds = Number.isFinite(view.epsilon) ? `at ε = ${Number(view.epsilon.toPrecision(4))}` : "within the limits";
  const parts = [`${view.front.items.length} on the front ${bounds}, of ${view.members.length} candidates`];
  if (judged?.undecided) parts.push(`${judged.undecided} stopped too early to decide`);
  if (judged?.unverified) parts.push(`${judged.unverified} of the front unverified`);
  at("counts").textContent = parts.join(" · ");
  offerToWiden();
}

// Above its own ε a study that has ended can be resumed: what was stopped is finished, and a new shortlist verified.
function offerToWiden() {
  const { state, study } = view.study, offer = at("widen");
  offer.hidden = ["queued", "running"].includes(state) || view.epsilon <= toleranceOf(view.study);
  offer.querySelector("button").dataset.epsilon = view.epsilon;
  offer.querySelector("button").textContent = `Resume with ε = ${view.epsilon}`;
  offer.querySelector("code").textContent = `optimize resume ${study} --epsilon ${view.epsilon}`;
  offer.querySelector("[data-copy]").dataset.copy = "";
}

// A slider's values are sums of steps in binary; ε is what a person would write.
function setEpsilon(given) {
  if (given !== toleranceOf(result) && !(given >= 0 && given < 1)) return;
  const value = Number(given.toPrecision(6));
  view.epsilon = value;
  view.judged = new Map();
  showEpsilon();
  history.replaceState(null, "", value === toleranceOf(view.study) ? path : `${path}?${new URLSearchParams({ epsilon: value })}`);
  refilter();
}

function showEpsilon() {
  const isCut = Number.isFinite(view.epsilon);
  at("epsilon").value = isCut ? view.epsilon : at("epsilon").max;
  at("epsilon").setAttribute("aria-valuetext", isCut ? view.epsilon : "none");
  if (document.activeElement !== at("epsilon-number")) at("epsilon-number").value = isCut ? view.epsilon : "";
}

function hover(candidate) {
  highlight(at("parallel"), candidate, "hovered");
}

async function choose(candidate) {
  view.chosen = candidate;
  plotSoon();
  drawTable(at("front").tBodies[0], view);
  const detail = at("detail");
  try {
    const [article] = await rendered(`${path}/candidates/${candidate}`, ["candidate"]);
    if (view.chosen !== candidate) return;
    detail.replaceChildren(article);
    enliven(article);
    article.querySelector("h2").focus({ preventScroll: true });
    detail.scrollIntoView({ block: "nearest" });
  } catch (error) {
    detail.textContent = error.message;
  }
}

async function load({ isFresh }) {
  const members = isFresh ? [] : view.members;
  try {
    for await (const items of pages(`/v1${path}/candidates`, members.length)) {
      members.push(...items);
      if (!isFresh) show(members);
    }
  } catch (error) {
    if (error instanceof Refusal && error.status === 409) return; // no baseline yet
    throw error;
  }
  show(members);
}

function show(members) {
  if (!members.length || !view.study.baseline) return;
  view.members = members;
  at("explorer").hidden = false;
  offer(members, members.some((m) => m.verification) ? "drop, verified" : "drop, search", plotSoon);
  refilter();
}

async function refresh() {
  view.study = await ask(`/v1${path}/result`);
  const parts = ["summary", "progress", "conditions"];
  for (const [i, part] of (await rendered(path, parts)).entries()) at(parts[i]).replaceWith(part);
  await load({ isFresh: true });
  if (view.study.baseline && view.study.epsilon > 0) await drawVolume(at("volume"), `/v1${path}`);
}

// While candidates come fast they are fetched together.
let isFetching = false, isMore = false;
async function fetchSoon() {
  isMore = true;
  if (isFetching) return;
  isFetching = true;
  while (isMore) {
    isMore = false;
    await new Promise((resolve) => setTimeout(resolve, FRESH_MS));
    if (!view.study.baseline) view.study = await ask(`/v1${path}/result`);
    await load({ isFresh: false });
  }
  isFetching = false;
}

let changing = 0;
function refreshSoon() {
  clearTimeout(changing);
  changing = setTimeout(refresh, SETTLE_MS);
}

function enlivenControls() {
  const slider = at("epsilon");
  const drops = result.epsilon === null ? result.front.map((m) => m.drop) : [3 * result.epsilon];
  const top = Math.min(0.999, Math.max(...drops, 0.01));
  Object.assign(slider, { min: 0, max: top, step: 10 ** Math.floor(Math.log10(top / 100)) });
  showEpsilon();
  slider.addEventListener("input", () => setEpsilon(slider.valueAsNumber));
  at("epsilon-number").addEventListener("input", () => setEpsilon(at("epsilon-number").valueAsNumber));
  at("epsilon-reset").addEventListener("click", () => setEpsilon(toleranceOf(result)));
  at("whole").addEventListener("click", () => {
    view.isWhole = !view.isWhole;
    at("whole").setAttribute("aria-pressed", view.isWhole);
    plotSoon();
  });
  at("front").addEventListener("click", (event) => {
    const link = event.target.closest("tbody a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choose(Number(link.textContent.slice(1)));
  });
  addEventListener("resize", plotSoon);
  redrawOnScheme(plotSoon);
}

enlivenControls();
enlivenActions(path);
enlivenLabels(path);
if (["queued", "running"].includes(result.state)) watch(path, after, { candidate: fetchSoon, state: refreshSoon });
if (result.baseline) {
  await load({ isFresh: false });
  if (result.epsilon > 0) await drawVolume(at("volume"), `/v1${path}`);
}
