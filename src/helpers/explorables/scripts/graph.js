// A search on a layered graph, run here: greedy in the upper layers, a beam of ef in the lowest.
// The dataset says what is shown: position, hop, hops, layer, ef, x, y, seen, node, found, right, playing.

enliven("graph", (figure, live, meta, arrays) => {
  const { extent: [low, high], k, efs } = meta, FINE = 1000, SECONDS = 0.3;
  const { shape: [, , n], data: flat } = arrays[meta.points];
  const at = Array.from({ length: n }, (_, i) => [flat[i], flat[n + i]]);
  const layers = meta.layers.map(({ ids, links, width }) => {
    const rows = new Map(), all = arrays[links].data;
    arrays[ids].data.forEach((id, i) =>
      rows.set(id, [...all.slice(i * width, (i + 1) * width)].filter((j) => j < n)));
    return rows;
  });
  let width = meta.ef, query = [...meta.query], truth = true, trip;
  const css = (name) => getComputedStyle(figure).getPropertyValue(name);
  const away = (i) => (at[i][0] - query[0]) ** 2 + (at[i][1] - query[1]) ** 2;

  // ---- the search: a list of hops, each with what it opened and what it saw for the first time ---
  const search = (ef) => {
    const hops = [];
    let entry = meta.entry, pool = [];
    for (let layer = layers.length - 1; layer >= 0; layer--) {
      const most = layer ? 1 : ef, seen = new Set([entry]), from = entry;
      let next = entry, first = true;
      pool = [{ id: entry, d: away(entry), open: false }];
      while (next !== undefined) {
        pool.find(({ id }) => id === next).open = true;
        const fresh = layers[layer].get(next).filter((j) => !seen.has(j));
        fresh.forEach((j) => seen.add(j));
        pool.push(...fresh.map((id) => ({ id, d: away(id), open: false })));
        pool.sort((a, b) => a.d - b.d);
        pool.length = Math.min(pool.length, most);
        hops.push({ layer, node: next, fresh: first ? [from, ...fresh] : fresh, best: pool.map((p) => p.id) });
        first = false;
        next = (pool.find((p) => !p.open) || {}).id;
      }
      entry = pool[0].id;
    }
    const near = [...at.keys()].sort((a, b) => away(a) - away(b)).slice(0, k);
    return { hops, near };
  };
  const again = () => { trip = search(efs[width]); };

  // ---- pictures --------------------------------------------------------------------------------
  const hop = () => Math.round(clock.at * trip.hops.length);
  const draw = (layer, canvas) => {
    const [g, W, H] = begin(canvas, (wide) => Math.round(clamp(wide, 180, 380)));
    const spot = ([x, y]) => [(x - low) / (high - low) * W, (high - y) / (high - low) * H];
    const line = (points, colour, thick, alpha = 1) => {
      Object.assign(g, { strokeStyle: colour, lineWidth: thick, globalAlpha: alpha });
      g.beginPath();
      points.forEach((p) => g.lineTo(...spot(p)));
      g.stroke();
    };
    const dot = (p, radius, fill, ring) => {
      g.globalAlpha = 1;
      g.beginPath();
      g.arc(...spot(p), radius, 0, 7);
      if (fill) { g.fillStyle = fill; g.fill(); }
      if (ring) { Object.assign(g, { strokeStyle: ring, lineWidth: 2 }); g.stroke(); }
    };
    g.lineJoin = g.lineCap = "round";
    const done = trip.hops.slice(0, hop()).filter((h) => h.layer === layer);
    for (const [id, row] of layers[layer])
      for (const j of row) if (j > id || !layers[layer].get(j).includes(id)) line([at[id], at[j]], css("--line"), 0.8, 0.6);
    const seen = new Set(done.flatMap((h) => h.fresh)), opened = done.map((h) => h.node);
    for (const node of opened)
      for (const j of layers[layer].get(node)) line([at[node], at[j]], css("--a"), 1.2, 0.55);
    // how each opened vector was reached: from the first opened that is tied to it
    for (const node of opened.slice(1)) {
      const from = opened.find((other) => layers[layer].get(other).includes(node));
      if (from !== undefined) line([at[from], at[node]], css("--b"), 2.6);
    }
    for (const id of layers[layer].keys()) dot(at[id], 2.3, css(seen.has(id) ? "--a" : "--noise"));
    if (truth) for (const id of trip.near) if (layers[layer].has(id)) dot(at[id], 6, null, css("--c"));
    for (const node of opened) dot(at[node], 3.6, css("--b"));
    const last = trip.hops[hop() - 1];
    if (last && last.layer === layer) dot(at[last.node], 7, null, css("--b"));
    const [x, y] = spot(query);
    g.beginPath();
    for (let i = 0; i < 10; i++) {
      const r = i % 2 ? 4 : 9, a = Math.PI * (i / 5 - 0.5);
      g.lineTo(x + r * Math.cos(a), y + r * Math.sin(a));
    }
    g.closePath();
    Object.assign(g, { fillStyle: css("--ink"), strokeStyle: css("--paper"), lineWidth: 1.5, globalAlpha: 1 });
    g.fill();
    g.stroke();
    Object.assign(g, { strokeStyle: css("--edge"), lineWidth: 1 });
    g.strokeRect(0.5, 0.5, W - 1, H - 1);
  };

  // ---- moving the query ------------------------------------------------------------------------
  const move = (x, y) => {
    query = [clamp(x, low, high), clamp(y, low, high)];
    again();
    clock.go(1, true);
  };
  const tap = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    move(low + (event.clientX - box.left) / box.width * (high - low),
      high - (event.clientY - box.top) / box.height * (high - low));
  };
  const onkeydown = (event) => {
    const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] || [];
    if (x === undefined) return;
    event.preventDefault();
    move(query[0] + x * (high - low) / 40, query[1] + y * (high - low) / 40);
  };

  // ---- controls --------------------------------------------------------------------------------
  again();
  const clock = player(figure, SECONDS * trip.hops.length, FINE, (settled) => show(settled));
  const step = (by) => clock.go((hop() + by) / trip.hops.length, true);
  const forward = playButton(clock, () => 1, "play", "Play, from the entry to the end");
  forward.classList.add("fr-main");
  const back = button("One hop back", "prev", () => step(-1));
  const on = button("One hop on", "next", () => step(1));
  const slider = range("hop", () => clock.go(slider.value / trip.hops.length), () => clock.rest());
  const readout = make("span", { class: "fr-readout", "aria-hidden": true });
  const choose = (settled) => { width = Number(knob.value); again(); clock.go(1, settled); };
  const knob = range("ef", () => choose(), () => choose(true));
  const knobText = make("span", { class: "fr-readout", "aria-hidden": true });
  const ring = toggle(`the ${k} nearest`, () => { truth = !truth; show(true); });
  const status = make("p", { class: "fr-text", role: "status" });
  const canvases = layers.map((_, layer) => make("canvas", { tabindex: 0, role: "application",
    onclick: tap, onkeydown, "aria-label": `layer ${layer}: the arrow keys move the query` }));

  const show = (settled = false) => {
    const { hops, near } = trip, h = hop(), done = hops.slice(0, h), last = done[h - 1];
    canvases.forEach((canvas, layer) => draw(layer, canvas));
    forward.update();
    back.disabled = h === 0;
    on.disabled = h === hops.length;
    setRange(slider, h, hops.length, `hop ${h} of ${hops.length}`);
    readout.textContent = `hop ${h}`;
    setRange(knob, width, Math.max(efs.length - 1, 1), efs[width]);
    knobText.textContent = efs[width];
    ring.setAttribute("aria-pressed", truth);
    const seen = done.reduce((sum, { fresh }) => sum + fresh.length, 0);
    const bottom = last && last.layer === 0 ? last.best.slice(0, k) : [];
    const right = bottom.filter((id) => near.includes(id)).length;
    const where = last ? `layer ${last.layer}` : `at the entry, layer ${layers.length - 1}`;
    status.setAttribute("aria-live", settled ? "polite" : "off");
    status.textContent = [where, `hop ${h} of ${hops.length}`, `${seen} distances, of ${n} vectors`,
      `${right} of the ${k} nearest in hand`].join(" \u00b7 ");
    Object.assign(figure.dataset, { position: clock.at.toFixed(3), hop: h, hops: hops.length, layer: last ? last.layer : "", ef: efs[width],
      x: query[0], y: query[1], seen, node: last ? last.node : "", found: bottom.join(" "), right,
      playing: clock.playing });
  };

  const key = (name, text) => make("span", { style: `--mark: var(${name})` }, text);
  live.append(
    make("div", { class: "fr-row" }, group("buttons", "hops", back, forward, on),
      make("div", { class: "fr-track" }, slider), readout),
    make("div", { class: "fr-row" }, make("div", { class: "fr-knob" }, "ef", knob, knobText), ring),
    make("div", { class: "fr-layers" }, ...[...layers.keys()].reverse().map((layer) =>
      make("div", { class: "fr-panel" }, make("div", { class: "fr-head" },
        make("b", {}, `layer ${layer}`), make("span", {}, `${layers[layer].size} of ${n}`)), canvases[layer]))),
    make("div", { class: "fr-key", "aria-hidden": true }, key("--b", "opened, and the way there"),
      key("--a", "compared"), key("--c", "truly nearest"), key("--noise", "never looked at")),
    status, make("p", {}, "Tap anywhere to move the query, the star."));
  return show;
});
