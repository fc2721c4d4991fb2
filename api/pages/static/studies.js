// The list of studies: rows whose study has changed are fetched again.
import { rendered } from "./api.js";

const EVERY_MS = 4000;

async function refresh() {
  if (document.hidden) return;
  const [table] = await rendered(location.href, ["studies"]);
  const old = document.getElementById("studies");
  if (!table || !old) return;
  const rows = [...table.tBodies[0].rows].map((row) => {
    const before = document.getElementById(row.id);
    if (!before || before.dataset.revision === row.dataset.revision) return before ?? row;
    row.querySelector("input").checked = before.querySelector("input").checked;
    return before.contains(document.activeElement) ? before : row;
  });
  const now = [...old.tBodies[0].rows];
  if (rows.length !== now.length || rows.some((row, i) => row !== now[i])) old.tBodies[0].replaceChildren(...rows);
}

async function repeat() {
  try {
    await refresh();
  } catch (error) {
    console.info(`the list could not be refreshed: ${error.message}`);
  }
  setTimeout(repeat, EVERY_MS);
}

setTimeout(repeat, EVERY_MS);
