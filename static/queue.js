// A list under one's hands: moving, choosing, the preview at the side, and the dialogs that change what is chosen.
"use strict";

const said = document.getElementById("said");
const say = (text) => {
  if (!said) return;
  said.textContent = text;
  said.classList.remove("shown");
};
// What nothing on the page shows is not only spoken: it stands there for a moment.
let fading = 0;
const tell = (text) => {
  say(text);
  said?.classList.add("shown");
  clearTimeout(fading);
  fading = setTimeout(() => said?.classList.remove("shown"), 4000);
};
const element = (name, text, ...classes) => {
  const made = document.createElement(name);
  made.textContent = text;
  made.classList.add(...classes);
  return made;
};

// A page of ours, as a document; an answer that leads to the sign-in page means that the session is over.
const fetchPage = (method, url, body) => new Promise((done) => {
  const request = new XMLHttpRequest();
  request.open(method, url);
  request.responseType = "document";
  request.onloadend = () => {
    if (new URL(request.responseURL || url, location.href).pathname === "/login") location.reload();
    else done({ ok: request.status >= 200 && request.status < 300, url: request.responseURL, page: request.response });
  };
  request.send(body);
});
const problem = (answer) => {
  const told = answer.page?.querySelector("[role=alert]:not([hidden])") ?? answer.page?.querySelector("main > p:not(.live)");
  return told?.textContent.trim() || "Watchfloor could not be reached. Try again.";
};

// Moving. The current row is the one that holds the focus, or held it last.
const links = () => [...document.querySelectorAll("a[data-row]")];
let current = null;
document.addEventListener("focusin", (event) => {
  const row = event.target.closest("tr");
  if (!row?.querySelector("a[data-row]") || row === current) return;
  current?.removeAttribute("aria-current");
  current = row;
  current.setAttribute("aria-current", "true");
  if (preview && !preview.hidden) show(current);
});
const step = (by) => {
  const all = links();
  const at = all.findIndex((link) => current?.contains(link));
  (at < 0 ? all[0] : all[Math.min(Math.max(at + by, 0), all.length - 1)])?.focus();
};
keys.set("j", () => step(1));
keys.set("k", () => step(-1));
const search = document.querySelector("form.filters .search input");
keys.set("f", () => search?.focus());
search?.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !search.value) search.blur(); // what it holds, a first one takes away
});
keys.set("v", () => (document.querySelector("nav.views a[aria-current]") ?? document.querySelector("nav.views a"))?.focus());
keys.set("n", () => document.querySelector("textarea[data-note]")?.focus());
keys.set("l", () => (document.querySelector("a[data-key=l]") ?? current?.querySelector("a[data-defender]"))?.click());

// [ and ]: pages of a list; on an incident its neighbours in the list it was opened from.
const queue = links().map((link) => link.getAttribute("href")).filter((href) => href.startsWith("/incidents/"));
if (queue.length > 0) sessionStorage.setItem("queue", JSON.stringify(queue));
const neighbour = (by) => {
  const listed = JSON.parse(sessionStorage.getItem("queue") ?? "[]");
  const at = listed.indexOf(location.pathname);
  if (at >= 0) {
    if (listed[at + by]) location.assign(listed[at + by]);
    else tell(`That was the ${by > 0 ? "last" : "first"} one on that page of the list.`);
  } else if (by > 0) document.querySelector("a[rel=next]")?.click();
  else if (document.querySelector("a[rel=prev]")) document.querySelector("a[rel=prev]").click();
  else if (new URLSearchParams(location.search).has("after")) history.back();
};
keys.set("[", () => neighbour(-1));
keys.set("]", () => neighbour(1));

