"use strict";
// Tables that can be sorted by each column and searched. Without this script they are plain tables.
for (const table of document.querySelectorAll("table.tool")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];

  // On narrow screens the style sheet takes tables apart: cells then name their columns, and roles stay what they are.
  const heads = [...table.tHead.rows[0].cells].map((head) => head.textContent);
  table.role = "table";
  for (const group of [table.tHead, body]) group.role = "rowgroup";
  for (const head of table.tHead.rows[0].cells) head.role = "columnheader";
  for (const row of table.rows) row.role = "row";
  for (const row of rows) {
    [...row.cells].forEach((cell, column) => {
      cell.role = column ? "cell" : "rowheader";
      cell.dataset.h = heads[column];
    });
  }
  table.classList.add("labelled");
  if (rows.length > 40) table.parentElement.classList.add("long");
  if (rows.length < 2) continue;

  const value = (row, column) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
  const compare = new Intl.Collator("en", { numeric: true }).compare;

  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const sorted = head.getAttribute("aria-sort");
      // Numbers begin with the largest, words with A.
      const first = head.classList.contains("n") ? "descending" : "ascending";
      const order = !sorted ? first : sorted === "ascending" ? "descending" : "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const numbers = rows.every((row) => row.cells[column].dataset.v !== undefined);
      rows.sort((a, b) => {
        const [x, y] = [value(a, column), value(b, column)];
        return sign * (numbers ? Number(x) - Number(y) : compare(x, y));
      });
      body.append(...rows);
    });
  });

  if (rows.length <= 12) continue;  // as many are seen at once
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const find = document.createElement("div");
  const label = document.createElement("label");
  const input = document.createElement("input");
  const found = document.createElement("output");
  find.className = "find";
  input.type = "search";
  label.append("Search ", input);
  input.setAttribute("aria-label", `Search in: ${table.dataset.label}`);
  found.textContent = `${rows.length} rows`;
  find.append(label, found);
  table.parentElement.before(find);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => texts.get(row).includes(word));
      shown += !row.hidden;
    }
    found.textContent = words.length ? `${shown} of ${rows.length} rows` : `${rows.length} rows`;
  });
}
