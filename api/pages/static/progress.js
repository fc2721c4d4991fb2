// A run that is followed: its stage, how long it has taken, and how long it will.
import { follow } from "./follow.js";
import { duration } from "./format.js";

const at = (id) => document.getElementById(id);
let told = { elapsed: null, left: null, at: performance.now() };

export function watch(path, after, { candidate, state }) {
  remember(Number(at("stage-time").dataset.elapsed || NaN), Number(at("stage-time").dataset.left || NaN));
  setInterval(showTime, 1000);
  follow(`/v1${path}`, after, {
    candidate,
    state: (now) => {
      at("announcer").textContent = now;
      state();
    },
    stage: (event) => { if (event.title) show(event); },
  });
}

function show({ stage, title, text, done, total, elapsed_s: elapsed, left_s: left }) {
  const steps = [...document.querySelectorAll(".stages li")], now = steps.findIndex((step) => step.dataset.stage === stage);
  if (!steps.length) return;
  if (at("stage").textContent !== title) at("announcer").textContent = title;
  for (const [i, step] of steps.entries()) {
    step.className = i < now ? "done" : i === now ? "now" : "later";
    step.toggleAttribute("aria-current", i === now);
  }
  at("stage").textContent = title;
  at("stage-text").textContent = text;
  at("stage-count").textContent = total ? `${done} of ${total}` : "";
  if (total) Object.assign(at("bar"), { max: total, value: done });
  else at("bar").removeAttribute("value");
  remember(elapsed, left ?? NaN);
}

function remember(elapsed, left) {
  told = { elapsed, left, at: performance.now() };
  showTime();
}

// The clock keeps running between two events.
function showTime() {
  const since = (performance.now() - told.at) / 1000, line = at("stage-time");
  if (!line || Number.isNaN(told.elapsed)) return;
  const left = Number.isNaN(told.left) ? "" : `, about ${duration(Math.max(0, told.left - since))} left`;
  line.textContent = `for ${duration(told.elapsed + since)}${left}`;
}
