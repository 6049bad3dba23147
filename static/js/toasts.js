// A toast that was dismissed leaves the page, so that it takes no room and is not read again.
document.addEventListener(
  "toggle",
  (event) => {
    if (event.target.matches?.("[data-toast]") && !event.target.open) event.target.remove();
  },
  true,
);
