// Tables sort by their headers: ascending, descending, as they were. Without scripts they stay as they were.
"use strict";

// Order of rows by their keys (numbers, texts, or null for nothing): places of the rows. Nothing stands last.
function ordered(keys, direction) {
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true });
  const places = keys.map((_, place) => place);
  if (direction === "none") return places;
  const sign = direction === "ascending" ? 1 : -1;
  return places.sort((a, b) =>
    keys[a] === null || keys[b] === null
      ? (keys[a] === null) - (keys[b] === null) || a - b
      : sign * compare(keys[a], keys[b]) || a - b
  );
}

const NEXT = { none: "ascending", ascending: "descending", descending: "none" };

function keyOf(cell) {
  if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
  const text = cell.textContent.trim();
  return text === "" || text === "–" ? null : text;
}

function makeSortable(table) {
  const headers = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const rows = [...body.rows];
  if (rows.length < 2) return;
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    header.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const direction = NEXT[header.getAttribute("aria-sort")];
      headers.forEach((other) => other.setAttribute("aria-sort", "none"));
      header.setAttribute("aria-sort", direction);
      const keys = rows.map((row) => keyOf(row.cells[column]));
      body.append(...ordered(keys, direction).map((place) => rows[place]));
    });
  });
}

if (typeof document !== "undefined") document.querySelectorAll("table.sortable").forEach(makeSortable);
