// Live updates, keys and dialogs. Everything can be read without it.
const root = document.body.dataset.root;
const $ = (query, from = document) => from.querySelector(query);
const $$ = (query, from = document) => [...from.querySelectorAll(query)];

// --- what the browser adds ----------------------------------------------------------------------

// Times in the reader's own zone; in each cell the name of its column, for narrow screens.
function adapt(from = document) {
  for (const row of $$("tbody tr", from)) {
    const names = $$("thead th", row.closest("table"));
    for (const cell of row.cells) if (cell.colSpan < 2) cell.dataset.column = names[cell.cellIndex]?.textContent ?? "";
  }
  for (const one of $$("time[datetime]", from)) {
    const at = new Date(one.getAttribute("datetime"));
    const today = Math.abs(Date.now() - at) < 86400000;
    const text = at.toLocaleString(undefined, today ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "medium" });
    if (one.textContent !== text) one.textContent = text;
  }
}

// --- changing a page without losing the reader's place ------------------------------------------

const keyOf = (node) => node.id || node.dataset?.key || "";

function morph(old, fresh) {
  const wanted = [...fresh.childNodes];
  const byKey = new Map([...old.children].filter(keyOf).map((child) => [keyOf(child), child]));
  const kept = new Set(wanted.map(keyOf));
  for (const [key, child] of byKey) if (!kept.has(key)) child.remove();
  let at = old.firstChild;
  const drop = () => {
    const next = at.nextSibling;
    at.remove();
    at = next;
  };
  for (const child of wanted) {
    const key = child.nodeType === 1 ? keyOf(child) : "";
    let same = key ? byKey.get(key) : at;
    // What is moved loses the focus: what stands before it leaves instead.
    if (key && same) while (at && at !== same && !keyOf(at)) drop();
    if (!key) while (same && same.nodeType === 1 && keyOf(same) && at) same = same.nextSibling;
    if (same && same.nodeName === child.nodeName && (!key || keyOf(same) === key)) {
      if (same !== at) old.insertBefore(same, at);
      else at = at.nextSibling;
      update(same, child);
    } else {
      old.insertBefore(child.cloneNode(true), at);
    }
  }
  while (at) drop();
}

function update(old, fresh) {
  if (old.nodeType !== 1) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if (old.isEqualNode(fresh)) return;
  for (const { name } of [...old.attributes]) {
    const own = name === "open" || (name === "class" && old.hasAttribute("data-row"));
    if (!own && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (name === "open") continue;
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  // What the reader has typed or ticked is the reader's.
  if (old.matches("input, select, textarea, time")) {
    if (old.nodeName !== "TIME") return;
  }
  morph(old, fresh);
}

// --- live ---------------------------------------------------------------------------------------

const told = $("#live");
let source = null;
let paused = false;
let announced = 0;

function tell(text) {
  // Not more than once in ten seconds, so that a screen reader is not flooded.
  const now = Date.now();
  told.setAttribute("aria-live", now - announced > 10000 ? "polite" : "off");
  if (now - announced > 10000) announced = now;
  told.textContent = text;
}

function listen() {
  if (source || paused || document.hidden || !$("[data-live]")) return;
  const asked = new URLSearchParams({ page: location.pathname.slice(root.length) + location.search });
  // What is closed is not read.
  for (const one of $$("details[data-part][open]")) asked.append("part", one.dataset.part);
  source = new EventSource(`${root}/live?${asked}`);
  source.onmessage = (event) => {
    const { fragments, gone, commands, delay } = JSON.parse(event.data);
    if (gone.length) {
      deaf();
      paused = true;
      tell("what this page showed is not there any more: load it again");
      return;
    }
    for (const [name, html] of Object.entries(fragments)) {
      const place = $(`[data-live="${CSS.escape(name)}"]`);
      // Rows that are selected must not leave while the reader goes on selecting.
      if (!place || $("input:checked", place)) continue;
      const fresh = document.createElement("template");
      fresh.innerHTML = html;
      adapt(fresh.content);
      morph(place, fresh.content);
    }
    tell(`live, every ${delay} s; this dashboard sends ${commands} commands a second`);
  };
  source.onerror = () => tell("the dashboard does not answer; trying again");
}

function deaf() {
  source?.close();
  source = null;
}

document.addEventListener("toggle", (event) => {
  if (!event.target.dataset?.part || !source) return;
  deaf();
  listen();
}, true);

document.addEventListener("visibilitychange", () => (document.hidden ? deaf() : listen()));

const pauseButton = document.createElement("button");
pauseButton.type = "button";
pauseButton.className = "link";
pauseButton.textContent = "Pause";
pauseButton.setAttribute("aria-pressed", "false");
pauseButton.addEventListener("click", () => {
  paused = !paused;
  pauseButton.setAttribute("aria-pressed", String(paused));
  pauseButton.textContent = paused ? "Go on" : "Pause";
  if (paused) {
    deaf();
    tell("paused: this page does not change");
  } else listen();
});

// --- dialogs ------------------------------------------------------------------------------------

function open(content) {
  const dialog = document.createElement("dialog");
  dialog.append(content);
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.showModal();
  return dialog;
}

// A double click sends a form once.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
addEventListener("pageshow", () => $$("[data-sent]").forEach((form) => delete form.dataset.sent));

// The question of an action, in a dialog over the page instead of a page of its own.
async function ask(address) {
  const reply = await fetch(address, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  const question = $(".question", page);
  if (!question) return location.assign(address);
  const form = $("form", question);
  if (form) form.action = address;
  const dialog = open(document.importNode(question, true));
  const leave = $$("a", dialog).pop();
  leave?.addEventListener("click", (event) => {
    event.preventDefault();
    dialog.close();
  });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-action]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
    event.preventDefault();
    // In the graph, link.href is no text.
    ask(link.getAttribute("href"));
  }
});

