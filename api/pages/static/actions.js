// Cancel, resume and delete. The buttons are rendered again when the study's state changes, so clicks are handled on the document.
import { ask } from "./api.js";

export function enlivenActions(path) {
  const told = document.getElementById("action-error");
  document.addEventListener("click", async (event) => {
    const { action, epsilon } = event.target.closest("[data-action]")?.dataset ?? {};
    if (!action) return;
    told.textContent = "";
    try {
      if (action === "delete") await remove(path);
      else await ask(`/v1${path}/${action}`, { method: "POST", body: epsilon ? { epsilon: Number(epsilon) } : undefined });
      if (action !== "delete") location.reload();
    } catch (error) {
      told.textContent = error.message;
      told.scrollIntoView({ block: "nearest" });
    }
  });
}

export function enlivenLabels(path) {
  document.getElementById("labels").addEventListener("submit", async (event) => {
    event.preventDefault();
    const told = document.getElementById("action-error"), value = (id) => document.getElementById(id).value;
    const tags = value("tags").split(",").map((tag) => tag.trim()).filter(Boolean);
    try {
      await ask(`/v1${path}`, { method: "PATCH", body: { tags, note: value("note") } });
      location.reload();
    } catch (error) {
      told.textContent = error.message;
    }
  });
}

async function remove(path) {
  const dialog = document.getElementById("confirm");
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  if (dialog.returnValue !== "yes") return;
  await ask(`/v1${path}`, { method: "DELETE" });
  location.assign("/");
}
