// What the pages cannot do without a script: how long ago something was, the keys of the list of alerts, choosing colours
// at once, and saying when the hub does not answer.
"use strict";

(() => {
  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

  function age(seconds) {
    const [size, unit] = UNITS.find(([size]) => seconds >= size * 2) || UNITS[3];
    return `${Math.floor(seconds / size)} ${unit}`;
  }

  function tellAges() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const seconds = Math.floor((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (seconds >= 0 && seconds < 30 * 86400) {
        time.dataset.ago = `${age(seconds)} ago`;
      } else {
        delete time.dataset.ago;
      }
    }
  }

  // The list of alerts: j and k go down and up, t and f press the buttons of the alert that has the focus.
  function cards() {
    return [...document.querySelectorAll("[data-alerts] article")];
  }

  function pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    if (event.target.closest("input, textarea, select")) return;
    const all = cards();
    if (all.length === 0) return;
    const here = all.indexOf(document.activeElement.closest("article"));
    if (event.key === "j" || event.key === "k") {
      const step = event.key === "j" ? 1 : -1;
      const next = here < 0 ? 0 : Math.min(Math.max(here + step, 0), all.length - 1);
      all[next].focus();
      all[next].scrollIntoView({ block: "nearest" });
      event.preventDefault();
    } else if (here >= 0) {
      const button = all[here].querySelector(`button[data-key="${CSS.escape(event.key)}"]`);
      if (button) {
        button.click();
        event.preventDefault();
      }
    }
  }

  // A card that was put in the place of another takes its focus.
  let held = null;
  document.addEventListener("focusin", (event) => {
    const card = event.target.closest("[data-alerts] article");
    held = card ? card.id : null;
  });

  function swapped() {
    tellAges();
    if (held && (document.activeElement === document.body || document.activeElement === null)) {
      document.getElementById(held)?.focus({ preventScroll: true });
    }
  }

  let misses = 0;
  function answered(is) {
    misses = is ? 0 : misses + 1;
    const banner = document.getElementById("offline");
    if (banner) banner.hidden = misses < 2;
  }

  document.documentElement.classList.add("scripted");
  document.addEventListener("keydown", pressed);
  document.addEventListener("htmx:after:swap", swapped);
  document.addEventListener("htmx:after:request", (event) => {
    const response = event.detail?.ctx?.response;
    answered(response !== undefined && response.status < 500);
  });
  document.addEventListener("htmx:error", () => answered(false));
  for (const select of document.querySelectorAll("select[data-submits]")) {
    select.addEventListener("change", () => select.form.submit());
  }
  tellAges();
  setInterval(tellAges, 5000);
})();