document.documentElement.classList.add("scripted");
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const copied = button.nextElementSibling;
  getSelection().selectAllChildren(copied);
  // Browsers have a clipboard only on a safe address; elsewhere the text is selected.
  await navigator.clipboard?.writeText(copied.textContent);
  tell(navigator.clipboard ? "copied" : "selected: copy it with Ctrl-C");
});

// --- rows and keys ------------------------------------------------------------------------------

const rows = () => $$("[data-row]");
const current = () => $("[data-row].at");

function go(row) {
  if (!row) return;
  current()?.classList.remove("at");
  row.classList.add("at");
  row.scrollIntoView({ block: "nearest" });
  const link = $("a", row);
  link?.focus({ preventScroll: true });
}

function step(by) {
  const all = rows();
  const at = all.indexOf(current());
  go(all[Math.min(Math.max(at + by, 0), all.length - 1)]);
}

function nextFailed(by) {
  const all = rows();
  const failed = all.filter((row) => $(".s-failed", row));
  const at = all.indexOf(current());
  const found = by > 0 ? failed.find((row) => all.indexOf(row) > at) : failed.reverse().find((row) => all.indexOf(row) < at);
  go(found);
}

// The job that a key is about: that of the row, or that of the page.
function jobAddress() {
  const row = current();
  for (const { pathname } of [...(row ? $$("a", row) : []), location]) {
    const found = pathname.slice(root.length).match(/^\/jobs\/[^/]+/);
    if (found) return root + found[0];
  }
  return "";
}

const isPaused = () => $(".s-paused", current() ?? $(".job-head") ?? document.createElement("p"));

const KEYS = [
  ["/", "search", () => $("#search").focus()],
  ["j", "next row", () => step(1)],
  ["k", "row before", () => step(-1)],
  ["x", "select the row", () => $("input[type=checkbox]", current() ?? document.createElement("p"))?.click()],
  ["e", "explain the job", () => jobAddress() && location.assign(jobAddress())],
  ["p", "pause the job", () => jobAddress() && ask(`${jobAddress()}/pause`)],
  ["r", "retry the job, or resume it", () => jobAddress() && ask(`${jobAddress()}/${isPaused() ? "resume" : "retry"}`)],
  ["c", "cancel the job", () => jobAddress() && ask(`${jobAddress()}/cancel`)],
  ["[", "failed row before", () => nextFailed(-1)],
  ["]", "next failed row", () => nextFailed(1)],
  ["Ctrl-K", "go to a page or do something here", palette],
  ["?", "these keys", help],
];

function help() {
  const list = element("section", "", { class: "question" });
  const table = element("dl", "", { class: "facts" });
  for (const [key, what] of KEYS) {
    const name = element("dt", "");
    name.append(element("kbd", key));
    table.append(name, element("dd", what));
  }
  list.append(element("h1", "Keys"), table);
  open(list);
}

