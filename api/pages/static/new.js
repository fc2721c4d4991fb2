// The form for a new study: checked as one types, sent as JSON, refusals shown at their fields.
import { ask, Refusal } from "./api.js";
import { problemOf, valueOf } from "./validate.js";

const form = document.getElementById("new");
const controls = [...form.querySelectorAll("[data-kind]")];
const pathOf = (control) => control.name || control.dataset.name;
const byPath = new Map(controls.map((control) => [pathOf(control), control]));

function mark(control, problem) {
  document.getElementById(`${control.id}-error`).textContent = problem ?? "";
  control.setAttribute("aria-invalid", problem ? "true" : "false");
}

function check(control) {
  const problem = problemOf(control);
  mark(control, problem);
  return problem === null;
}

function request() {
  const made = {};
  for (const control of controls) {
    const value = valueOf(control);
    if (value === undefined) continue;
    const [head, tail] = pathOf(control).split(".");
    if (tail) made[head] = { ...made[head], [tail]: value };
    else made[head] = value;
  }
  return made;
}

function reveal(control) {
  control.closest("details").open = true;
  (control.matches("fieldset") ? control.querySelector("input") : control).focus();
}

// A server's text names fields in backticks.
const plain = (text) => text.replaceAll("`", "");

function showRefusal(error) {
  const unplaced = [];
  const placed = [];
  for (const { field, detail } of error.errors) {
    const control = byPath.get(field) ?? byPath.get(field.split(".")[0]);
    if (control) {
      mark(control, plain(detail));
      placed.push(control);
    } else unplaced.push(plain(detail));
  }
  if (placed.length) reveal(placed[0]);
  document.getElementById("form-error").textContent = unplaced.join("; ") || (placed.length ? "" : error.message);
}

// A random text; crypto.randomUUID exists on secure origins only.
const freshKey = () => [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16)).join("-");

let key = freshKey();
form.addEventListener("input", (event) => {
  key = freshKey(); // another request
  const control = event.target.closest("[data-kind]");
  if (control) check(control);
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  document.getElementById("form-error").textContent = "";
  const wrong = controls.filter((control) => !check(control));
  if (wrong.length) return reveal(wrong[0]);
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  try {
    const { study } = await ask("/v1/studies", { method: "POST", body: request(), headers: { "Idempotency-Key": key } });
    location.assign(`/studies/${encodeURIComponent(study)}`);
  } catch (error) {
    if (error instanceof Refusal) showRefusal(error);
    else document.getElementById("form-error").textContent = `The server cannot be reached (${error.message}). You can safely submit again.`;
    button.disabled = false;
  }
});
