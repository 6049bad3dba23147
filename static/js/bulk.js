// Choosing rows: the bar shows when a row is chosen and says how many; the heading's box chooses all.
const boxesOf = (id) => [...document.querySelectorAll(`input[type=checkbox][name=selected][form="${id}"]`)];

const refreshBulk = () => {
  for (const bar of document.querySelectorAll("[data-bulk]")) {
    const boxes = boxesOf(bar.id);
    const chosen = boxes.filter((box) => box.checked).length;
    bar.hidden = chosen === 0;
    bar.querySelector("[data-bulk-count]").textContent = `${chosen} chosen`;
    const all = document.querySelector(`[data-pick-all="${bar.id}"]`);
    if (all) {
      all.hidden = boxes.length === 0;
      all.checked = chosen > 0 && chosen === boxes.length;
      all.indeterminate = chosen > 0 && chosen < boxes.length;
    }
    for (const box of boxes) box.closest("tr")?.toggleAttribute("data-chosen", box.checked);
  }
};

document.addEventListener("change", (event) => {
  const all = event.target.closest?.("[data-pick-all]");
  if (all) for (const box of boxesOf(all.dataset.pickAll)) box.checked = all.checked;
  if (all || event.target.name === "selected") refreshBulk();
});
document.addEventListener("DOMContentLoaded", refreshBulk);
document.addEventListener("htmx:afterSettle", refreshBulk);
window.addEventListener("pageshow", refreshBulk);
