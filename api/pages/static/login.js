// Gives the key to the server, which keeps it in a cookie.
import { ask } from "./api.js";

const form = document.getElementById("login"), key = document.getElementById("key"), told = document.getElementById("key-error");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await ask("/login", { method: "POST", body: { key: key.value.trim() } });
    location.assign(form.dataset.target);
  } catch (error) {
    told.textContent = error.message;
    key.setAttribute("aria-invalid", "true");
    key.select();
  }
});
