// Generation from a prompt, until the length is reached or the user stops it.

import { generate } from "./api.js";
import { byId, create, isAccepted, note } from "./elements.js";

const REASONS = { length: "", shutdown: "The server stopped.", error: "The server failed." };

/** Show the value of a slider next to it. */
function showValue(slider) {
  const output = slider.nextElementSibling;
  const show = () => {
    output.textContent = slider.value;
  };
  slider.addEventListener("input", show);
  show();
}

/** Show the options and generate on request. */
export function showGeneration(model) {
  const [start, stop] = [byId("start"), byId("stop")];
  const [temperature, length] = [byId("temperature"), byId("length")];
  const text = create("pre", { className: "text generated" });
  // A backward model writes from right to left, what precedes the prompt.
  const add = (piece) => (model.backward ? text.prepend(piece) : text.append(piece));
  let controller = null;

  async function run() {
    const prompt = byId("input").value;
    text.replaceChildren();
    if (!isAccepted(prompt, model.max_characters)) return;
    note("Generating…");
    text.append(create("mark", {}, prompt));
    controller = new AbortController();
    [start.disabled, stop.disabled] = [true, false];
    try {
      const body = {
        prompt,
        length: Number(length.value),
        temperature: Number(temperature.value),
      };
      let count = 0;
      for await (const [name, data] of generate(body, controller.signal)) {
        if (name === "token") {
          add(data.text);
          count += 1;
        } else {
          const message = REASONS[data.reason];
          note(message || `${count.toLocaleString("en")} tokens.`, message !== "");
        }
      }
    } catch (error) {
      const isStopped = error.name === "AbortError";
      note(isStopped ? "Stopped." : error.message, !isStopped);
    }
    text.normalize();
    [start.disabled, stop.disabled] = [false, true];
  }

  length.max = model.max_tokens;
  length.value = Math.min(500, model.max_tokens);
  [temperature, length].forEach(showValue);
  byId("input-label").textContent = "Prompt";
  byId("options").hidden = false;
  byId("output").setAttribute("aria-live", "off"); // tokens arrive faster than speech
  byId("output").append(text);
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  stop.addEventListener("click", () => controller.abort());
}
