// Particles on a line: their ways over time, several panels side by side, on the density.
// The dataset says what is shown: position, level, playing, picked, mean, std, x (one per panel).

const LEFT = 30, RIGHT = 4, TOP = 6, BOTTOM = 20, STRIP = 46, BINS = 24;

enliven("traces", (figure, live, meta, arrays) => {
  const { extent: [low, high], times, panels, levels, knob: what } = meta, FINE = 200;
  let level = levels.length - 1, picked = meta.follow, shade = true;
  const css = (name) => getComputedStyle(figure).getPropertyValue(name);

  // ---- data: positions are [particle][row], a density is [0][row][cell] -------------------------
  const run = (panel) => panel.levels[panel.levels.length > 1 ? level : 0];
  // The row at or before a time, and how far it is to the next.
  const row = (clock, t) => {
    let k = 0;
    while (k < clock.length - 2 && clock[k + 1] <= t) k++;
    return [k, clamp((t - clock[k]) / (clock[k + 1] - clock[k]), 0, 1)];
  };
  const at = (panel, t) => {
    const { points, clock } = run(panel), { shape: [n, rows], data } = arrays[points];
    const [k, s] = row(times[clock], t);
    return Array.from({ length: n }, (_, i) =>
      (1 - s) * data[i * rows + k] + s * data[i * rows + k + 1]);
  };
  const moments = (values) => {
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const sum = values.reduce((a, b) => a + (b - mean) ** 2, 0);
    return [mean, Math.sqrt(sum / Math.max(values.length - 1, 1))];
  };
  const slice = (panel, t) => {
    if (panel.heat === null) return null;
    const { shape: [, rows, cells], data, most } = arrays[panel.heat], f = t * (rows - 1);
    const k = Math.min(Math.floor(f), rows - 2), s = f - k;
    const value = (r, c) => most * (data[r * cells + c] / 127) ** 2;
    return Array.from({ length: cells }, (_, c) => (1 - s) * value(k, c) + s * value(k + 1, c));
  };

  // ---- pictures --------------------------------------------------------------------------------
  const aspect = (width) => Math.round(clamp(width * 0.72, 200, 290));
  const draw = (panel, canvas) => {
    const [g, width, height] = begin(canvas, aspect), t = clock.at, values = at(panel, t);
    const right = width - RIGHT - STRIP, floor = height - BOTTOM, wide = right - LEFT;
    const toX = (time) => LEFT + time * wide;
    const toY = (x) => floor - (x - low) / (high - low) * (floor - TOP);
    const pen = (stroke, thick, alpha = 1) =>
      Object.assign(g, { strokeStyle: stroke, lineWidth: thick, globalAlpha: alpha });
    const line = (...points) => {
      g.beginPath();
      points.forEach(([x, y]) => g.lineTo(x, y));
      g.stroke();
    };
    const inside = (x0, x1, paint) => {
      g.save();
      g.beginPath();
      g.rect(x0, TOP, x1 - x0, floor - TOP);
      g.clip();
      paint();
      g.restore();
    };
    const ways = (list) => {
      const { points, clock } = run(panel), { shape: [, rows], data } = arrays[points];
      const path = new Path2D(), xs = times[clock].map(toX);
      for (const i of list)
        for (let k = 0; k < rows; k++) path[k ? "lineTo" : "moveTo"](xs[k], toY(data[i * rows + k]));
      return path;
    };
    g.lineJoin = g.lineCap = "round";
    g.font = SMALL;

    // the density, in shades of its root
    if (shade && panel.heat !== null) {
      const { shape: [, rows, cells], data } = arrays[panel.heat];
      inside(LEFT, right, () => paintCells(g, (c, r) => data[r * cells + c] / 127, cells, rows,
        shades(css), [LEFT - wide / (rows - 1) / 2, TOP, wide * rows / (rows - 1), floor - TOP]));
    }
    // what has been run is strong, what is to come is faint
    const all = ways(values.keys()), here = toX(t), one = picked < values.length ? picked : null;
    const strong = clamp(20 / values.length, 0.2, 0.6), faint = strong / 4;
    const parts = panel.back ? [[LEFT, here, faint], [here, right, strong]]
      : [[here, right, faint], [LEFT, here, strong]];
    const mine = one === null ? null : ways([one]);
    for (const [x0, x1, alpha] of parts)
      inside(x0, x1, () => {
        pen(css("--ink"), 1, alpha);
        g.stroke(all);
        if (!mine) return;
        pen(css("--paper"), 4.5, alpha === faint ? 0.3 : 0.9);
        g.stroke(mine);
        pen(css("--b"), 2.2, alpha === faint ? 0.5 : 1);
        g.stroke(mine);
      });

    // axes
    pen(css("--edge"), 1);
    g.strokeRect(LEFT, TOP, wide, floor - TOP);
    g.fillStyle = css("--soft");
    g.textAlign = "right";
    for (const [x, text] of rounds(low, high, 5)) {
      g.fillText(text, LEFT - 6, toY(x) + 4);
      line([LEFT - 3, toY(x)], [LEFT, toY(x)]);
    }
    g.textAlign = "center";
    for (const [time, text] of [[0, "0"], [0.5, "t = 0.5"], [1, "1"]]) {
      g.fillText(text, toX(time), height - 5);
      line([toX(time), floor], [toX(time), floor + 3]);
    }

    // beside it: how many particles are where at this time, and the density of this time
    const bins = new Array(BINS).fill(0), exact = slice(panel, t), size = (high - low) / BINS;
    for (const x of values) if (x >= low && x < high) bins[Math.floor((x - low) / size)]++;
    const share = bins.map((n) => n / values.length / size);
    const most = Math.max(...share, ...(exact || []), 1e-9), edge = right + 7;
    const out = (p) => edge + p / most * (STRIP - 9);
    g.fillStyle = css("--accent");
    g.globalAlpha = 0.45;
    share.forEach((p, i) => g.fillRect(edge, toY(low + (i + 1) * size) + 0.5, out(p) - edge,
      toY(low) - toY(low + size) - 1));
    pen(css("--ink"), 1.6);
    if (exact) line(...exact.map((p, c) => [out(p), toY(low + (c + 0.5) / exact.length * (high - low))]));
    pen(css("--edge"), 1);
    line([edge, TOP], [edge, floor]);

    // now
    pen(css("--accent"), 1.5);
    line([here, TOP], [here, floor]);
    const dots = (list, radius, fill, halo) => {
      g.beginPath();
      for (const i of list)
        if (values[i] >= low && values[i] <= high) {
          g.moveTo(here + radius, toY(values[i]));
          g.arc(here, toY(values[i]), radius, 0, 7);
        }
      pen(css("--paper"), halo, halo ? 1 : 0.6);
      if (halo) g.stroke();
      g.fillStyle = fill;
      g.fill();
    };
    dots([...values.keys()], 2.4, css("--ink"), 0);
    if (one !== null) dots([one], 5, css("--b"), 2.5);
  };

  // ---- choosing a particle ---------------------------------------------------------------------
  const pick = (i) => { picked = i; show(true); };
  const choose = (panel) => (event) => {
    const box = event.currentTarget.getBoundingClientRect(), wide = box.width - LEFT - RIGHT - STRIP;
    const t = clamp((event.clientX - box.left - LEFT) / wide, 0, 1);
    const y = (event.clientY - box.top - TOP) / (box.height - TOP - BOTTOM);
    const far = at(panel, t).map((x) => Math.abs(high - y * (high - low) - x));
    const least = Math.min(...far);
    pick(least / (high - low) * box.height < 24 ? far.indexOf(least) : null);
  };
  const onkeydown = (panel) => (event) => {
    const up = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    const on = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") pick(null);
    if (up || on) event.preventDefault();
    if (on) clock.go(clock.at + on / FINE, true);
    if (!up) return;
    const values = at(panel, clock.at), order = [...values.keys()].sort((a, b) => values[a] - values[b]);
    const k = order.indexOf(picked);
    pick(order[k < 0 ? order.length >> 1 : clamp(k + up, 0, order.length - 1)]);
  };

  // ---- controls --------------------------------------------------------------------------------
  const clock = player(figure, meta.seconds, FINE, (settled) => show(settled));
  clock.at = panels.every((panel) => panel.back) ? 1 : 0;
  const rewind = playButton(clock, () => -1, "back", "Play backwards, to t = 0");
  const forward = playButton(clock, () => 1, "play", "Play forwards, to t = 1");
  (clock.at ? rewind : forward).classList.add("fr-main");
  const slider = range("time t", () => clock.go(slider.value / FINE), () => clock.rest());
  const readout = make("span", { class: "fr-readout", "aria-hidden": true });
  const knob = range(what, () => { level = Number(knob.value); show(); }, () => show(true));
  const knobText = make("span", { class: "fr-readout", "aria-hidden": true });
  const toggles = panels.some((panel) => panel.heat !== null)
    ? [toggle("density", () => { shade = !shade; show(true); })] : [];
  const status = make("p", { class: "fr-text", role: "status" });
  const said = make("div");
  const hint = make("p", {}, "Beside each panel: bars count its particles at this time"
    + (toggles.length ? ", the line is the density." : ".") + " Tap a path to follow its particle.");
  const canvases = panels.map((panel) => make("canvas", { tabindex: 0, role: "application",
    onclick: choose(panel), onkeydown: onkeydown(panel), "aria-label":
      `${panel.name}: up and down choose a particle, left and right move time, Escape lets go` }));

  const show = (settled = false) => {
    const t = clock.at, values = panels.map((panel) => at(panel, t)), each = values.map(moments);
    panels.forEach((panel, i) => draw(panel, canvases[i]));
    [rewind, forward].forEach((it) => it.update());
    toggles.forEach((it) => it.setAttribute("aria-pressed", shade));
    setRange(slider, Math.round(t * FINE), FINE, `t ${number(t)}`);
    readout.textContent = `t = ${number(t)}`;
    if (levels.length) {
      setRange(knob, level, Math.max(levels.length - 1, 1), levels[level]);
      knobText.textContent = levels[level];
    }
    const head = [`at t = ${number(t)}`, "mean", "std. dev."], none = picked === null;
    said.replaceChildren(table("fr-moments", none ? head : [...head, `particle ${picked}`],
      panels.map(({ name }, i) => [name, ...each[i].map((v) => number(v)),
        ...(none ? [] : [picked < values[i].length ? number(values[i][picked]) : "\u2013"])])));
    status.setAttribute("aria-live", settled ? "polite" : "off");
    const numbers = [...new Set(values.map((v) => v.length))].join(" or ");
    status.textContent = [`t ${number(t)}`, ...(levels.length ? [`${what} ${levels[level]}`] : []),
      `${numbers} particles in each panel`,
      none ? "no particle followed" : `following particle ${picked}`].join(" \u00b7 ");
    Object.assign(figure.dataset, { position: t.toFixed(3), level: levels[level] || "",
      playing: clock.playing, picked: none ? "" : picked, mean: each.map(([m]) => m),
      std: each.map(([, s]) => s), x: none ? "" : values.map((v) => v[picked]) });
  };

  const ticks = make("div", { class: "fr-ticks", "aria-hidden": true },
    ...["0", "0.25", "0.5", "0.75", "1"].map((text) => make("span", {}, text)));
  const more = make("div", { class: "fr-row" }, ...toggles);
  if (levels.length > 1)
    more.append(make("div", { class: "fr-knob" }, what, knob, knobText));
  more.append(make("div", { class: "fr-words" }, status, hint));
  live.append(
    make("div", { class: "fr-row" }, group("buttons", "play", rewind, forward),
      make("div", { class: "fr-track" }, slider, ticks), readout),
    make("div", { class: "fr-traces" }, ...panels.map((panel, i) => make("div", { class: "fr-panel" },
      make("div", { class: "fr-head" }, make("b", {}, panel.name),
        make("span", { class: "fr-way" }, panel.back ? "t = 1 \u2192 0" : "t = 0 \u2192 1")),
      canvases[i]))),
    more, said);
  return show;
});
