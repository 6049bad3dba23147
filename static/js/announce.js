// What htmx swapped in says so: a live region that is itself replaced stays silent, so the page keeps one of its own.
document.addEventListener("htmx:afterSettle", (event) => {
  const part = event.target;
  const spoken = part.matches?.("[data-announce]") ? part : part.querySelector?.("[data-announce]");
  const announcer = document.getElementById("announcer");
  if (spoken && announcer) announcer.textContent = spoken.textContent.replace(/\s+/g, " ").trim();
});
