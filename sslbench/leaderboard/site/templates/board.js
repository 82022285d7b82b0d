"use strict";
// Sorts and filters the table of the page.
(function () {
  const table = document.getElementById("board");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const field = (id) => document.getElementById(id);
  const dataset = field("dataset"), protocol = field("protocol"), search = field("search");
  const ticks = { baseline: field("baselines"), published: field("published") };
  const buttons = Array.from(table.querySelectorAll("thead button"));

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const own = row.dataset, text = row.textContent.toLowerCase();
      const tick = ticks[own.kind];
      row.hidden = Boolean(
        (dataset.value && own.dataset !== dataset.value) ||
        (protocol.value && own.protocol !== protocol.value) ||
        (tick && !tick.checked) || !words.every((word) => text.includes(word)));
      if (!row.hidden) shown += 1;
    }
    field("count").textContent = shown + " of " + rows.length + " rows";
  }

  function value(row, place, kind) {
    const cell = row.cells[place];
    if (kind === "text") return cell.textContent.trim().toLowerCase();
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  }

  function sort(place, kind, down) {
    const sign = down ? -1 : 1;
    rows.sort((a, b) => {
      const first = value(a, place, kind), second = value(b, place, kind);
      if (first === null || second === null) return (first === null) - (second === null);
      return sign * (kind === "text" ? first.localeCompare(second) : first - second);
    });
    body.append(...rows);
    buttons.forEach((button, column) => button.parentElement.setAttribute(
      "aria-sort", column === place ? (down ? "descending" : "ascending") : "none"));
  }

  buttons.forEach((button, place) => button.addEventListener("click", () => {
    const now = button.parentElement.getAttribute("aria-sort");
    const first = button.dataset.kind === "number" && button.dataset.best === "high" ? "descending" : "ascending";
    const down = now === "none" ? first === "descending" : now === "ascending";
    sort(place, button.dataset.kind, down);
  }));
  for (const control of [dataset, protocol, search, ticks.baseline, ticks.published]) {
    control.addEventListener("input", filter);
  }
  // Show one dataset and protocol first: ranks of different boards must not be read as one order.
  if (rows.length) {
    dataset.value = rows[0].dataset.dataset;
    protocol.value = rows[0].dataset.protocol;
  }
  filter();
})();