// Choosing. The bar shows while something is chosen; "everything in one form" waits in it.
const batch = document.getElementById("batch");
const boxes = () => [...document.querySelectorAll("table input[type=checkbox][form=batch]")];
const all = document.querySelector("input[data-all]");
const chosen = () => boxes().filter((box) => box.checked);
const tenantsOf = (picked) => [...new Set(picked.map((one) => one.dataset.tenant))];
const count = () => {
  const picked = chosen();
  const bar = batch?.querySelector(".desk-bar");
  if (bar) {
    const tenants = tenantsOf(picked);
    bar.querySelector("[data-chosen]").textContent = `${picked.length} chosen` + (tenants.length > 1 ? `, from ${tenants.length} tenants` : "");
    batch.hidden = picked.length === 0;
  }
  if (all) [all.checked, all.indeterminate] = [picked.length > 0 && picked.length === boxes().length, picked.length > 0 && picked.length < boxes().length];
  say(`${picked.length} chosen`);
};
if (batch?.querySelector(".desk-bar")) {
  batch.querySelector(".desk-bar").hidden = false;
  for (const all of batch.querySelectorAll(".desk-all")) all.open = false;
  batch.hidden = chosen().length === 0;
  batch.querySelector("[data-none]").addEventListener("click", () => choose(chosen(), false));
  for (const button of batch.querySelectorAll("[data-do]")) button.addEventListener("click", () => openDialog(button.dataset.do));
}
const choose = (which, on) => {
  for (const box of which) box.checked = on;
  count();
};
document.addEventListener("change", (event) => { if (event.target.matches("table input[form=batch]")) count(); });
if (all) {
  all.hidden = boxes().length === 0;
  all.addEventListener("change", () => choose(boxes(), all.checked));
}
// With Shift all between the last box and this one become as this one.
let last = null;
document.addEventListener("click", ({ target, shiftKey }) => {
  if (!target.matches("table input[form=batch]")) return;
  const here = boxes();
  const [from, to] = [here.indexOf(last), here.indexOf(target)].sort((one, other) => one - other);
  if (shiftKey && from >= 0) choose(here.slice(from, to + 1), target.checked);
  last = target;
});
keys.set("x", () => {
  const box = current?.querySelector("input[form=batch]");
  if (box) choose([box], !box.checked);
});
keys.set("X", () => choose(boxes(), chosen().length < boxes().length));
keys.set("*", () => {
  const all = document.getElementById("bulk");
  if (!all) return false;
  all.requestSubmit();
});

// The dialogs of a, s, c and t: for what is chosen, or the current row, or the incident whose page this is.
const meant = () => {
  const own = document.querySelector("input[data-this]");
  if (own) return [own];
  const picked = chosen();
  const here = current?.querySelector("input[form=batch]");
  return picked.length > 0 ? picked : here ? [here] : [];
};
const hiddenField = (name, value) => {
  const field = element("input", "", "filled");
  [field.type, field.name, field.value] = ["hidden", name, value];
  return field;
};
const openDialog = (key) => {
  const dialog = document.querySelector(`dialog[data-key="${key}"]`);
  if (!dialog) return false;
  const which = meant();
  if (which.length === 0) return tell("Choose an incident first: j moves to the next one.");
  const form = dialog.querySelector("form");
  form.reset();
  for (const old of form.querySelectorAll(".filled")) old.remove();
  form.append(hiddenField("change", crypto.randomUUID()), ...which.map((one) => hiddenField("incident", one.value)));
  dialog.meant = which;
  const tenants = tenantsOf(which);
  const title = which[0].dataset.title ?? which[0].closest("tr")?.querySelector("a[data-row]").textContent;
  form.querySelector("[data-about]").textContent = which.length === 1 ? `${title} · ${tenants[0]}` : `${which.length} incidents of ${tenants.slice(0, 3).join(", ")}${tenants.length > 3 ? ` and ${tenants.length - 3} more` : ""}`;
  const button = form.querySelector("[data-word]");
  const what = which.length === 1 ? "" : ` ${which.length}`;
  button.textContent = `${button.dataset.word}${what} at ${tenants.length === 1 ? tenants[0] : `${tenants.length} tenants`}`;
  // Of one incident the status begins as it is; the others have no one status.
  const status = form.querySelector("select[name=status][required]");
  const now = which.length === 1 && status && [...status.options].find((option) => option.value.toLowerCase() === which[0].dataset.status?.toLowerCase());
  if (now) now.selected = true;
  form.querySelector("[data-problem]").hidden = true;
  form.querySelector("[data-problem]").removeAttribute("role");
  dialog.showModal();
};
for (const key of ["a", "s", "c", "t"]) keys.set(key, () => openDialog(key));

// Why an incident's change came to nothing, if the form's page says so: somebody else had changed it, or its tenant does not allow it.
const idOf = (box) => box.value.split("/")[0];
const failureOf = (answer, box) => {
  const failed = (answer.page?.querySelector("[data-failed]")?.dataset.failed ?? "").split(" ");
  if (!failed.includes(idOf(box))) return "";
  const said = answer.page.querySelector(`[data-said="${idOf(box)}"]`)?.textContent ?? "";
  return said.replace(/^Not sent: /, "").replace(/\.$/, "") || "it has failed";
};

