// Everything works without this file; it adds keys for the review and the following of a run.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, .cm-editor")) return;
  const button = document.querySelector(`button[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!button) return;
  event.preventDefault();
  button.click();
});

const live = document.querySelector("[data-follow]");
if (live) {
  const source = new EventSource(live.dataset.follow);
  source.addEventListener("state", (event) => {
    live.innerHTML = JSON.parse(event.data); // made by our own template, which escapes all text
  });
  source.addEventListener("end", () => source.close());
}
