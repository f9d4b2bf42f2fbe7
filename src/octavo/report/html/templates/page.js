"use strict";

// Untrusted names are set as text content only, never parsed as HTML.
const contents = JSON.parse(document.getElementById("contents").textContent);

function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function draw(place, spec) {
  return vegaEmbed(place, spec, { actions: false, renderer: "svg", tooltip: { theme: "dark" } });
}

function facts(rows) {
  const list = make("dl");
  for (const [name, value] of rows) list.append(make("dt", name), make("dd", value));
  return list;
}

function derivation(derived) {
  const details = make("details");
  const table = make("table");
  for (const step of derived.steps) {
    const row = table.insertRow();
    row.append(make("th", step[0], { scope: "row" }), make("td", step[1]), make("td", step[2]));
  }
  const scroll = make("div", undefined, { class: "scroll" });
  scroll.append(table);
  details.append(make("summary", derived.title), scroll);
  return details;
}

function tensorArticle(role, name) {
  const tensor = contents.tensors[name];
  const article = make("article");
  article.append(make("h3", `${role}: ${name}`), facts(tensor.facts));
  const drawn = tensor.drawn || {};
  if (drawn.shares) chartOf(article, tensor.integers ? "integers" : "values", drawn, `Histogram of ${name} over its grid`);
  if (drawn.lows && drawn.lows.length > 1) chartOf(article, tensor.magnitudes ? "magnitude" : "range", drawn, `Range of each channel of ${name}`);
  article.append(derivation(tensor.derivation));
  return article;
}

function chartOf(article, template, drawn, description) {
  const figure = make("figure", undefined, { class: "chart" });
  article.append(figure);
  pending.push([figure, { ...contents.templates[template], description, datasets: { tensor: [drawn] } }]);
}

// Charts take the width of their container, so they are drawn after it is attached to the page.
const pending = [];
const panel = document.getElementById("layer");
let opener = null;

function openLayer(place, from) {
  const layer = contents.layers[place];
  opener = from || opener;
  const bar = make("div", undefined, { class: "bar" });
  const close = make("button", "Close", { type: "button" });
  close.addEventListener("click", closeLayer);
  bar.append(make("h3", `${layer.op} ${layer.name}`), close);
  const tensors = make("div", undefined, { class: "tensors" });
  tensors.append(...layer.tensors.map(([role, name]) => tensorArticle(role, name)));
  panel.replaceChildren(bar, facts(layer.facts), ...layer.causes.map((cause) => make("p", cause)), tensors);
  panel.setAttribute("aria-label", `Layer ${layer.name}`);
  panel.hidden = false;
  for (const cell of cells) cell.setAttribute("aria-pressed", String(Number(cell.dataset.layer) === place));
  panel.focus({ preventScroll: true });
  panel.scrollIntoView({ block: "nearest" });
  return Promise.all(pending.splice(0).map(([figure, spec]) => draw(figure, spec)));
}

function closeLayer() {
  panel.hidden = true;
  panel.replaceChildren();
  for (const cell of cells) cell.setAttribute("aria-pressed", "false");
  if (opener) opener.focus();
}

// The strip is one tab stop; the arrow keys move along it.
const cells = [...document.querySelectorAll("button.cell")];

function walk(event) {
  const here = cells.indexOf(event.target);
  const next = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: cells.length - 1 }[event.key];
  if (here < 0 || next === undefined || !cells[next]) return;
  event.preventDefault();
  cells[here].tabIndex = -1;
  cells[next].tabIndex = 0;
  cells[next].focus();
}

function sortBy(table, column, descending) {
  const body = table.tBodies[0];
  const key = (row) => row.cells[column].dataset.key;
  const compare = (one, two) => {
    const [a, b] = [key(one), key(two)];
    if (a === "" || b === "") return (a === "") - (b === "");
    const order = isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
    return descending ? -order : order;
  };
  body.append(...[...body.rows].sort(compare));
  [...table.tHead.rows[0].cells].forEach((heading, place) => {
    heading.setAttribute("aria-sort", place === column ? (descending ? "descending" : "ascending") : "none");
  });
}

function search(table, text) {
  const wanted = text.toLowerCase();
  let count = 0;
  for (const row of table.tBodies[0].rows) {
    row.hidden = !row.textContent.toLowerCase().includes(wanted);
    count += !row.hidden;
  }
  document.getElementById("found").textContent = wanted ? `${count} found` : "";
}

cells.forEach((cell, place) => { cell.tabIndex = place ? -1 : 0; });
document.querySelector(".strip")?.addEventListener("keydown", walk);
document.addEventListener("click", (event) => {
  const from = event.target.closest("[data-layer], [data-open]");
  if (!from || !panel) return;
  const { layer, open } = from.dataset;
  openLayer(layer === undefined ? contents.layers.findIndex((each) => each.name === open) : Number(layer), from);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && panel && !panel.hidden) closeLayer();
});
const table = document.getElementById("table");
if (table) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => {
    sortBy(table, column, heading.getAttribute("aria-sort") === "ascending");
  }));
  document.getElementById("search").addEventListener("input", (event) => search(table, event.target.value));
}
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
for (const place of document.querySelectorAll("[data-chart]")) draw(place, contents.charts[place.dataset.chart]);
