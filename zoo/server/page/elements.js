// The elements of the page, and new ones.

/** Return the element with an ID. */
export function byId(id) {
  return document.getElementById(id);
}

/** Return a new element; children are elements or texts, never HTML. */
export function create(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Set CSS variables of an element, and return it. */
export function withVariables(element, variables) {
  for (const [name, value] of Object.entries(variables)) {
    element.style.setProperty(`--${name}`, value);
  }
  return element;
}

/** Show a message below the input; an empty one removes it. */
export function note(message, isError = false) {
  byId("note").textContent = message;
  byId("note").classList.toggle("error", isError);
  byId("input").setAttribute("aria-invalid", isError);
}

/** Return whether a text is within the limit; if it is not, say so. */
export function isAccepted(text, limit) {
  const count = [...text].length; // code points, as the server counts
  if (count <= limit) return true;
  note(
    `This text has ${count.toLocaleString("en")} characters, the limit is ` +
      `${limit.toLocaleString("en")}. Shorten it, or use the command zoo, which has no limit.`,
    true,
  );
  return false;
}
