// The start of the page: the token if the server needs one, then the model.

import { hasToken, model as load, setToken } from "./api.js";
import { byId, create, note } from "./elements.js";
import { showGeneration } from "./generation.js";
import { showLive } from "./live.js";

/** Ask for the token, and start again. */
function askForToken() {
  const field = create("input", {
    id: "token",
    type: "password",
    autocomplete: "current-password",
    required: true,
  });
  const form = create(
    "form",
    {},
    create("label", { htmlFor: "token" }, "Token of this server"),
    create("div", { className: "row" }, field, create("button", {}, "Continue")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    setToken(field.value);
    form.remove();
    start();
  });
  note(hasToken() ? "This token is wrong." : "This server needs a token.", hasToken());
  byId("form").before(form);
  field.focus();
}

async function start() {
  let model;
  try {
    model = await load();
  } catch (error) {
    if (error.status === 401) askForToken();
    else note(error.message, true);
    return;
  }
  note("");
  document.title = model.title;
  byId("title").textContent = model.title;
  byId("form").hidden = false;
  byId("input").focus();
  (model.kind === "language_model" ? showGeneration : showLive)(model);
}

start();
