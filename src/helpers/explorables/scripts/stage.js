// What Traces and Field share, after base.js: shades of the accent, axes, and a clock that plays.

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const SMALL = "11px system-ui, sans-serif";

// From the paper to the accent, 256 shades [r, g, b] that grow evenly.
const shades = (css) => {
  const [paper, accent] = ["--paper", "--accent"].map((name) => {
    const hex = css(name).trim().slice(1);
    return [0, 1, 2].map((i) => parseInt(hex.length < 6 ? hex[i] + hex[i] : hex.substr(2 * i, 2), 16));
  });
  return Array.from({ length: 256 }, (_, i) =>
    paper.map((c, j) => Math.round(c + 0.62 * i / 255 * (accent[j] - c))));
};

// Shares in [0, 1] of rows x columns of cells, row 0 lowest, painted smoothly into a rectangle.
const paintCells = (g, share, rows, columns, colours, box) => {
  const small = document.createElement("canvas");
  Object.assign(small, { width: columns, height: rows });
  const image = small.getContext("2d").createImageData(columns, rows);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) {
      const t = colours[clamp(Math.round(255 * share(r, c)), 0, 255)];
      image.data.set([...t, 255], ((rows - 1 - r) * columns + c) * 4);
    }
  small.getContext("2d").putImageData(image, 0, 0);
  g.imageSmoothingQuality = "high";
  g.drawImage(small, ...box);
};

// Round numbers from low to high, about as many as asked for, with their texts.
const rounds = (low, high, about) => {
  const rough = (high - low) / about, ten = 10 ** Math.floor(Math.log10(rough));
  const step = ten * [1, 2, 5, 10].find((m) => m * ten >= rough * 0.999);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9)), found = [];
  for (let i = Math.ceil(low / step - 1e-6); i * step <= high + 1e-6 * step; i++)
    found.push([i * step, number(i * step, digits)]);
  return found;
};

// A place on a clock of `fine` steps, from 0 to 1. `moved(settled)` is called whenever it changes.
const player = (figure, seconds, fine, moved) => {
  let ticket = 0;
  const self = {
    at: 0, playing: 0,
    rest: () => { self.playing = 0; ticket++; moved(true); },
    go: (at, settled) => {
      self.playing = 0;
      ticket++;
      self.at = clamp(Math.round(at * fine) / fine, 0, 1);
      moved(settled);
    },
    play: (direction) => {
      if (self.playing === direction) { self.rest(); return; }
      const end = direction > 0 ? 1 : 0, mine = ++ticket;
      let phase = self.at === end ? 1 - end : self.at, before = 0;
      self.playing = direction;
      const tick = (time) => {
        if (mine !== ticket) return;
        phase += direction * (before ? Math.min((time - before) / 1000, 0.1) / seconds : 0);
        before = time;
        // Who asked for less motion sees nine moments one after another.
        const steps = calm() ? 8 : fine;
        phase = clamp(phase, 0, 1);
        self.at = Math.round(phase * steps) / steps;
        if (!figure.isConnected || phase === end) { self.rest(); return; }
        moved();
        requestAnimationFrame(tick);
      };
      self.at = phase;
      requestAnimationFrame(tick);
      moved();
    },
  };
  return self;
};

// The button that plays one way, `way()`, and pauses.
const playButton = (clock, way, name, label) => {
  const it = button(label, name, () => clock.play(way()));
  it.update = () => {
    const text = clock.playing === way() ? "Pause" : label;
    if (it.title === text) return;
    it.replaceChildren(icon(text === label ? name : "pause"));
    it.setAttribute("aria-label", it.title = text);
  };
  return it;
};
const table = (kind, head, rows) => make("table", { class: `fr-table ${kind}` },
  make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
  make("tbody", {}, ...rows.map(([name, ...cells]) => make("tr", {},
    make("th", { scope: "row" }, name), ...cells.map((text) => make("td", {}, text))))));
