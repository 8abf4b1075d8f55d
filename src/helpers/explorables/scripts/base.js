// What every kind of explorable shares. Stands before the kind's own file in one function scope:
// nothing global is made, nothing outside the figure is touched, nothing is fetched.
// Comments stand on lines of their own, template strings are not nested (inline.py strips space).

// The page's own switch first (Sphinx, Colab, JupyterLab, VS Code), then the reader's system.
const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => {
  const page = document.documentElement, { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  const theme = page.dataset.theme || page.getAttribute("theme") || vscodeThemeKind;
  if (theme) return theme.includes("dark");
  return jpThemeLight ? jpThemeLight === "false" : system.matches;
};
const watchTheme = (figure, changed) => {
  const weak = new WeakRef(figure);
  const look = () => {
    const here = weak.deref();
    if (here) {
      here.dataset.dark = isDark();
      changed();
    } else {
      watcher.disconnect();
      system.removeEventListener("change", look);
    }
  };
  const watcher = new MutationObserver(look);
  const watched = { attributeFilter: [
    "data-theme", "theme", "data-jp-theme-light", "data-vscode-theme-kind"] };
  watcher.observe(document.documentElement, watched);
  watcher.observe(document.body, watched);
  system.addEventListener("change", look);
  look();
};

// Five signs hold four bytes (inline.Pack.text), and the bytes are deflated.
const inflate = async (text, size) => {
  const packed = new Uint8Array(text.length * 0.8), view = new DataView(packed.buffer);
  for (let i = 0; i < text.length; i += 5) {
    let word = 0;
    for (let j = i; j < i + 5; j++) {
      const code = text.charCodeAt(j);
      word = word * 85 + (code === 35 ? 60 : code === 36 ? 92 : code) - 40;
    }
    view.setUint32(i * 0.8, word);
  }
  const stream = new Blob([packed.subarray(0, size)]).stream()
    .pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};

// Undo inline.Pack: differences of bytes, or of coordinates in two planes of zigzag codes.
const unpack = (bytes, specs) => {
  let at = 0;
  return specs.map(({ shape, low, step, most, diffs }) => {
    const size = shape.reduce((a, b) => a * b);
    const whole = Int32Array.from({ length: size }, (_, i) => {
      const z = bytes[at + i] + (step ? 256 * bytes[at + size + i] : 0);
      return step ? (z & 1 ? -(z + 1) / 2 : z / 2) : z;
    });
    at += step ? 2 * size : size;
    for (const axis of diffs) {
      const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1), block = inner * shape[axis];
      for (let i = 0; i < size; i++) if (i % block >= inner) whole[i] += whole[i - inner];
    }
    const data = step ? Float32Array.from(whole, (v) => low + step * v) : whole.map((v) => v & 255);
    return { shape, most, data };
  });
};

const make = (tag, attributes = {}, ...inside) => {
  const it = /svg|path/.test(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes))
    if (key.startsWith("on")) it.addEventListener(key.slice(2), value);
    else it.setAttribute(key, value);
  it.append(...inside);
  return it;
};
const ICONS = {
  back: "M15 4 5 10l10 6z", play: "M5 4l10 6-10 6z", pause: "M5 4h3.5v12H5zM11.5 4H15v12h-3.5z",
  prev: "M12.5 4l-6 6 6 6", next: "M7.5 4l6 6-6 6",
};
const icon = (name) => make("svg", { viewBox: "0 0 20 20", "aria-hidden": true },
  make("path", { d: ICONS[name], class: name }));
const button = (label, name, onclick) =>
  make("button", { type: "button", "aria-label": label, title: label, onclick }, icon(name));
const toggle = (text, onclick) => make("button", { type: "button", onclick }, text);
const group = (kind, label, ...inside) =>
  make("div", { class: `fr-${kind}`, role: "group", "aria-label": label }, ...inside);
const range = (label, oninput, onchange) =>
  make("input", { type: "range", min: 0, step: 1, "aria-label": label, oninput, onchange });
const setRange = (it, value, max, text) => {
  it.max = max;
  it.value = value;
  it.style.setProperty("--p", value / max);
  it.setAttribute("aria-valuetext", text);
};

// Fit a canvas to its width on the page and the screen's pixels; gives what to draw with.
const begin = (canvas, aspect) => {
  const width = canvas.clientWidth, height = aspect(width), dpr = window.devicePixelRatio || 1;
  const W = Math.round(width * dpr), H = Math.round(height * dpr), g = canvas.getContext("2d");
  if (canvas.width !== W || canvas.height !== H) Object.assign(canvas, { width: W, height: H });
  canvas.style.height = `${height}px`;
  g.setTransform(W / width, 0, 0, H / height, 0, 0);
  g.clearRect(0, 0, width, height);
  return [g, width, height];
};

const number = (value, digits = 2) => {
  const text = value.toFixed(digits);
  return (Number(text) ? text : text.replace("-", "")).replace("-", "\u2212");
};
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// Bring every figure of this kind to life that is not yet alive; where that fails the still stays.
// Nothing in the page's text says which are alive, so that a page saved from a browser works too.
const enliven = (kind, build) => {
  const figures = document.querySelectorAll(`.fr-explorable[data-kind="${kind}"]`);
  figures.forEach(async (figure) => {
    if (figure.frAlive) return;
    figure.frAlive = true;
    try {
      const meta = JSON.parse(figure.querySelector("script").textContent);
      const live = make("div", { class: "fr-live" }), old = figure.querySelector(".fr-live");
      const arrays = unpack(await inflate(meta.bytes, meta.size), meta.arrays);
      const draw = build(figure, live, meta, arrays);
      if (old) old.remove();
      figure.prepend(live);
      figure.querySelector(".fr-still").hidden = true;
      // JupyterLab would take the arrow keys for its own.
      for (const it of live.querySelectorAll("button,input,canvas"))
        it.dataset.lmSuppressShortcuts = true;
      // At the next frame, when a page that is changing its theme has settled.
      const fit = () => requestAnimationFrame(() => live.clientWidth && draw());
      let width = 0;
      new ResizeObserver(() => {
        if (live.clientWidth !== width) fit();
        width = live.clientWidth;
      }).observe(live);
      watchTheme(figure, fit);
      figure.dataset.state = "live";
    } catch (reason) {
      figure.dataset.state = "still";
      console.warn("explorable stays a still:", reason);
    }
  });
};
