// What every page has: logging out, and copying by button.
import { ask } from "./api.js";

document.getElementById("logout")?.addEventListener("click", async () => {
  await ask("/logout", { method: "POST" });
  location.assign("/login");
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const code = button.parentElement.querySelector("code");
  const copied = await copy(button.dataset.copy || code.textContent);
  if (!copied) getSelection().selectAllChildren(code);
  button.textContent = copied ? "Copied" : "Press Ctrl+C";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});

// Browsers grant the clipboard on secure origins only.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
