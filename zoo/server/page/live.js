// Predictions that follow the text while it is typed.

import { predict } from "./api.js";
import { byId, isAccepted, note } from "./elements.js";
import { RESULTS } from "./results.js";

const LABELS = { seq2seq: "Source", reader: "Sequence, for example [0, 1, 2]" };

/** Answer each change of the text; of the changes during an answer, only the last one. */
export function showLive(model) {
  const input = byId("input");
  const output = byId("output");
  let isAnswering = false;

  async function answer(text) {
    if (!isAccepted(text, model.max_characters) || !text.trim()) {
      if (!text.trim()) note("");
      return [];
    }
    const body = model.attention ? { text, attention: true } : { text };
    try {
      const result = await predict(body);
      note("");
      return RESULTS[model.kind](result, model);
    } catch (error) {
      note(error.message, true);
      return [];
    }
  }

  async function follow() {
    if (isAnswering) return;
    isAnswering = true;
    output.setAttribute("aria-busy", true);
    let text;
    do {
      text = input.value;
      output.replaceChildren(...(await answer(text)));
    } while (text !== input.value);
    output.setAttribute("aria-busy", false);
    isAnswering = false;
  }

  byId("input-label").textContent = LABELS[model.kind] ?? "Text";
  byId("form").addEventListener("submit", (event) => event.preventDefault());
  input.addEventListener("input", follow);
  follow();
}
