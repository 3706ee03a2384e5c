// @ts-check
// The frame around the instrument: theme, the phone's parts, dialogs that only open and close.

const THEMES = /** @type {const} */ (["system", "light", "dark"]);
const SIGNS = { system: "#icon-system", light: "#icon-sun", dark: "#icon-moon" };

/** @param {HTMLButtonElement} button system → light → dark @param {() => void} onChange what is drawn must be drawn anew */
export function themeButton(button, onChange) {
  const kept = localStorage.getItem("darktimbre.theme");
  let at = Math.max(0, THEMES.findIndex((theme) => theme === kept));
  const show = () => {
    const theme = THEMES[at];
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.querySelector("use")?.setAttribute("href", SIGNS[theme]);
    button.setAttribute("aria-label", `Theme: ${theme}`);
    button.title = theme === "system" ? "Theme: system" : `Theme: ${theme}`;
  };
  button.addEventListener("click", () => {
    at = (at + 1) % THEMES.length;
    localStorage.setItem("darktimbre.theme", THEMES[at]);
    show();
    onChange();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onChange);
  show();
}

/** @param {NodeListOf<HTMLElement>} buttons on a narrow screen one part is shown at a time */
export function partButtons(buttons) {
  for (const button of buttons) {
    button.addEventListener("click", () => {
      document.body.dataset.part = button.dataset.part;
      for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
    });
  }
}

/** @param {HTMLButtonElement} button opens the tools that have no room on a narrow screen @param {HTMLElement} tools */
export function moreButton(button, tools) {
  const open = (/** @type {boolean} */ isOpen) => button.setAttribute("aria-expanded", String(isOpen));
  button.addEventListener("click", () => open(button.getAttribute("aria-expanded") !== "true"));
  document.addEventListener("pointerdown", ({ target }) => {
    if (target instanceof Node && !tools.contains(target) && !button.contains(target)) open(false);
  });
  for (const tool of tools.querySelectorAll("button")) tool.addEventListener("click", () => tool.id !== "theme" && open(false));
  document.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || button.getAttribute("aria-expanded") !== "true") return;
    open(false);
    button.focus();
  });
}

/** @param {HTMLButtonElement} opener @param {HTMLDialogElement} dialog */
export function openDialogs(opener, dialog) {
  opener.addEventListener("click", () => dialog.showModal());
  dialog.querySelector("[data-close]")?.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside it
  });
}