function palette() {
  const box = document.createElement("section");
  box.className = "question";
  const input = document.createElement("input");
  input.setAttribute("aria-label", "Go to a page, or do something here");
  const list = document.createElement("ul");
  box.append(input, list);
  const targets = $$("header nav a, .actions a").map((link) => link.cloneNode(true));
  const show = () => {
    const word = input.value.toLowerCase();
    list.replaceChildren(
      ...targets
        .filter((link) => link.textContent.toLowerCase().includes(word))
        .map((link) => {
          const item = document.createElement("li");
          item.append(link);
          return item;
        }),
    );
  };
  input.addEventListener("input", show);
  input.addEventListener("keydown", (event) => event.key === "Enter" && $("a", list)?.click());
  show();
  open(box);
  input.focus();
}

// The nearest box of the graph in the direction of an arrow.
function walkGraph(box, key) {
  const middle = (one) => {
    const { x, y, width, height } = one.getBoundingClientRect();
    return [x + width / 2, y + height / 2];
  };
  const [x, y] = middle(box);
  const ways = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
  const [wx, wy] = ways[key];
  let best = null;
  let least = Infinity;
  for (const other of $$("a.box")) {
    const [ox, oy] = middle(other);
    const along = (ox - x) * wx + (oy - y) * wy;
    const across = Math.abs((ox - x) * wy) + Math.abs((oy - y) * wx);
    if (along > 1 && along + 2 * across < least) {
      least = along + 2 * across;
      best = other;
    }
  }
  best?.focus();
}

document.addEventListener("keydown", (event) => {
  const box = event.target.closest?.("a.box");
  if (box && event.key.startsWith("Arrow")) {
    event.preventDefault();
    walkGraph(box, event.key);
    return;
  }
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    palette();
    return;
  }
  const typing = event.target.closest?.("input:not([type=checkbox]), select, textarea, [contenteditable], dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const found = KEYS.find(([key]) => key === event.key);
  if (found) {
    event.preventDefault();
    found[2]();
  }
});

// --- saved views: searches under a name, in this browser ---------------------------------------

function views(change) {
  const key = `flowforge:${root}`;
  try {
    const kept = JSON.parse(localStorage.getItem(key));
    // All programs of the site can write there.
    const found = Array.isArray(kept) ? kept.filter((one) => one?.page && one.name && one.search) : [];
    if (change) localStorage.setItem(key, JSON.stringify(change(found)));
    return found;
  } catch {
    return [];
  }
}

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function showViews() {
  const place = $("[data-views]");
  if (!place) return;
  const page = location.pathname.slice(root.length);
  const search = new URLSearchParams([...new URLSearchParams(location.search)].filter(([key, value]) => value && key !== "cursor"));
  place.replaceChildren();
  const add = (...parts) => {
    const item = element("li", "");
    item.append(...parts);
    place.append(item);
  };
  for (const one of views().filter((other) => other.page === page)) {
    const forget = element("button", "×", { type: "button", class: "link", "aria-label": `Forget view ${one.name}` });
    forget.addEventListener("click", () => {
      views((found) => found.filter((other) => other.page !== page || other.name !== one.name));
      showViews();
    });
    add(element("a", one.name, { href: `${root}${page}?${one.search}`, class: "label" }), forget);
  }
  if (!`${search}`) return;
  const save = element("button", "Save this view", { type: "button" });
  save.addEventListener("click", () => saveView(page, `${search}`));
  add(save);
}

function saveView(page, search) {
  const box = element("section", "", { class: "question" });
  const form = element("form", "", { method: "dialog" });
  const label = element("label", "Name of the view ");
  const input = element("input", "", { required: "", maxlength: 60 });
  label.append(input);
  form.append(label, element("button", "Save", { class: "primary" }));
  box.append(form);
  form.addEventListener("submit", () => {
    const name = input.value.trim();
    if (name) views((found) => [...found.filter((one) => one.page !== page || one.name !== name), { page, name, search }].slice(-50));
    showViews();
  });
  open(box);
  input.focus();
}

if ($("[data-live]") && told) told.after(pauseButton);
adapt();
showViews();
listen();
