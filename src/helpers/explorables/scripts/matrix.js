// A planted matrix beside a learned one; seen and unseen entries apart. After base.js and stage.js.
// The dataset says what is shown: position (the level's number), level, kind, hidden, picked,
// planted, learned (of the picked entry), and fit: correlation and error, seen then unseen.

const EDGE = 4;

enliven("matrix", (figure, live, meta, arrays) => {
  const { rows: R, columns: C, planted, runs, seen, names, levels, sides, knob: what, most } = meta;
  let level = meta.level, kind = 0, hidden = false, picked = null;
  const css = (name) => getComputedStyle(figure).getPropertyValue(name);
  // Columns come first in what was packed.
  const entry = (which, r, c) => arrays[which].data[c * R + r];
  const isSeen = (r, c) => arrays[seen].data[r * C + c] === 1;
  const run = () => runs[kind][level];

  // correlation and root mean square error over the seen or the unseen entries
  const fit = (which) => {
    const x = [], y = [];
    for (let r = 0; r < R; r++)
      for (let c = 0; c < C; c++)
        if (isSeen(r, c) === which) {
          x.push(entry(planted, r, c));
          y.push(entry(run(), r, c));
        }
    const n = x.length, mean = (v) => v.reduce((a, b) => a + b, 0) / n, mx = mean(x), my = mean(y);
    let xy = 0, xx = 0, yy = 0, off = 0;
    x.forEach((a, i) => {
      xy += (a - mx) * (y[i] - my);
      xx += (a - mx) ** 2;
      yy += (y[i] - my) ** 2;
      off += (a - y[i]) ** 2;
    });
    const flat = yy < 1e-9 * n;
    return { n, correlation: flat ? null : xy / Math.sqrt(xx * yy), error: Math.sqrt(off / n) };
  };

  // ---- pictures --------------------------------------------------------------------------------
  const aspect = (width) => Math.round((width - 2 * EDGE) * R / C) + 2 * EDGE;
  const rgb = (name) => {
    const hex = css(name).trim().slice(1);
    return [0, 1, 2].map((i) => parseInt(hex.length < 6 ? hex[i] + hex[i] : hex.substr(2 * i, 2), 16));
  };
  const draw = (which, canvas) => {
    const [g, width, height] = begin(canvas, aspect);
    const wide = (width - 2 * EDGE) / C, high = (height - 2 * EDGE) / R;
    const [paper, low, top] = ["--paper", "--a", "--b"].map(rgb);
    for (let r = 0; r < R; r++)
      for (let c = 0; c < C; c++) {
        const v = clamp(entry(which, r, c) / most, -1, 1), ink = v > 0 ? top : low;
        const mix = paper.map((p, i) => Math.round(p + 0.85 * Math.abs(v) * (ink[i] - p)));
        g.fillStyle = hidden && isSeen(r, c) ? css("--field") : `rgb(${mix})`;
        g.fillRect(EDGE + c * wide, EDGE + r * high, wide + 0.5, high + 0.5);
      }
    g.lineWidth = 1;
    g.strokeStyle = css("--edge");
    g.strokeRect(EDGE, EDGE, width - 2 * EDGE, height - 2 * EDGE);
    if (!picked) return;
    for (const [stroke, thick] of [[css("--paper"), 4], [css("--ink"), 2]]) {
      Object.assign(g, { strokeStyle: stroke, lineWidth: thick });
      g.strokeRect(EDGE + picked[1] * wide, EDGE + picked[0] * high, wide, high);
    }
  };

  // ---- choosing an entry -----------------------------------------------------------------------
  const pick = (p) => { picked = p; show(true); };
  const onclick = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const c = Math.floor((event.clientX - box.left - EDGE) / (box.width - 2 * EDGE) * C);
    const r = Math.floor((event.clientY - box.top - EDGE) / (box.height - 2 * EDGE) * R);
    pick(r >= 0 && r < R && c >= 0 && c < C ? [r, c] : null);
  };
  const onkeydown = (event) => {
    const to = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (event.key === "Escape") pick(null);
    if (!to) return;
    event.preventDefault();
    const [r, c] = picked || [R >> 1, C >> 1], moved = picked ? to : [0, 0];
    pick([clamp(r + moved[0], 0, R - 1), clamp(c + moved[1], 0, C - 1)]);
  };

  // ---- controls --------------------------------------------------------------------------------
  const panels = [planted, run].map((_, i) => make("canvas", { tabindex: 0, role: "application",
    onclick, onkeydown, "aria-label":
      `${meta.titles[i]}: arrow keys choose an entry, Escape lets go` }));
  const knob = range(what, () => { level = Number(knob.value); show(); }, () => show(true));
  const readout = make("span", { class: "fr-readout", "aria-hidden": true });
  const kinds = names.map((name, i) => toggle(name, () => { kind = i; show(true); }));
  const hide = toggle("hide seen entries", () => { hidden = !hidden; show(true); });
  const status = make("p", { class: "fr-text", role: "status" });
  const said = make("div");

  const show = (settled = false) => {
    draw(planted, panels[0]);
    draw(run(), panels[1]);
    setRange(knob, level, levels.length - 1, `${what} ${levels[level]}`);
    readout.textContent = `${what} ${levels[level]}`;
    kinds.forEach((it, i) => it.setAttribute("aria-pressed", i === kind));
    hide.setAttribute("aria-pressed", hidden);
    const both = [fit(true), fit(false)];
    said.replaceChildren(table("fr-fit", ["entries", "number", "correlation", "RMS error"],
      both.map((f, i) => [i ? "unseen" : "seen", f.n,
        f.correlation === null ? "\u2013" : number(f.correlation), number(f.error)])));
    const one = picked && [planted, run()].map((which) => entry(which, ...picked));
    status.setAttribute("aria-live", settled ? "polite" : "off");
    status.textContent = one
      ? `${sides[0]} ${picked[0]}, ${sides[1]} ${picked[1]}, ${isSeen(...picked) ? "seen" : "unseen"}: `
        + `planted ${number(one[0])}, learned ${number(one[1])}`
      : "Tap an entry to read it.";
    Object.assign(figure.dataset, { position: level, level: levels[level], kind: names[kind], hidden,
      picked: picked ? picked.join() : "", planted: one ? one[0] : "", learned: one ? one[1] : "",
      fit: both.map((f) => [f.correlation === null ? "nan" : f.correlation, f.error]).join() });
  };

  const ticks = make("div", { class: "fr-ticks", "aria-hidden": true },
    ...levels.map((text) => make("span", {}, text)));
  const top = make("div", { class: "fr-row" },
    make("div", { class: "fr-track" }, knob, ticks), readout);
  const more = make("div", { class: "fr-row" });
  if (names.length > 1) more.append(group("choice", meta.kinds, ...kinds));
  more.append(hide, make("div", { class: "fr-scale" }, number(-most, 1), make("i"), number(most, 1)));
  live.append(top, more,
    make("div", { class: "fr-matrix" }, ...panels.map((canvas, i) => make("div", { class: "fr-panel" },
      make("div", { class: "fr-head" }, make("b", {}, meta.titles[i]),
        make("span", {}, `${sides[0]} \u2193  ${sides[1]} \u2192`)), canvas))),
    status, said);
  return show;
});
