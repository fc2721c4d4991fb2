// Labels one text after the other by buttons or keys. A batch is sent when it is complete; until then a label can be taken back.
import { ask, read } from "./api.js";

const BATCH = 20;
const byId = (id) => document.getElementById(id);
const path = `/v1/studies/${byId("labelling").dataset.study}/labels`;
const buttons = [...document.querySelectorAll("#choices [data-label]")];
let rows = [], given = [], standing = read("standing");

function show() {
  const row = rows[given.length];
  byId("text").replaceChildren(...(row ? row.content : []).map((part) => Object.assign(document.createElement("p"), { className: "text", textContent: part })));
  for (const button of buttons) button.disabled = !row;
  byId("undo").disabled = !given.length;
  Object.assign(byId("done"), { max: Math.max(rows.length, 1), value: given.length });
  byId("told").textContent = progress();
  byId("members").replaceChildren(...standing.members.map((m) => Object.assign(document.createElement("li"), { textContent: member(m) })));
}

function progress() {
  if (standing.waiting === null) return "All members are certified. No more labels are needed.";
  if (!rows.length) return `#${standing.waiting} has no ${standing.what.slice(0, -1)} left to label; more ${standing.what} continue the sequence.`;
  const more = standing.more === null ? "more labels than can be foreseen" : `about ${standing.more} more labels`;
  return `${given.length} of ${rows.length} in this batch; #${standing.waiting} needs ${more}.`;
}

const member = (m) => `#${m.candidate}: ${m.certified ? "certified" : m.blocked_by === null ? "not certified" : `blocked by #${m.blocked_by}`} at ε = ${m.epsilon}; drop at most ${m.upper.toFixed(4)} with ${m.labels} labels`;

const wanted = () => ask(`${path}/next`, { method: "POST", body: { batch: BATCH } });
const send = (labels) => ask(path, { method: "POST", body: { labels: Object.fromEntries(labels) } });

async function next() {
  const found = await wanted();
  [rows, given, standing] = [found.items.slice(0, BATCH), [], found.standing];
  show();
}

// Somebody else may have labelled some of the same texts meanwhile; the first label stays.
async function give(labels) {
  try {
    await send(labels);
  } catch (refusal) {
    if (refusal.status !== 409) throw refusal;
    const open = new Set((await wanted()).items.map((row) => row.id));
    const mine = labels.filter(([id]) => open.has(id));
    if (mine.length) await send(mine);
  }
}

async function label(value) {
  if (!rows[given.length]) return;
  given.push(value);
  show();
  if (given.length < rows.length) return;
  await give(rows.map((row, i) => [row.id, given[i]]));
  await next();
}

const guarded = (action) => action().catch((error) => { byId("told").textContent = error.message; });

function undo() {
  given.pop();
  show();
}

byId("undo").addEventListener("click", undo);
for (const button of buttons) button.addEventListener("click", () => guarded(() => label(button.dataset.label)));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  if (event.key === "Backspace") return undo();
  const chosen = event.key === "?" ? buttons.at(-1) : buttons.slice(0, -1)[Number(event.key) - 1];
  if (chosen) guarded(() => label(chosen.dataset.label));
});
if (standing.waiting !== null) guarded(next);
show();
