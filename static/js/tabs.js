// Tabs that do not fit, as on a phone, are scrolled to the one that is open.
for (const tabs of document.querySelectorAll(".tabs")) {
  const open = tabs.querySelector("[aria-current]");
  if (!open) continue;
  const place = open.getBoundingClientRect();
  const frame = tabs.getBoundingClientRect();
  tabs.scrollLeft += place.left + place.width / 2 - (frame.left + frame.width / 2);
}
