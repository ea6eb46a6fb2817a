// Everything works without this file. It adds keys and closes open menus.
"use strict";

const typing = (target) => target.closest("input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]") !== null;

// Single keys: every script puts its own here. What gives false back leaves the key to the browser.
const keys = new Map();

// A click elsewhere or Escape closes menus and filter lists; opening one closes the others.
const popups = () => document.querySelectorAll("details.menu[open], details.pick[open]");
document.addEventListener("click", (event) => {
  for (const popup of popups()) if (!popup.contains(event.target)) popup.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const popup of popups()) {
    popup.open = false;
    popup.querySelector("summary").focus();
  }
});

// A list that would reach beyond the page opens to the other side.
for (const pick of document.querySelectorAll("details.pick")) {
  const body = pick.querySelector(".pick-body");
  pick.addEventListener("toggle", () => {
    body.classList.remove("flip");
    body.classList.toggle("flip", pick.open && body.getBoundingClientRect().right > document.documentElement.clientWidth);
  });
}
// A menu that the focus has left hides nothing any more. Lists of filters stay: closing one applies it.
document.addEventListener("focusin", (event) => {
  for (const popup of popups()) if (!popup.closest("form.filters") && !popup.contains(event.target)) popup.open = false;
});

// g then o, q, a, t or h goes to a page. Keys are off in fields and dialogs, with Ctrl, Alt or Meta, and for whoever switched them off.
const places = { o: "/", s: "/shift", q: "/incidents", a: "/alerts", t: "/tenants", h: "/hunting" };
let going = -Infinity; // 0 is when the page began: its first second would lead away
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (document.documentElement.dataset.keys === "off" || document.querySelector("dialog:modal")) return;
  if (event.timeStamp - going < 1000 && places[event.key]) {
    location.assign(places[event.key]);
    return;
  }
  going = event.key === "g" ? event.timeStamp : -Infinity;
  const act = keys.get(event.key);
  if (act && act(event) !== false) event.preventDefault();
});

// Filters apply when their list closes.
for (const pick of document.querySelectorAll("form.filters details.pick")) {
  let before = "";
  const state = () => [...pick.querySelectorAll("input, select")].map((input) => (input.type === "checkbox" ? input.checked : input.value)).join();
  pick.addEventListener("toggle", () => {
    if (pick.open) before = state();
    else if (before !== state()) pick.closest("form").requestSubmit();
  });
}

// Ctrl+Enter in the query runs it.
for (const query of document.querySelectorAll("textarea[data-run]")) {
  query.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) query.form.requestSubmit();
  });
}

// A page that is still being filled loads itself again, unless somebody reads in another tab, writes, or marks text.
const filling = document.querySelector("[data-reload]");
if (filling) {
  setInterval(() => {
    if (document.hidden || typing(document.activeElement) || !getSelection().isCollapsed) return;
    location.reload();
  }, Number(filling.dataset.reload) * 1000);
}

// Copy buttons: without this script the field can be selected by hand, and the button stays hidden.
for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = "Copied";
    } catch {
      field.select();
    }
  });
}
