// The help sheet (?) and the palette (Ctrl+K): pages from the bar above, tenants by name, incidents by number.
"use strict";

const help = document.getElementById("help");
keys.set("?", () => help?.showModal());

const palette = document.getElementById("palette");
const field = document.getElementById("palette-field");
const list = document.getElementById("palette-list");
const pages = [...document.querySelectorAll("nav.nav a, .menu-body > a:not(.only-small)")].map((link) => ({ href: link.getAttribute("href"), name: link.textContent.trim(), kind: "Page" }));
let at = 0;

const pick = (to) => {
  const options = [...list.children];
  at = options.length === 0 ? 0 : (to + options.length) % options.length;
  for (const [n, option] of options.entries()) option.setAttribute("aria-selected", String(n === at));
  if (options[at]) {
    field.setAttribute("aria-activedescendant", options[at].id);
    options[at].scrollIntoView({ block: "nearest" });
  } else field.removeAttribute("aria-activedescendant");
};

const fill = (places) => {
  list.replaceChildren(...places.map((place, n) => {
    const option = element("li", "");
    option.id = `palette-${n}`;
    option.setAttribute("role", "option");
    option.dataset.href = place.href;
    option.append(element("span", place.kind, "quiet", "small"), " ", element("span", place.name));
    return option;
  }));
  palette.querySelector("[data-none]").hidden = places.length > 0;
  pick(0);
};

let asked = "";
let answered = null; // what the list answers
const find = async () => {
  const text = field.value.trim();
  asked = text;
  const found = pages.filter((page) => page.name.toLowerCase().includes(text.toLowerCase()));
  if (text === "") {
    answered = text;
    return fill(found);
  }
  const answer = await fetch(`/palette?q=${encodeURIComponent(text)}`, { headers: { accept: "application/json" } });
  const places = answer.ok && !answer.redirected ? await answer.json() : [];
  if (asked !== text) return;
  answered = text;
  fill([...found, ...places]);
};

const go = (option) => { if (option) location.assign(option.dataset.href); };
if (palette) {
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    if (document.querySelector("dialog:modal")) return;
    event.preventDefault();
    field.value = "";
    find();
    palette.showModal();
    field.focus();
  });
  let soon = 0;
  field.addEventListener("input", () => {
    clearTimeout(soon);
    soon = setTimeout(find, 150); // when the fingers rest
  });
  field.addEventListener("keydown", async (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      pick(at + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (answered !== field.value.trim()) await find(); // what was typed last has not been answered yet
      go(list.children[at]);
    }
  });
  list.addEventListener("click", (event) => go(event.target.closest("li")));
}
