// Asks the server, and turns a refusal into an error that carries its problem details.

export class Refusal extends Error {
  constructor(problem) {
    super(problem.detail);
    this.status = problem.status;
    this.errors = problem.errors ?? [];
  }
}

export async function ask(path, { method = "GET", body, headers = {} } = {}) {
  const given = body === undefined ? headers : { ...headers, "Content-Type": "application/json" };
  const answer = await fetch(path, { method, headers: { Accept: "application/json", ...given }, body: body === undefined ? undefined : JSON.stringify(body) });
  if (!answer.ok) throw new Refusal(await problemOf(answer));
  return answer.status === 204 ? null : answer.json();
}

async function problemOf(answer) {
  const isProblem = (answer.headers.get("Content-Type") ?? "").includes("json");
  return isProblem ? answer.json() : { status: answer.status, detail: `the server answered ${answer.status}` };
}

// Yields one page after the other, beginning after the first `known` items.
export async function* pages(path, known = 0) {
  let cursor = known ? String(known) : null;
  do {
    const query = new URLSearchParams({ limit: "1000", ...(cursor ? { cursor } : {}) });
    const page = await ask(`${path}?${query}`);
    yield page.items;
    cursor = page.next;
  } while (cursor);
}

// Returns the elements of these ids as the server renders them now.
export async function rendered(url, ids) {
  const answer = await fetch(url, { headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Refusal({ status: answer.status, detail: `the server answered ${answer.status}` });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return ids.map((id) => page.getElementById(id));
}

export const read = (id) => JSON.parse(document.getElementById(id).textContent);
