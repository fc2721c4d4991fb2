// Follows a study's events. The server ends the stream when the study has ended; a broken one is taken up again.

const FINAL = ["complete", "failed", "cancelled"];

// `after` is the last event that the page as rendered knows of.
export function follow(path, after, { stage, candidate, state }) {
  const source = new EventSource(`${path}/events?${new URLSearchParams({ after })}`);
  let last = null;
  source.addEventListener("stage", (event) => stage(JSON.parse(event.data)));
  source.addEventListener("candidate", (event) => candidate(JSON.parse(event.data)));
  source.addEventListener("state", (event) => {
    last = JSON.parse(event.data).state;
    state(last);
  });
  source.addEventListener("error", () => { if (FINAL.includes(last)) source.close(); });
}
