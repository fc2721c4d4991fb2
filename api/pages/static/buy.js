// Begins a purchase with fresh texts, and shows how far the models have answered them.
import { ask, rendered } from "./api.js";

const form = document.getElementById("buy");
const part = () => document.getElementById("purchase");
const isLive = () => ["queued", "running"].includes(part().dataset.state);

async function refresh() {
  const [now] = await rendered(location.href, ["purchase"]);
  part().replaceWith(now);
}

async function follow() {
  while (isLive()) {
    await new Promise((done) => setTimeout(done, 1000));
    await refresh();
  }
  location.reload();
}

async function sent(file) {
  const url = await new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(file);
  });
  return { name: file.name, content: url.slice(url.indexOf(",") + 1) };
}

const guarded = (action) => action().catch((error) => { document.getElementById("buy-error").textContent = error.message; });

form.addEventListener("submit", (event) => {
  event.preventDefault();
  guarded(async () => {
    const [file] = document.getElementById("file").files;
    const texts = file ? await sent(file) : document.getElementById("path").value.trim();
    await ask(`/v1/studies/${form.dataset.study}/purchases`, { method: "POST", body: { texts, double: document.getElementById("twice")?.checked ? "all" : null } });
    await refresh();
    await follow();
  });
});
if (isLive()) guarded(follow);
