"use strict";
const main = document.getElementById("operations");
const make = (tag, text, name) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
};
const table = (rows) => {
  const element = make("table");
  for (const row of rows) {
    const line = make("tr");
    row.forEach((cell) => line.append(make("td", cell)));
    element.append(line);
  }
  return element;
};
const resolve = (document, node, depth = 0) => {
  if (!node || typeof node !== "object" || depth > 6) return node;
  if (node.$ref) return resolve(document, node.$ref.slice(2).split("/").reduce((at, key) => at?.[key], document), depth + 1);
  if (Array.isArray(node)) return node.map((item) => resolve(document, item, depth + 1));
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, resolve(document, value, depth + 1)]));
};
const schemaOf = (content) => Object.values(content ?? {})[0]?.schema;
const show = (spec, path, method, operation) => {
  const details = make("details");
  const summary = make("summary");
  summary.append(make("span", method.toUpperCase(), "method"), make("code", path), make("span", operation.summary ?? ""));
  const inside = make("div", undefined, "inside");
  details.append(summary, inside);
  details.addEventListener("toggle", () => {
    if (inside.childNodes.length) return;
    if (operation.description) inside.append(make("p", operation.description));
    if (operation.parameters?.length) {
      inside.append(make("h3", "Parameters"));
      inside.append(table(operation.parameters.map((one) => [one.name, one.in, one.description ?? ""])));
    }
    const body = schemaOf(operation.requestBody?.content);
    if (body) inside.append(make("h3", "Body"), make("pre", JSON.stringify(resolve(spec, body), null, 2)));
    inside.append(make("h3", "Answers"));
    for (const [status, answer] of Object.entries(operation.responses ?? {})) {
      inside.append(make("p", `${status}: ${answer.description ?? ""}`));
      const schema = schemaOf(answer.content);
      if (schema && status < 300) inside.append(make("pre", JSON.stringify(resolve(spec, schema), null, 2)));
    }
  });
  return details;
};
fetch(main.dataset.document)
  .then((answer) => answer.json())
  .then((spec) => {
    const sections = new Map();
    for (const [path, methods] of Object.entries(spec.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        const tag = operation.tags?.[0] ?? "other";
        if (!sections.has(tag)) sections.set(tag, []);
        sections.get(tag).push(show(spec, path, method, operation));
      }
    }
    main.replaceChildren();
    for (const [tag, operations] of sections) main.append(make("h2", tag), ...operations);
  })
  .catch((error) => main.replaceChildren(make("p", `The document cannot be shown: ${error}`)));
