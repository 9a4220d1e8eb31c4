"use strict";

// Every text goes in as text, never as HTML: what an answer holds cannot act on this page.
function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function follow(contract, value) {
  if (!value || !value.$ref) return value || {};
  return value.$ref.slice(2).split("/").reduce((inner, name) => inner[name], contract);
}

async function send(method, path, parameters, body, output) {
  const query = new URLSearchParams();
  const headers = {};
  for (const [place, name, input] of parameters) {
    if (input.value === "") continue;
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(input.value));
    if (place === "query") query.set(name, input.value);
    if (place === "header") headers[name] = input.value;
  }
  const key = document.getElementById("key").value.trim();
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body) headers["Content-Type"] = "application/json";
  const url = query.size ? `${path}?${query}` : path;
  output.textContent = "…";
  try {
    const answer = await fetch(url, { method, headers, body: body ? body.value : undefined });
    if ((answer.headers.get("Content-Type") || "").startsWith("text/event-stream")) {
      output.textContent = `${answer.status} ${answer.statusText}\n`;
      const pieces = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let piece = await pieces.read(); !piece.done; piece = await pieces.read()) output.textContent += piece.value;
      return;
    }
    const text = await answer.text();
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it is */ }
    output.textContent = `${answer.status} ${answer.statusText}\n${shown}`;
  } catch (error) {
    output.textContent = `No answer: ${error.message}`;
  }
}

function showOperation(contract, path, method, operation, shared) {
  const box = make("details", {}, make("summary", {}, make("b", {}, method.toUpperCase()), make("code", {}, path), ` ${operation.summary || ""}`));
  if (operation.description) box.append(make("p", {}, operation.description));
  const ways = operation.security || [];
  const kinds = ways.flatMap((one) => Object.keys(one)).map((kind) => (kind === "key" ? "a key" : "an access token"));
  const scopes = [...new Set(ways.flatMap((one) => Object.values(one).flat()))];
  const needs = scopes.length ? ` with the scope ${scopes.join(" or ")}` : "";
  box.append(make("p", {}, kinds.length ? `Needs ${kinds.join(" or ")}${needs}.` : "Needs no key."));

  const parameters = [...shared, ...(operation.parameters || [])].map((one) => follow(contract, one)).map((one) => {
    const input = make("input", { placeholder: one.description || (one.schema && one.schema.type) || "" });
    box.append(make("label", {}, `${one.name}${one.required ? " *" : ""} `, input));
    return [one.in, one.name, input];
  });

  let body = null;
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  if (content) {
    body = make("textarea", { spellcheck: false });
    const examples = Object.entries(content.examples || {});
    if (examples.length) {
      const choice = make("select", {}, ...examples.map(([name]) => make("option", { value: name }, name)));
      const fill = () => { body.value = JSON.stringify(content.examples[choice.value].value, null, 2); };
      choice.addEventListener("change", fill);
      fill();
      box.append(make("label", {}, "Example ", choice));
    }
    box.append(body);
  }

  const output = make("pre", { hidden: true });
  const button = make("button", { type: "button" }, "Send");
  button.addEventListener("click", () => { output.hidden = false; send(method.toUpperCase(), path, parameters, body, output); });
  const answers = Object.entries(operation.responses || {}).map(([status, one]) =>
    make("tr", {}, make("td", {}, status), make("td", {}, follow(contract, one).description || "")));
  box.append(button, output, make("table", {}, make("tbody", {}, ...answers)));
  return box;
}

async function show() {
  const contract = await (await fetch("/openapi.json")).json();
  document.getElementById("about").replaceChildren(
    `${contract.info.description} Version ${contract.info.version}. `, make("a", { href: "/openapi.json" }, "/openapi.json"));
  const groups = new Map();
  for (const [path, operations] of Object.entries(contract.paths)) {
    const shared = operations.parameters || [];
    for (const [method, operation] of Object.entries(operations)) {
      if (method === "parameters") continue;
      const group = (operation.tags || ["other"])[0];
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(showOperation(contract, path, method, operation, shared));
    }
  }
  const main = document.getElementById("routes");
  for (const [group, boxes] of groups) main.append(make("h2", {}, group), ...boxes);
}

show().catch((error) => { document.getElementById("about").textContent = `The contract could not be read: ${error.message}`; });
