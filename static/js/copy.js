// Copy buttons are hidden without script. They copy data-copy (a phone number as E.164) and say so.
const showCopyButtons = (root) => {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const label = button.querySelector(".sr-only");
  const before = label ? label.textContent : "";
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    if (label) label.textContent = "Copying is not allowed here";
    return;
  }
  button.dataset.copied = "";
  if (label) label.textContent = "Copied";
  setTimeout(() => {
    delete button.dataset.copied;
    if (label) label.textContent = before;
  }, 1500);
});

document.addEventListener("DOMContentLoaded", () => showCopyButtons(document));
document.addEventListener("htmx:afterSwap", (event) => showCopyButtons(event.target.parentElement || document));
