// A reliability diagram under a slope and an offset of the log-odds, and what a bidder earns.
// The dataset says what is shown: slope, offset, bins, loss, auc, ece, floor, mean, surplus.

const LEFT = 40, RIGHT = 8, TOP = 8, BOTTOM = 34;

enliven("calibration", (figure, live, meta, arrays) => {
  const css = (name) => getComputedStyle(figure).getPropertyValue(name);
  const sigmoid = (u) => 1 / (1 + Math.exp(-u));
  const [u, truth, rival, label] = [
    arrays[meta.logits].data, Array.from(arrays[meta.truth].data, sigmoid),
    Array.from(arrays[meta.rival].data, Math.exp), arrays[meta.labels].data];
  const N = u.length, clicks = label.reduce((a, b) => a + b, 0);
  // Trained: the model as it is. Slope, offset and bins are whole steps of the sliders.
  const places = ([low, high, step]) => Math.round((high - low) / step);
  const value = ([low, , step], k) => low + step * k;
  const nearest = ([low, , step], x) => Math.round((x - low) / step);
  const plain = [nearest(meta.slopes, 1), nearest(meta.offsets, 0)];
  let [slope, offset] = plain, bins = meta.n_bins;

  // ---- what is true ----------------------------------------------------------------------------
  const believed = (a, b) => Array.from(u, (x) => sigmoid(a * x + b));
  const most = truth.reduce((sum, p, i) => sum + Math.max(p - rival[i], 0), 0);
  const surplus = (p) => p.reduce((sum, q, i) => sum + (q > rival[i] ? truth[i] - rival[i] : 0), 0) / most;
  const loss = (a, b) => u.reduce((sum, x, i) => {
    const v = a * x + b;
    return sum + Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v))) - label[i] * v;
  }, 0) / N;
  // Log-odds come sorted; equal ones share a bin, as in helpers.ctr.calibration.
  const cut = (p) => {
    const found = [];
    const edges = Array.from({ length: bins - 1 }, (_, k) => u[Math.floor((k + 1) * N / bins)]);
    let k = 0, last = -1;
    for (let i = 0; i < N; i++) {
      while (k < edges.length && u[i] >= edges[k]) k++;
      if (k !== last) found.push({ n: 0, p: 0, y: 0, v: 0 });
      last = k;
      const one = found[found.length - 1];
      one.n++;
      one.p += p[i];
      one.y += label[i];
      one.v += p[i] * (1 - p[i]);
    }
    return found;
  };
  const auc = (() => {
    let ranks = 0;
    for (let i = 0, j = 0; i < N; i = j) {
      while (j < N && u[j] === u[i]) j++;
      for (let k = i; k < j; k++) if (label[k]) ranks += (i + j + 1) / 2;
    }
    return (ranks - clicks * (clicks + 1) / 2) / (clicks * (N - clicks));
  })();
  const measured = (a, b) => {
    const p = believed(a, b), parts = cut(p);
    return { p, parts, loss: loss(a, b), auc, surplus: surplus(p),
      mean: p.reduce((x, y) => x + y, 0) / N,
      ece: parts.reduce((sum, { p: q, y }) => sum + Math.abs(q - y), 0) / N,
      floor: parts.reduce((sum, { v }) => sum + Math.sqrt(v), 0) * Math.sqrt(2 / Math.PI) / N };
  };

  // ---- pictures --------------------------------------------------------------------------------
  const aspect = (width) => Math.round(clamp(width * 0.8, 210, 320));
  const frame = (canvas) => {
    const [g, width, height] = begin(canvas, aspect), floor = height - BOTTOM;
    const wide = width - LEFT - RIGHT, high = floor - TOP;
    g.font = SMALL;
    g.lineJoin = g.lineCap = "round";
    const x = (share) => LEFT + share * wide, y = (share) => floor - share * high;
    const pen = (stroke, thick) => Object.assign(g, { strokeStyle: css(stroke), lineWidth: thick });
    const line = (...points) => {
      g.beginPath();
      points.forEach(([s, t]) => g.lineTo(x(s), y(t)));
      g.stroke();
    };
    const word = (text, px, py, align) => {
      g.textAlign = align;
      g.fillText(text, px, py);
    };
    const dot = (s, t, r, fill) => {
      g.beginPath();
      g.arc(x(s), y(t), r, 0, 7);
      g.fillStyle = css(fill);
      g.fill();
    };
    g.fillStyle = css("--soft");
    pen("--edge", 1);
    g.strokeRect(LEFT, TOP, wide, high);
    return { g, x, y, pen, line, word, dot, width, height, floor };
  };
  const diagram = (now) => {
    const { g, x, y, pen, line, word, dot, width, height, floor } = frame(panels[0]);
    for (const [share, text] of [[0.01, "1%"], [0.05, "5%"], [0.2, "20%"], [0.5, "50%"], [1, "100%"]]) {
      const s = Math.sqrt(share);
      word(text, Math.min(x(s), width - 17), floor + 14, "center");
      word(text, LEFT - 5, y(s) + 4, "right");
    }
    word("predicted", (LEFT + width) / 2, height - 4, "center");
    pen("--soft", 1);
    line([0, 0], [1, 1]);
    // From the diagonal to each bin: the gap that the error averages.
    pen("--b", 1.4);
    for (const { n, p, y: c } of now.parts)
      line([Math.sqrt(p / n), Math.sqrt(p / n)], [Math.sqrt(p / n), Math.sqrt(c / n)]);
    for (const { n, p, y: c } of now.parts)
      dot(Math.sqrt(p / n), Math.sqrt(c / n), 3.6, "--a");
    g.fillStyle = css("--soft");
    word("clicked", LEFT + 6, TOP + 14, "left");
  };
  // Surplus over all offsets at this slope; below -1 it is cut off.
  const curve = (now) => {
    const { g, x, y, pen, line, word, dot, width, height, floor } = frame(panels[1]);
    const n = places(meta.offsets), a = value(meta.slopes, slope), points = [], up = (s) => (s + 1) / 2.1;
    let best = [Infinity, 0];
    for (let k = 0; k <= n; k += 4) {
      const b = value(meta.offsets, k), l = loss(a, b);
      if (l < best[0]) best = [l, k / n];
      points.push([k / n, up(Math.max(surplus(believed(a, b)), -1))]);
    }
    for (const [s, text] of [[-1, "\u2212100%"], [0, "0"], [1, "100%"]])
      word(text, LEFT - 4, y(up(s)) + 4, "right");
    for (const b of [-6, -3, 0, 3, 6])
      word(number(b, 0), clamp(x((b + 6) / 12), LEFT + 6, width - 12), floor + 14, "center");
    word("offset b", (LEFT + width) / 2, height - 4, "center");
    pen("--edge", 1);
    line([0, up(0)], [1, up(0)]);
    line([0, up(1)], [1, up(1)]);
    pen("--c", 1.4);
    line([best[1], 0], [best[1], 1]);
    pen("--a", 2);
    line(...points);
    dot(offset / n, up(Math.max(now.surplus, -1)), 5.5, "--b");
    g.fillStyle = css("--soft");
    word("least log loss", clamp(x(best[1]), LEFT + 42, width - 46), y(0.06), "center");
  };

  // ---- controls --------------------------------------------------------------------------------
  const panels = ["Click rate against prediction in each bin, with the diagonal",
    "Surplus against the offset at this slope, with the present offset marked"].map((text) =>
    make("canvas", { role: "img", "aria-label": text }));
  const knob = (name, change) => {
    const it = range(name, () => { change(Number(it.value)); show(); }, () => show(true));
    const text = make("span", { class: "fr-readout", "aria-hidden": true });
    return { it, text, row: make("label", {}, name, it, text) };
  };
  const knobs = { slope: knob("slope a", (k) => { slope = k; }),
    offset: knob("offset b", (k) => { offset = k; }), bins: knob("bins", (k) => { bins = k; }) };
  knobs.bins.it.min = meta.bins[0];
  const jump = (text, a, b) => toggle(text, () => { [slope, offset] = [a, b]; show(true); });
  const fitted = [nearest(meta.slopes, meta.fitted[0]), nearest(meta.offsets, meta.fitted[1])];
  const buttons = [jump("as trained", ...plain), jump("least log loss", ...fitted)];
  const status = make("p", { class: "fr-text", role: "status" }), said = make("div");

  const show = (settled = false) => {
    const a = value(meta.slopes, slope), b = value(meta.offsets, offset);
    const now = measured(a, b), then = measured(1, 0);
    diagram(now);
    curve(now);
    setRange(knobs.slope.it, slope, places(meta.slopes), `slope ${number(a)}`);
    setRange(knobs.offset.it, offset, places(meta.offsets), `offset ${number(b)}`);
    setRange(knobs.bins.it, bins, meta.bins[1], `${bins} bins`);
    knobs.slope.text.textContent = number(a);
    knobs.offset.text.textContent = number(b);
    knobs.bins.text.textContent = bins;
    buttons.forEach((it, i) => it.setAttribute("aria-pressed",
      String([slope, offset]) === String([plain, fitted][i])));
    const row = (name, key, digits) => [name, number(then[key], digits), number(now[key], digits)];
    said.replaceChildren(table("fr-scores", ["", "as trained", "now"], [
      row("AUC", "auc", 4), row("log loss", "loss", 4), row("calibration error", "ece", 4),
      row("its floor, if this were true", "floor", 4), row("mean predicted", "mean", 4),
      ["clicked", number(clicks / N, 4), number(clicks / N, 4)],
      row("share of the possible surplus", "surplus", 3)]));
    status.setAttribute("aria-live", settled ? "polite" : "off");
    status.textContent = `slope ${number(a)} \u00b7 offset ${number(b)} \u00b7 ${bins} bins \u00b7 `
      + `surplus ${number(100 * now.surplus, 0)} % of what the truth would earn`;
    // position: what every kind says, so that a test knows when it is drawn.
    Object.assign(figure.dataset, { slope: a.toFixed(2), offset: b.toFixed(2), bins, auc: now.auc,
      loss: now.loss, ece: now.ece, floor: now.floor, mean: now.mean, surplus: now.surplus,
      position: b.toFixed(2) });
  };

  const titles = ["said and done", "what it earns"];
  live.append(
    make("div", { class: "fr-row" }, group("choice", "line", ...buttons)),
    make("div", { class: "fr-sliders" }, ...Object.values(knobs).map(({ row }) => row)),
    make("div", { class: "fr-calibration" }, ...panels.map((it, i) => make("div", { class: "fr-panel" },
      make("div", { class: "fr-head" }, make("b", {}, titles[i])), it))),
    status, said,
    make("p", {}, "Both axes of the first panel are stretched near zero (roots). Vertical strokes are "
      + "the gaps that the calibration error averages. The upright line in the second panel is the "
      + "offset of the least log loss at this slope."));
  return show;
});
