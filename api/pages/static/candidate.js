// A candidate: its HTTP call with this server's address, export, and download.
import { ask } from "./api.js";
import { element } from "./format.js";

const POLL_MS = 700;
const ENDED = ["done", "failed", "cancelled"];

export function enliven(article) {
  for (const code of article.querySelectorAll("[data-call]")) code.textContent = call(code.dataset);
  for (const button of article.querySelectorAll("[data-format]")) button.addEventListener("click", () => exportAs(button.dataset.format, article));
}

function call({ call: path, body, keyed }) {
  const key = keyed === undefined ? "" : " -H 'Authorization: Bearer KEY'";
  return `curl -X POST ${location.origin}${path}${key} -H 'Content-Type: application/json' -d '${body}'`;
}

async function exportAs(format, article) {
  const { study, candidate } = article.dataset;
  const status = article.querySelector("[data-export-status]"), files = article.querySelector("[data-export-files]");
  const buttons = article.querySelectorAll("[data-format]");
  files.replaceChildren();
  for (const button of buttons) button.disabled = true;
  try {
    let job = await ask(`/v1/studies/${encodeURIComponent(study)}/exports`, { method: "POST", body: { candidate: Number(candidate), format } });
    while (!ENDED.includes(job.state)) {
      status.textContent = job.state === "queued" ? "Waiting for a worker …" : "A worker is writing the model …";
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      job = await ask(`/v1/exports/${job.id}`);
    }
    status.textContent = job.state === "done" ? "The model is ready. Download:" : `The export ${job.state}: ${job.error ?? "no reason is stored"}`;
    files.append(...(job.result?.files ?? []).map((name) => element("li", {}, element("a", { href: `/v1/exports/${job.id}/files/${encodeURIComponent(name)}`, download: name, text: name }))));
  } catch (error) {
    status.textContent = error.message;
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

const here = document.getElementById("candidate");
if (here) enliven(here);
