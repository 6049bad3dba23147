// Forms: the error summary takes the focus, a final button waits for the name, nothing is sent twice.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelector(".error-summary[autofocus]")?.focus();
  for (const box of document.querySelectorAll("[data-confirm-name]")) {
    const button = box.form.querySelector("button[type=submit]");
    const follow = () => {
      button.disabled = box.value.trim() !== box.dataset.confirmName;
    };
    box.addEventListener("input", follow);
    follow();
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent !== undefined) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "";
});

// The back button shows a page as it was left: its forms may be sent again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
document.addEventListener("htmx:afterRequest", (event) => {
  event.target.closest?.("form")?.removeAttribute("data-sent");
});
