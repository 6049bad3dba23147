// A list's address names only what is filtered: fields left empty do not go into it.
document.addEventListener("htmx:configRequest", (event) => {
  if (!event.detail.elt.matches(".list-tools")) return;
  const parameters = event.detail.parameters;
  for (const name of Object.keys(parameters)) {
    if (parameters[name] === "") delete parameters[name];
  }
});
