// Incidents and alerts work without this file. It searches Microsoft's originals line by line and opens everything for paper.
"use strict";

// A long original is searched as a text, and at most so many lines of it are shown.
const MOST = 2000;

const searchable = (original) => {
  const pre = original.querySelector("pre");
  const lines = pre.textContent.split("\n");
  const whole = pre.textContent;
  const label = document.createElement("label");
  const input = document.createElement("input");
  const told = document.createElement("span");
  label.className = "find";
  label.append("Lines with ", input, " ", told);
  input.type = "search";
  input.autocomplete = "off";
  input.spellcheck = false;
  told.className = "quiet small";
  told.setAttribute("role", "status");
  pre.before(label);

  const marked = (line, wanted) => {
    const shown = document.createDocumentFragment();
    const lower = line.toLowerCase();
    let at = 0;
    // Lowering a letter may change its length: then the line is shown without marks.
    if (lower.length === line.length) {
      for (let found = lower.indexOf(wanted); found >= 0; found = lower.indexOf(wanted, at)) {
        const mark = document.createElement("mark");
        mark.textContent = line.slice(found, found + wanted.length);
        shown.append(line.slice(at, found), mark);
        at = found + wanted.length;
      }
    }
    shown.append(line.slice(at));
    return shown;
  };

  const search = () => {
    const wanted = input.value.trim().toLowerCase();
    if (!wanted) {
      pre.textContent = whole;
      told.textContent = "";
      return;
    }
    const found = lines.flatMap((line, n) => (line.toLowerCase().includes(wanted) ? [n] : []));
    const shown = document.createDocumentFragment();
    for (const n of found.slice(0, MOST)) {
      const number = document.createElement("span");
      number.className = "line-number";
      number.textContent = `${n + 1} `;
      shown.append(number, marked(lines[n], wanted), "\n");
    }
    pre.replaceChildren(shown);
    const rest = found.length > MOST ? `; the first ${MOST} are shown` : "";
    told.textContent = found.length === 0 ? "No line" : `${found.length} of ${lines.length} lines${rest}`;
  };

  let waiting = 0;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(search, 120);
  });
};

// The box comes when an original is opened: pages may hold hundreds of them.
for (const original of document.querySelectorAll("details.original")) {
  original.addEventListener("toggle", () => original.open && searchable(original), { once: true });
}

// A note that is being written stays in this tab until it stands among the notes: a fresh page, another form, or the end of a session would lose it.
for (const text of document.querySelectorAll("textarea[data-draft]")) {
  const key = text.dataset.draft;
  const id = text.form.elements.note;
  const kept = JSON.parse(sessionStorage.getItem(key) ?? "null");
  // Somebody else's, whose session was over.
  const others = Object.keys(sessionStorage).filter((other) => other.includes(" /incidents/") && other.split(" ")[0] !== key.split(" ")[0]);
  for (const other of others) sessionStorage.removeItem(other);
  if (kept && document.getElementById(`note-${kept.id}`)) sessionStorage.removeItem(key);
  else if (kept && text.value === "") [text.value, id.value] = [kept.text, kept.id];
  text.addEventListener("input", () => {
    if (text.value === "") sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, JSON.stringify({ id: id.value, text: text.value }));
  });
}

// On paper nothing can be opened.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("main details:not([open])")];
  for (const closed of opened) closed.open = true;
});
addEventListener("afterprint", () => {
  for (const open of opened) open.open = false;
});
