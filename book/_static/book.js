// Small repairs that need the finished page. Nothing here is needed to read.
(() => {
  // A page opened from a folder may not fetch other pages: no excerpts under search results there.
  if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined")
    DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

  // What scrolls sideways can be reached and scrolled by keyboard.
  const boxes = ".math, .cell_output .output, pre, .pst-scrollable-table-container";
  const reach = () =>
    document.querySelectorAll(boxes).forEach((box) => {
      const inline = box.matches("span.math");  // these scroll only once they are called wide
      const wide = box.scrollWidth > box.clientWidth + (inline ? 2 : 0);
      if (inline) box.classList.toggle("fr-wide", wide);
      if (wide) box.tabIndex = 0;
      else if (box.tabIndex === 0) box.removeAttribute("tabindex");
    });
  let waiting;
  const later = () => { clearTimeout(waiting); waiting = setTimeout(reach, 100); };
  addEventListener("load", () => {
    reach();
    addEventListener("resize", later);
    document.addEventListener("toggle", later, true);
    if (window.MathJax && MathJax.startup) MathJax.startup.promise.then(reach);
  });

  // On paper hints and solutions are unfolded; code that only draws is left out (book.css).
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("article details:not([open], .hide)")];
    opened.forEach((d) => { d.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((d) => { d.open = false; }));
})();
