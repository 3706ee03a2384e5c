// Light, dark, or as the system has it. A plain script in the head, so that the page never flashes in the wrong one.
(() => {
  const kept = localStorage.getItem("darktimbre.theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
})();
