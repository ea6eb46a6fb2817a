// Says what has changed since the page was made, and never touches its rows. Without this file: load the page again.
"use strict";
{
  // How much each view of a list finds, and under no name the list itself where the page could not know: asked for once the list is seen, and
  // again after something has changed, but not all the time.
  const views = document.querySelector("nav[data-counts]");
  const count = async () => {
    try {
      const answer = await fetch(views.dataset.counts, { redirect: "error" });
      if (!answer.ok) return;
      const counts = await answer.json();
      const put = (place, found) => {
        if (place && found !== undefined && place.textContent !== found) place.textContent = found;
      };
      for (const link of views.querySelectorAll(":scope > span > a")) put(link.querySelector(".count"), counts[link.getAttribute("href")]);
      for (const place of document.querySelectorAll("[data-total]")) put(place, counts[""]);
    } catch {
      // The next change asks again.
    }
  };
  const seldom = 15_000;
  let counting = 0;
  const countSoon = (wait) => {
    if (!views || counting) return;
    counting = setTimeout(async () => {
      await count();
      counting = 0;
    }, wait);
  };
  countSoon(0);

  const place = document.querySelector("[data-live]");
  const link = place && place.querySelector("a");
  const kinds = place ? place.dataset.live.split(" ") : [];
  const title = document.title;
  const first = 15_000;
  const longest = 600_000;
  let source = null;
  let timer = 0;
  let pause = first;
  let asking = false;
  let again = false;

  const show = (news) => {
    const shown = news.count > 0;
    const text = shown ? `${news.text} (r)` : "";
    if (link.textContent !== text) link.textContent = text; // said aloud only if it is something else
    link.hidden = !shown;
    document.title = shown ? `(${news.number}) ${title}` : title;
  };

  // One question at a time; what happens meanwhile is one more.
  const ask = async () => {
    if (document.hidden) return;
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    try {
      const answer = await fetch(place.dataset.news, { redirect: "error" });
      if (answer.ok) show(await answer.json());
    } catch {
      // The next event asks again.
    }
    asking = false;
    if (again) {
      again = false;
      soon();
    }
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 150);
  };

  // Whoever is not signed in any more has nothing to read here: the page goes, unless something was typed into it.
  const leave = async () => {
    const typed = [...document.querySelectorAll("textarea, input:not([type=hidden])")].some((field) => field.value !== field.defaultValue);
    if (typed) return;
    try {
      const answer = await fetch(place.dataset.news, { redirect: "manual" });
      if (answer.type === "opaqueredirect") location.reload();
    } catch {
      // The next try tells.
    }
  };

  // A stream that opens may have missed something. One that is refused for good (too many are open, or nobody is signed in any more) is
  // tried again later and later; whatever else ends it the browser mends by itself.
  const open = () => {
    if (source || document.hidden) return;
    source = new EventSource("/live");
    source.addEventListener("open", () => {
      pause = first;
      soon();
    });
    source.addEventListener("news", (event) => {
      if (!event.data.split(" ").some((kind) => kinds.includes(kind))) return;
      soon();
      countSoon(seldom);
    });
    source.addEventListener("error", () => {
      if (!source || source.readyState !== EventSource.CLOSED) return;
      source = null;
      leave();
      setTimeout(open, pause);
      pause = Math.min(pause * 2, longest);
    });
  };
  // Nobody reads a hidden page; and a browser has few connections for all its tabs.
  const close = () => {
    clearTimeout(timer);
    if (source) source.close();
    source = null;
  };

  if (place) {
    open();
    document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
    addEventListener("pagehide", close);
    addEventListener("pageshow", open);
    keys.set("r", () => { if (!link.hidden) location.assign(link.href); });
  }
}
