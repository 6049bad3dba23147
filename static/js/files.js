// Says how large a chosen file is, before it is sent.
const inWords = (bytes) => {
  const units = ["bytes", "KB", "MB", "GB"];
  let place = 0;
  let size = bytes;
  while (size >= 1024 && place < units.length - 1) {
    size /= 1024;
    place += 1;
  }
  return `${place ? size.toFixed(1) : size} ${units[place]}`;
};

document.addEventListener("change", (event) => {
  const input = event.target.closest("[data-says-size]");
  if (!input) return;
  const id = `${input.id}-size`;
  const line = document.getElementById(id) || document.createElement("p");
  line.id = id;
  line.className = "field-help";
  line.setAttribute("role", "status");
  const [file] = input.files;
  line.textContent = file ? `${file.name}: ${inWords(file.size)}` : "";
  input.after(line);
});
