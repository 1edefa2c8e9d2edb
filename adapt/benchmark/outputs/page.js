// A click on a heading sorts its table; without scripts the headings are plain text.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const text = (row) => row.cells[column].textContent.trim();
      const value = (row) => Number(/^[<+]? ?(-?\d[\d.]*)/.exec(text(row))?.[1] ?? NaN);
      const rows = [...body.rows].sort((a, b) => {
        const order = value(b) - value(a);
        // What has no number stays at the end, whichever way the rest is sorted.
        if (Number.isNaN(value(a)) !== Number.isNaN(value(b))) return Number.isNaN(value(a)) ? 1 : -1;
        return (down ? 1 : -1) * (Number.isNaN(order) ? text(b).localeCompare(text(a)) : order);
      });
      body.append(...rows);
    };
  });
}
