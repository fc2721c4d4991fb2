// Workers and queue: taken anew from the server every few seconds.
import { rendered } from "./api.js";

setInterval(async () => {
  if (document.hidden) return;
  try {
    const [now] = await rendered(location.href, ["queue"]);
    if (now) document.getElementById("queue").replaceWith(now);
  } catch (error) {
    console.info(`the queue is not fresh: ${error.message}`);
  }
}, 4000);
