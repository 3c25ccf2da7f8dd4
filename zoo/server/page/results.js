// Elements that show a prediction: one function for each kind of model.

import { create, withVariables } from "./elements.js";

const MAX_LABELS = 10;
const MAX_ATTENTION = 60; // tokens on each axis of the table

function classifier(result) {
  const ranked = Object.entries(result.probabilities).sort((a, b) => b[1] - a[1]);
  const rows = ranked.slice(0, MAX_LABELS).map(([label, p]) => {
    const bar = withVariables(create("span", { className: "bar" }), { p });
    const percent = `${Math.round(100 * p)}%`;
    return create(
      "li",
      {},
      create("span", {}, label),
      create("span", { className: "percent" }, percent),
      bar,
    );
  });
  return [
    create("p", { className: "best" }, result.label),
    create("ol", { className: "bars" }, ...rows),
  ];
}

/** Return the type of a tag, without its BIO2 prefix. */
function kindOf(tag) {
  return tag.replace(/^[BI]-/, "");
}

function tagger(result, model) {
  const kinds = [...new Set(model.labels.map(kindOf))];
  const parts = [];
  let end = 0;
  result.tokens.forEach((token, k) => {
    const start = result.text.indexOf(token, end);
    parts.push(result.text.slice(end, start));
    end = start + token.length;
    const tag = result.tags[k];
    if (tag === "O") {
      parts.push(token);
      return;
    }
    const p = result.probabilities[k].toFixed(2);
    // Multiples of the golden angle keep many colours distinct.
    const hue = Math.round(137.5 * kinds.indexOf(kindOf(tag))) % 360;
    const mark = create("span", {}, token, create("small", {}, `${tag} ${p}`));
    parts.push(withVariables(mark, { hue, p }));
  });
  return [create("div", { className: "tags" }, ...parts, result.text.slice(end))];
}

function attentionTable(source, output) {
  const head = source.map((token) => create("th", { scope: "col" }, token));
  const rows = output.tokens.map((token, t) => {
    const cells = output.attention[t].map((weight) => {
      const cell = create("td", { title: weight.toFixed(3) });
      return withVariables(cell, { p: weight.toFixed(3) });
    });
    return create("tr", {}, create("th", { scope: "row" }, token), ...cells);
  });
  const caption = "Attention weights: a row per output token";
  return create(
    "div",
    { className: "scroll", tabIndex: 0 },
    create(
      "table",
      {},
      create("caption", {}, caption),
      create("thead", {}, create("tr", {}, create("td"), ...head)),
      create("tbody", {}, ...rows),
    ),
  );
}

function seq2seq(result) {
  const [best] = result.outputs;
  const elements = [create("p", { className: "text" }, best?.text ?? "")];
  const fits = (tokens) => 0 < tokens.length && tokens.length <= MAX_ATTENTION;
  if (best?.attention && fits(best.tokens) && fits(result.source)) {
    elements.push(attentionTable(result.source, best));
  }
  return elements;
}

function reader(result) {
  return [create("p", { className: "best" }, JSON.stringify(result.answer))];
}

export const RESULTS = { classifier, tagger, seq2seq, reader };
