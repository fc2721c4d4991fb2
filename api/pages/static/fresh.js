// Parts of a page, named by `data-fresh`, that are fetched again from the server every few seconds.
import { rendered } from "./api.js";

setInterval(async () => {
  if (document.hidden) return;
  const ids = [...document.querySelectorAll("[data-fresh]")].map((part) => part.id);
  if (!ids.length) return;
  try {
    for (const part of await rendered(location.href, ids)) if (part) document.getElementById(part.id).replaceWith(part);
  } catch (error) {
    console.info(`the page is not fresh: ${error.message}`);
  }
}, 4000);
