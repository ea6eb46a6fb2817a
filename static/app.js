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

// A table that is wider than its place and holds nothing to tab to is a stop of the keyboard itself, as Safari makes none of it.
const scrolls = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const wrap = target.closest(".table-wrap");
    if (wrap.scrollWidth > wrap.clientWidth && !wrap.querySelector("a[href], button, input, summary")) wrap.tabIndex = 0;
    else wrap.removeAttribute("tabindex");
  }
});
for (const table of document.querySelectorAll(".table-wrap:not([role]), .table-wrap:not([role]) > table")) scrolls.observe(table);

// A field for an owner offers the colleagues, once it is used.
document.addEventListener("focusin", async ({ target }) => {
  if (!target.matches("input[data-owner]:not([list])")) return;
  if (!document.getElementById("colleagues")) {
    const answer = await fetch("/colleagues").catch(() => null);
    if (!answer?.ok || answer.redirected || document.getElementById("colleagues")) return;
    const list = document.createElement("datalist");
    list.id = "colleagues";
    list.append(...(await answer.json()).map(({ login, name }) => new Option(name, login)));
    document.body.append(list);
  }
  target.setAttribute("list", "colleagues");
});

// Closing asks for a comment: a form says so before it is sent.
document.addEventListener("change", ({ target }) => {
  const comment = target.matches("select[name=status]") && target.form?.elements.comment;
  if (comment) comment.required = target.value.toLowerCase() === "resolved";
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
  const isSaid = (input) => (input.type === "checkbox" ? input.checked : input.value !== "");
  const state = () => [...pick.querySelectorAll("input[name], select")].filter(isSaid).map((input) => `${input.name}=${input.value}`).join();
  pick.addEventListener("toggle", () => {
    if (pick.open) before = state();
    else if (before !== state()) pick.closest("form").requestSubmit();
  });
}

// What nothing was said of is not in the address.
for (const form of document.querySelectorAll("form.filters[method=get]")) {
  form.addEventListener("formdata", ({ formData }) => {
    for (const name of new Set(formData.keys())) {
      const said = formData.getAll(name).filter((value) => value !== "");
      formData.delete(name);
      for (const value of said) formData.append(name, value);
    }
  });
}

// A long list of choices is looked through by name; where it does not hold all of them, the server knows the others. Enter takes the first.
for (const field of document.querySelectorAll("input[data-find]")) {
  const body = field.closest(".pick-body");
  const choices = () => [...body.querySelectorAll("label.choice")];
  const box = (choice) => choice.querySelector("input");
  const text = () => field.value.trim().toLowerCase();
  const sift = () => {
    for (const choice of choices()) choice.hidden = !box(choice).checked && !choice.textContent.toLowerCase().includes(text());
  };
  const ask = async () => {
    const asked = text();
    if (field.dataset.find === "" || asked === "") return;
    const answer = await fetch(`${field.dataset.find}?q=${encodeURIComponent(asked)}`, { redirect: "error" }).catch(() => null);
    if (!answer?.ok || asked !== text()) return;
    for (const place of (await answer.json()).filter((one) => one.kind === "Tenant")) {
      const id = place.href.split("/").pop();
      if (choices().some((choice) => box(choice).value === id)) continue;
      const last = choices().at(-1);
      const choice = last.cloneNode(true);
      box(choice).value = id;
      box(choice).checked = false;
      choice.lastChild.textContent = place.name;
      last.after(choice);
    }
    sift();
  };
  let soon = 0;
  field.hidden = false;
  field.addEventListener("input", () => {
    sift();
    clearTimeout(soon);
    soon = setTimeout(ask, 150); // when the fingers rest
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const first = choices().find((choice) => !choice.hidden && !box(choice).checked);
    if (first && text() !== "") box(first).checked = true;
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

// The way back from an error page, where there is one.
for (const button of document.querySelectorAll("button[data-back]")) {
  button.hidden = history.length < 2;
  button.addEventListener("click", () => history.back());
}

// Copy buttons: what a field holds, or where one is, a list from its beginning. Without this script the field can be selected by hand, and the
// button stays hidden.
const here = () => {
  const link = new URL(location.href);
  link.searchParams.delete("after");
  link.hash = "";
  return link.href;
};
for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(field ? field.value : here());
      button.textContent = "Copied";
    } catch {
      if (field) field.select();
      else button.textContent = "Copy it from the address bar";
    }
  });
}
