// A list to choose from, searched while it is used: what was chosen in the meantime stays chosen in what comes back.
let chosenPicks = [];

document.addEventListener("htmx:beforeSwap", (event) => {
  const picks = event.detail.target;
  if (picks.id !== "picks") return;
  chosenPicks = [...picks.querySelectorAll("input:checked")].map((box) => [box.name, box.value]);
});

document.addEventListener("htmx:afterSwap", () => {
  const picks = document.getElementById("picks");
  if (!picks || !chosenPicks.length) return;
  for (const box of picks.querySelectorAll("input")) {
    if (chosenPicks.some(([name, value]) => box.name === name && box.value === value)) box.checked = true;
  }
  chosenPicks = [];
});
