// Calls of the JSON API.

const KEY = "zoo-token";

/** An answer with an error status. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Return whether calls send a token. */
export function hasToken() {
  return sessionStorage.getItem(KEY) !== null;
}

/** Set the token that all calls send, until the tab is closed. */
export function setToken(token) {
  sessionStorage.setItem(KEY, token);
}

async function request(path, options = {}) {
  const token = sessionStorage.getItem(KEY);
  const headers = { ...options.headers };
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not respond.");
  }
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    throw new Refused(response.status, body.error ?? `The server answered ${response.status}.`);
  }
  return response;
}

function post(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  return request(path, { method: "POST", body: JSON.stringify(body), headers, signal });
}

/** Return what the page shows of the model. */
export async function model() {
  return (await request("model")).json();
}

/** Return the prediction of a text. */
export async function predict(body) {
  return (await post("predict", body)).json();
}

/** Yield the server-sent events of a generation: [name, data]. */
export async function* generate(body, signal) {
  const response = await post("generate", body, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let received = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (received + value).split("\n\n");
    received = events.pop();
    for (const event of events) {
      const [name, data] = event.split("\n");
      yield [name.slice("event: ".length), JSON.parse(data.slice("data: ".length))];
    }
  }
}
