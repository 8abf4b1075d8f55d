// What every kind of explorable shares. Stands before the kind's own file in one function scope:
// nothing global is made, nothing outside the figure is touched, nothing is fetched.

const dark = (figure) => {
  // The page's own switch first (Sphinx, JupyterLab, Colab, VS Code), then the reader's system.
  const page = document.documentElement, body = document.body;
  const lab = body.dataset.jpThemeLight, code = body.dataset.vscodeThemeKind;
  const theme = page.dataset.theme || page.getAttribute("theme");
  if (theme === "dark" || theme === "light") return theme === "dark";
  if (lab) return lab === "false";
  if (code) return !code.includes("light");
  return matchMedia("(prefers-color-scheme: dark)").matches;
};

const watchTheme = (figure, changed) => {
  const weak = new WeakRef(figure), system = matchMedia("(prefers-color-scheme: dark)");
  const look = () => {
    const here = weak.deref();
    if (!here) { watcher.disconnect(); system.removeEventListener("change", look); return; }
    here.dataset.dark = dark(here);
    changed();
  };
  const watcher = new MutationObserver(look);
  const attributeFilter = [
    "data-theme", "theme", "data-jp-theme-light", "data-vscode-theme-kind"];
  watcher.observe(document.documentElement, { attributeFilter });
  watcher.observe(document.body, { attributeFilter });
  system.addEventListener("change", look);
  look();
};

const inflate = async (text) => {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};

// Undo helpers.explorable._pack: bytes as they are, or two planes of zigzag differences.
const unpack = (bytes, specs) => {
  let at = 0;
  return specs.map(({ shape, low, step, most, diffs }) => {
    const n = shape.reduce((a, b) => a * b, 1);
    if (!diffs) return { shape, most, data: bytes.subarray(at, (at += n)) };
    const data = new Float32Array(n), whole = new Int32Array(n);
    for (let i = 0; i < n; i++) {
      const z = bytes[at + i] | (bytes[at + n + i] << 8);
      whole[i] = z & 1 ? -(z + 1) / 2 : z / 2;
    }
    at += 2 * n;
    for (const axis of diffs) {
      const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1), run = inner * shape[axis];
      for (let i = 0; i < n; i++) if (i % run >= inner) whole[i] += whole[i - inner];
    }
    for (let i = 0; i < n; i++) data[i] = low + step * whole[i];
    return { shape, data };
  });
};

const make = (tag, attributes = {}, ...inside) => {
  const svg = tag === "svg" || tag === "path";
  const it = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes))
    if (key.startsWith("on")) it.addEventListener(key.slice(2), value);
    else if (value !== null) it.setAttribute(key, value);
  it.append(...inside);
  return it;
};

// A canvas that fills its parent's width and stays crisp; `paint(context, width, height)`.
const screen = (aspect, attributes, paint) => {
  const canvas = make("canvas", attributes);
  const draw = () => {
    const width = canvas.clientWidth, dpr = Math.min(window.devicePixelRatio || 1, 3);
    if (!width) return;
    const height = aspect(width), W = Math.round(width * dpr), H = Math.round(height * dpr);
    if (canvas.width !== W || canvas.height !== H) {
      canvas.width = W;
      canvas.height = H;
      canvas.style.height = `${height}px`;
    }
    const context = canvas.getContext("2d");
    context.setTransform(W / width, 0, 0, H / height, 0, 0);
    context.clearRect(0, 0, width, height);
    paint(context, width, height);
  };
  new ResizeObserver(draw).observe(canvas);
  return { canvas, draw };
};

const number = (value, digits = 2) => {
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "\u2212");
};

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// Bring every figure of this kind to life that is not alive yet; on failure the still stays.
const enliven = (kind, build) => {
  const waiting = `.fr-explorable[data-kind="${kind}"]:not([data-state])`;
  document.querySelectorAll(waiting).forEach(async (figure) => {
    figure.dataset.state = "loading";
    try {
      const meta = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
      const live = build(figure, meta, unpack(await inflate(meta.bytes), meta.arrays));
      figure.insertBefore(live, figure.firstChild);
      figure.querySelector(".fr-still").hidden = true;
      figure.dataset.state = "ready";
    } catch (reason) {
      figure.dataset.state = "still";
      console.warn("explorable stays a still:", reason);
    }
  });
};
