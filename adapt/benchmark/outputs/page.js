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
      const value = (row) => row.cells[column].dataset.sort;
      const text = (row) => row.cells[column].textContent;
      const rows = [...body.rows].sort((a, b) => {
        // What has no value stays at the end, whichever way the rest is sorted.
        if (column && (value(a) === undefined) !== (value(b) === undefined)) return value(a) === undefined ? 1 : -1;
        const order = column ? value(b) - value(a) : text(b).localeCompare(text(a));
        return down ? order : -order;
      });
      body.append(...rows);
    };
  });
}