// A row whose change is on its way says so, with the way to what becomes of it; one that is being closed is greyed, with undo.
const mark = (box, text, url, undo) => {
  const row = box.closest("tr");
  row.querySelector(".row-note")?.remove();
  const note = element("span", `${text} · `, "row-note");
  const link = element("a", "what becomes of it");
  link.href = url;
  note.append(link);
  if (undo) {
    const button = element("button", "Undo", "button", "small");
    button.type = "button";
    button.setAttribute("aria-label", `Undo the closing of ${row.querySelector("a[data-row]").textContent}`);
    button.addEventListener("click", async () => {
      button.disabled = true;
      await undo();
      button.disabled = false;
    });
    note.append(" ", button);
  }
  row.querySelector("a[data-row]").parentElement.append(note);
  return note;
};
const takeBack = async (box, asked) => {
  const form = document.getElementById("undo");
  const fields = new URLSearchParams(new FormData(form));
  fields.set("change", crypto.randomUUID());
  fields.set("batch", new URL(asked).pathname.split("/").pop());
  fields.set("incident", idOf(box));
  const answer = await fetchPage("POST", form.action, fields);
  const row = box.closest("tr");
  if (!answer.ok) {
    row.querySelector(".row-note").append(element("span", ` ${problem(answer)}`, "field-error"));
    return say(problem(answer));
  }
  const failure = failureOf(answer, box);
  if (failure) {
    mark(box, `Not undone: ${failure}`, answer.url);
    return say(`Not undone: ${failure}`);
  }
  row.classList.remove("gone");
  mark(box, "Closing undone; the verdict stays", answer.url);
  row.querySelector("a[data-row]").focus();
  say("Closing undone; the verdict stays");
};
const words = { a: "Being taken", s: "Status being changed", c: "Being closed", t: "Being tagged" };
for (const dialog of document.querySelectorAll("dialog.desk-dialog")) {
  const form = dialog.querySelector("form");
  const back = document.querySelector("#batch input[name=back]")?.value ?? "";
  form.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  form.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("[data-word]");
    if (button.disabled) return;
    button.disabled = true;
    const fields = new URLSearchParams(new FormData(form));
    if (back) fields.set("back", back);
    const answer = await fetchPage("POST", form.action, fields);
    button.disabled = false;
    if (!answer.ok) {
      const place = form.querySelector("[data-problem]");
      place.setAttribute("role", "alert");
      [place.textContent, place.hidden] = [problem(answer), false];
      return;
    }
    const which = dialog.meant;
    if (which[0].matches("[data-this]")) return location.reload();
    dialog.close();
    const closing = dialog.dataset.key === "c";
    const failures = [];
    for (const box of which) {
      const failure = failureOf(answer, box);
      mark(box, failure ? `Not done: ${failure}` : words[dialog.dataset.key], answer.url, closing && !failure ? () => takeBack(box, answer.url) : null);
      if (closing && !failure) box.closest("tr").classList.add("gone");
      if (failure) failures.push(failure);
      else box.value = idOf(box); // what the row shows is old now
    }
    choose(which, false);
    if (which.length === 1) which[0].closest("tr").querySelector("a[data-row]").focus();
    const went = which.length - failures.length;
    const counted = went === 1 ? "1 incident" : `${went} incidents`;
    const told = went > 0 ? [`${counted}: ${words[dialog.dataset.key].toLowerCase()}`] : [];
    say([...told, ...failures.map((failure) => `Not done: ${failure}`)].join(". "));
  });
}

// The preview: the focus stays in the list.
const preview = document.getElementById("preview");
let wanted = "";
const hide = () => {
  preview.hidden = true;
  document.body.classList.remove("previewing");
};
const show = async (row) => {
  const href = row.querySelector("a[data-row]").getAttribute("href");
  wanted = href;
  const answer = await fetchPage("GET", `${href}/preview`);
  if (wanted !== href) return; // another row was moved to meanwhile
  if (!answer.ok) {
    preview.replaceChildren(element("p", problem(answer), "notice", "bad"));
  } else {
    preview.replaceChildren(...[...answer.page.body.childNodes].map((node) => document.adoptNode(node)));
    preview.querySelector("[data-close-preview]").addEventListener("click", () => {
      hide();
      row.querySelector("a[data-row]").focus(); // what had the focus is gone
    });
    preview.querySelector("form")?.addEventListener("submit", (event) => save(event, row));
  }
  preview.hidden = false;
  preview.scrollTop = 0;
  document.body.classList.add("previewing");
};
const save = async (event, row) => {
  event.preventDefault();
  const form = event.target;
  const fields = new URLSearchParams(new FormData(form, event.submitter));
  const answer = await fetchPage("POST", form.getAttribute("action"), fields);
  const box = row.querySelector("input[form=batch]");
  if (answer.ok) {
    if (box) {
      mark(box, "Being changed", answer.url);
      box.value = idOf(box);
    }
    say("The change was written down and is being sent");
    return show(row);
  }
  form.querySelector(".notice")?.remove();
  const notice = element("p", problem(answer), "notice", "bad");
  notice.setAttribute("role", "alert");
  form.prepend(notice);
};
keys.set(" ", (event) => {
  if (!preview || !current || !current.querySelector("a[data-row][href^='/incidents/']")) return false;
  if (event.target.closest("button, summary, input, dialog") || preview.contains(event.target)) return false;
  if (preview.hidden) {
    show(current);
    say(`Preview of ${current.querySelector("a[data-row]").textContent}`);
  } else hide();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !preview || preview.hidden || document.querySelector("dialog:modal")) return;
  const inside = preview.contains(document.activeElement);
  hide();
  if (inside) current?.querySelector("a[data-row]").focus();
});
