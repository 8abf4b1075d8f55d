// Particles and a deforming grid over frames, with the density beside them.
// The figure's dataset says what is shown: position, run, level, mean, std, picked, x, y, playing.

const INKS = ["--ink", "--a", "--b", "--c", "--d", "--noise"];
const LEFT = 28, RIGHT = 6, TOP = 6, BOTTOM = 20;

enliven("particles", (figure, live, meta, arrays) => {
  const { extent: [x0, x1, y0, y1], clock: [word, first, last], steps, labels, runs } = meta;
  const fine = steps * (steps > 16 ? 4 : 20), named = labels.length > 0, near = 1e-6;
  const levelOf = runs.map((r) => r.levels.length - 1), shown = meta.show;
  let now = 0, at = runs[0].back ? 1 : 0, picked = meta.follow, playing = 0, ticket = 0, peak = 0;
  const run = () => runs[now], level = () => run().levels[levelOf[now]];
  const paths = () => arrays[level().points];

  // ---- data: an array is [coordinate][frame][...] ----------------------------------------------
  const frame = (count) => {
    const f = at * (count - 1), k = Math.min(Math.floor(f), Math.max(count - 2, 0));
    return [k, f - k];
  };
  const blend = ({ shape: [, K], data }) => {
    const size = data.length / 2 / K, [k, s] = frame(K);
    return [0, 1].map((c) => data.subarray((c * K + k) * size, (c * K + k + 1) * size)
      .map((v, i) => v + s * (data[(c * K + k + 1) * size + i] - v)));
  };
  const way = (i) => {
    const { shape: [, K, n], data } = paths();
    return Array.from({ length: K }, (_, k) => [data[k * n + i], data[(K + k) * n + i]]);
  };
  const moments = (values) => {
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const sum = values.reduce((a, b) => a + (b - mean) ** 2, 0);
    return [mean, Math.sqrt(sum / Math.max(values.length - 1, 1))];
  };
  const groups = () => (run().group === null ? null : arrays[run().group].data);
  const groupOf = (i) => (groups() ? groups()[i] + 1 : 0);
  const css = (name) => getComputedStyle(figure).getPropertyValue(name);
  const ink = (group) => css(INKS[group && (group - 1) % 5 + 1]);

  // ---- pictures --------------------------------------------------------------------------------
  const aspect = (width) =>
    Math.round((width - LEFT - RIGHT) * (y1 - y0) / (x1 - x0)) + TOP + BOTTOM;
  let g, width, height;
  const toX = (x) => LEFT + (x - x0) / (x1 - x0) * (width - LEFT - RIGHT);
  const toY = (y) => height - BOTTOM - (y - y0) / (y1 - y0) * (height - TOP - BOTTOM);
  const line = (points) => {
    g.beginPath();
    points.forEach(([x, y]) => g.lineTo(toX(x), toY(y)));
    g.stroke();
  };
  const disc = (x, y, radius) => {
    g.moveTo(toX(x) + radius, toY(y));
    g.arc(toX(x), toY(y), radius, 0, 7);
  };
  const pen = (stroke, thick = 1, alpha = 1) =>
    Object.assign(g, { strokeStyle: stroke, lineWidth: thick, globalAlpha: alpha });

  // Axes with ticks at round numbers, and inside them whatever `paint` paints.
  const plot = (canvas, paint) => {
    [g, width, height] = begin(canvas, aspect);
    const span = Math.max(x1 - x0, y1 - y0);
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find((s) => span / s <= 7) || span / 5;
    g.font = "11px system-ui, sans-serif";
    g.fillStyle = css("--soft");
    g.lineJoin = g.lineCap = "round";
    pen(css("--rule"));
    const ticks = (low, high, mark) => {
      for (let i = Math.ceil(low / step - near); i * step <= high + near; i++)
        mark(i * step, number(i * step, step < 1 ? 1 : 0));
    };
    g.textAlign = "center";
    ticks(x0, x1, (x, text) => {
      g.fillText(text, toX(x), height - 5);
      line([[x, y0], [x, x ? y0 - span * 0.01 : y1]]);
    });
    g.textAlign = "right";
    ticks(y0, y1, (y, text) => {
      g.fillText(text, LEFT - 6, toY(y) + 4);
      line([[x0, y], [y ? x0 - span * 0.01 : x1, y]]);
    });
    g.save();
    g.beginPath();
    g.rect(LEFT, TOP, width - LEFT - RIGHT, height - TOP - BOTTOM);
    g.clip();
    paint();
    g.restore();
    pen(css("--edge"));
    line([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]);
  };

  // The grid is [family][line][point]; every second cell between its lines is shaded.
  const paintGrid = () => {
    const array = arrays[run().grid], [, , , L, P] = array.shape, m = (P - 1) / (L - 1);
    const [xs, ys] = blend(array);
    // Along a line from point to point, by a cubic whose slopes are those of the neighbours.
    const go = (family, l, from, to) => {
      const base = (family * L + l) * P, step = Math.sign(to - from);
      const place = (p) => {
        const i = base + Math.min(Math.max(p, 0), P - 1);
        return [toX(xs[i]), toY(ys[i])];
      };
      for (let p = from; p !== to; p += step) {
        const [a, b, c, d] = [-step, 0, step, 2 * step].map((i) => place(p + i));
        g.bezierCurveTo(...[0, 1].map((j) => b[j] + (c[j] - a[j]) / 6),
          ...[0, 1].map((j) => c[j] - (d[j] - b[j]) / 6), ...c);
      }
    };
    const start = (i) => g.moveTo(toX(xs[i]), toY(ys[i]));
    g.fillStyle = css("--cell");
    g.beginPath();
    for (let r = 0; r < L - 1; r++)
      for (let c = r % 2; c < L - 1; c += 2) {
        start(r * P + c * m);
        go(0, r, c * m, (c + 1) * m);
        go(1, c + 1, r * m, (r + 1) * m);
        go(0, r + 1, (c + 1) * m, c * m);
        go(1, c, (r + 1) * m, r * m);
      }
    g.fill();
    pen(css("--line"));
    for (let l = 0; l < 2 * L; l++) {
      g.beginPath();
      start(l * P);
      go(0, l, 0, P - 1);
      g.stroke();
    }
  };
  const paintTrails = () => {
    const n = paths().shape[2];
    for (let i = 0; i < n; i++) {
      pen(ink(groupOf(i)), 1, Math.min(0.6, 70 / n));
      line(way(i));
    }
    g.globalAlpha = 1;
  };
  const paintParticles = () => {
    const [xs, ys] = blend(paths()), all = [...new Set(Array.from(xs, (_, i) => groupOf(i)))];
    // Halos first, so that none hides a particle.
    for (const halo of [true, false])
      for (const group of all) {
        g.beginPath();
        xs.forEach((x, i) => groupOf(i) === group && disc(x, ys[i], width < 300 ? 2.3 : 2.8));
        pen(css("--paper"), 1.5);
        g.fillStyle = ink(group);
        if (halo) g.stroke(); else g.fill();
      }
  };
  // The particle that is followed: all its way faint, the way up to here strong.
  const paintPicked = (stroke, paper, whole) => {
    if (picked === null) return;
    const all = way(picked), [k, s] = frame(all.length), [xs, ys] = blend(paths());
    const here = [xs[picked], ys[picked]];
    if (whole) {
      pen(paper, 4, 0.6);
      line(all);
      pen(stroke, 1.2, 0.6);
      line(all);
      pen(stroke, 2.4);
      line(run().back ? [here, ...all.slice(k + 1)] : [...all.slice(0, k + 1), here]);
      g.fillStyle = stroke;
      g.beginPath();
      if (all.length <= 14) all.forEach(([x, y]) => disc(x, y, 2.6));
      g.fill();
    }
    g.beginPath();
    disc(...here, 6.5);
    pen(paper, 5);
    g.stroke();
    pen(stroke, 2);
    g.stroke();
    g.fillStyle = ink(groupOf(picked));
    if (whole) g.fill();
  };

  // ---- density ---------------------------------------------------------------------------------
  const ramp = meta.ramp.match(/.{6}/g).map((hex) => [0, 2, 4].map((i) =>
    parseInt(hex.slice(i, i + 2), 16)));
  const tint = Array.from({ length: 256 }, (_, i) => {
    const f = i / 255 * (ramp.length - 1), k = Math.min(Math.floor(f), ramp.length - 2);
    return ramp[k].map((c, j) => Math.round(c + (f - k) * (ramp[k + 1][j] - c)));
  });
  // Between cells: Mitchell and Netravali's cubic on the roots of the density, rows then columns.
  const GROW = 3, small = document.createElement("canvas");
  const grow = (data, rows, columns) => {
    const out = new Float32Array(rows * columns * GROW);
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns * GROW; c++) {
        const f = (c + 0.5) / GROW - 0.5, k = Math.floor(f);
        for (let i = k - 1; i < k + 3; i++) {
          const x = Math.abs(f - i), inner = (7 * x - 12) * x * x + 16 / 3;
          out[c * rows + r] += data[r * columns + Math.min(Math.max(i, 0), columns - 1)] / 6
            * (x < 1 ? inner : ((12 - 7 / 3 * x) * x - 20) * x + 32 / 3);
        }
      }
    return out;
  };
  const surface = (array, k) => {
    const [K, H, W] = array.shape, known = array.known || (array.known = []);
    if (k < K && !known[k]) {
      const root = array.data.subarray(k * H * W, (k + 1) * H * W);
      known[k] = grow(grow(root, H, W), W * GROW, H).map((v) => Math.max(v, 0) / 127);
      known[k].most = Math.max(...root) / 127;
    }
    return known[k];
  };
  // Value at (u, v) in [0, 1] x [0, 1] of rows x columns of cells from `from` on.
  const lookup = (data, from, rows, columns, u, v) => {
    const x = Math.min(Math.max(u * columns - 0.5, 0), columns - 1);
    const y = Math.min(Math.max(v * rows - 0.5, 0), rows - 1);
    const c = Math.min(x | 0, columns - 2), r = Math.min(y | 0, rows - 2), s = x - c, t = y - r;
    const i = from + r * columns + c, j = i + columns;
    return (1 - t) * ((1 - s) * data[i] + s * data[i + 1])
      + t * ((1 - s) * data[j] + s * data[j + 1]);
  };
  const paintHeat = () => {
    if (level().heat === null) return;
    const array = arrays[level().heat], [K, H, W] = array.shape, [k, s] = frame(K);
    const rows = H * GROW, columns = W * GROW, low = surface(array, k), high = surface(array, k + 1);
    const field = meta.moves === null ? null : arrays[meta.moves];
    Object.assign(small, { width: columns, height: rows });
    const image = small.getContext("2d").createImageData(columns, rows);
    const inside = (u) => u >= 0 && u <= 1;
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++) {
        const u = (c + 0.5) / columns, v = (r + 0.5) / rows;
        let a = u, b = v, p = 0, q = 0;
        // Where did this place come from? Solve place = from + s * move(from).
        if (field && s > near)
          for (let i = 0; i < 3; i++) {
            const [, M, h, w] = field.shape, n = h * w;
            p = lookup(field.data, k * n, h, w, a, b) / (x1 - x0);
            q = lookup(field.data, (M + k) * n, h, w, a, b) / (y1 - y0);
            a = u - s * p;
            b = v - s * q;
          }
        const known = [inside(a) && inside(b), high && s > near && inside(a + p) && inside(b + q)];
        const before = known[0] || !known[1] ? lookup(low, 0, rows, columns, a, b) : 0;
        const after = known[1] ? lookup(high, 0, rows, columns, a + p, b + q) : 0;
        const share = known[0] && known[1] ? s : Number(known[1]);
        const root = Math.sqrt((1 - share) * before ** 2 + share * after ** 2);
        const i = ((rows - 1 - r) * columns + c) * 4, t = tint[Math.min(Math.round(root * 255), 255)];
        image.data[i] = t[0];
        image.data[i + 1] = t[1];
        image.data[i + 2] = t[2];
        image.data[i + 3] = 255;
      }
    peak = array.most * ((1 - s) * low.most ** 2 + s * (high || low).most ** 2);
    small.getContext("2d").putImageData(image, 0, 0);
    g.imageSmoothingQuality = "high";
    g.drawImage(small, LEFT, TOP, width - LEFT - RIGHT, height - TOP - BOTTOM);
    paintPicked("#fff", "rgba(0,0,0,.6)", false);
  };

  // ---- motion ----------------------------------------------------------------------------------
  const nearest = (direction) => {
    const f = at * steps;
    const k = direction > 0 ? Math.floor(f + near) + 1 : Math.ceil(f - near) - 1;
    return Math.min(Math.max(k, 0), steps) / steps;
  };
  const rest = () => { playing = 0; ticket++; show(true); };
  const play = (direction) => {
    if (playing === direction) { rest(); return; }
    if (nearest(direction) === at) at = direction > 0 ? 0 : 1;
    // `phase` runs evenly; where frames are named each step starts and ends gently.
    const whole = Math.floor(at * steps + near), part = Math.max(at * steps - whole, 0);
    let phase = whole + (named ? 0.5 - Math.sin(Math.asin(1 - 2 * part) / 3) : part);
    let before = 0;
    const mine = ++ticket;
    playing = direction;
    const tick = (time) => {
      if (mine !== ticket) return;
      const passed = before ? Math.min((time - before) / 1000, 0.1) : 0, k = Math.floor(phase);
      before = time;
      phase = Math.min(Math.max(phase + direction * passed * steps / meta.seconds, 0), steps);
      const s = phase - Math.floor(phase);
      const gentle = named ? Math.floor(phase) + s * s * (3 - 2 * s) : phase;
      // Who asked for less motion sees the frames one after another, nothing between them.
      at = (calm() ? (direction > 0 ? Math.floor : Math.ceil)(phase + near * direction) : gentle)
        / steps;
      if (!figure.isConnected || (direction > 0 ? phase >= steps : phase <= 0)) { rest(); return; }
      show();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    show();
  };
  const choose = (i) => {
    if (at === 0 || at === 1) at = runs[i].back ? 1 : 0;
    now = i;
    if (picked >= paths().shape[2]) picked = null;
    rest();
  };

  // ---- picking ---------------------------------------------------------------------------------
  const pick = (i) => { if (i !== picked) { picked = i; show(true); } };
  const under = (event, reach) => {
    const box = cloud.getBoundingClientRect(), [xs, ys] = blend(paths());
    [width, height] = [box.width, box.height];
    const far = Array.from(xs, (x, i) =>
      Math.hypot(toX(x) - event.clientX + box.left, toY(ys[i]) - event.clientY + box.top));
    const least = Math.min(...far);
    return least < reach ? far.indexOf(least) : null;
  };
  const onpointermove = (event) => {
    const i = event.pointerType === "touch" || playing ? null : under(event, 10);
    if (i !== null) pick(i);
  };
  const onkeydown = (event) => {
    const to = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.key === "Escape") pick(null);
    if (!to) return;
    event.preventDefault();
    const [xs, ys] = blend(paths()), none = picked === null;
    const from = none ? [(x0 + x1) / 2, (y0 + y1) / 2] : [xs[picked], ys[picked]];
    const cost = Array.from(xs, (x, i) => {
      const a = x - from[0], b = ys[i] - from[1], along = a * to[0] + b * to[1];
      if (none) return Math.hypot(a, b);
      return along > 0 ? along + 2 * Math.abs(a * to[1] - b * to[0]) : Infinity;
    });
    const least = Math.min(...cost);
    if (least < Infinity) pick(cost.indexOf(least));
  };

  // ---- controls --------------------------------------------------------------------------------
  const hop = (direction) => () => { at = nearest(direction); rest(); };

  const rewind = button("Play backwards", "back", () => play(-1));
  const forward = button("Play forwards", "play", () => play(1));
  const buttons = group("buttons", "play", rewind, button(`One ${word} back`, "prev", hop(-1)),
    button(`One ${word} forward`, "next", hop(1)), forward);
  const slider = range(word, () => { playing = 0; ticket++; at = slider.value / fine; show(); }, rest);
  const readout = make("span", { class: "fr-readout", "aria-hidden": true });
  const ticks = make("div", { class: "fr-ticks", "aria-hidden": true });
  const sources = runs.map((r, i) => toggle(r.name, () => choose(i)));
  const knob = range(meta.knob, () => { levelOf[now] = Number(knob.value); show(); }, rest);
  const knobText = make("span", { class: "fr-readout", "aria-hidden": true });
  const knobs = make("div", { class: "fr-knob" }, meta.knob, knob, knobText);
  const toggles = Object.keys(shown).map((what) =>
    toggle(what, () => { shown[what] = !shown[what]; show(true); }));
  const legend = make("span", { class: "fr-legend" });
  const scale = make("span", { class: "fr-scale" });
  const status = make("p", { class: "fr-status", role: "status" });
  const who = make("p", { class: "fr-who", role: "status" });
  const steps9 = make("div", { class: "fr-chips" });
  const cloud = make("canvas", { class: "fr-cloud", tabindex: 0, role: "application", onkeydown,
    onpointermove, onclick: (event) => pick(under(event, 24)),
    "aria-label": `${meta.titles[0]}: arrow keys go from particle to particle, Escape lets go` });
  const heat = runs.some((r) => r.levels.some((l) => l.heat !== null))
    ? make("canvas", { class: "fr-heat", role: "img" }) : null;
  const panel = (title, extra, picture) => make("div", { class: "fr-panel" },
    make("div", { class: "fr-head" }, make("b", {}, title), extra), picture);

  // ---- words -----------------------------------------------------------------------------------
  const clock = (share) => first + (last - first) * share;
  const pair = (a, b) => `(${number(a)}, ${number(b)})`;
  const tell = (settled) => {
    const [xs, ys] = blend(paths()), [mx, sx] = moments(xs), [my, sy] = moments(ys);
    const f = at * steps, k = Math.round(f), time = clock(at), name = level().name;
    const whole = named && Math.abs(f - k) < near, moment = `${word} ${number(time, whole ? 0 : 2)}`;
    let place = moment;
    if (whole) place += `: ${labels[k]}`;
    else if (named) place += `: ${labels[Math.floor(f)]} \u2192 ${labels[Math.ceil(f)]}`;
    const words = [place, run().name, `${xs.length} particles`, `mean ${pair(mx, my)}`,
      `standard deviation ${pair(sx, sy)}`];
    if (name) words.splice(2, 0, `${meta.knob} ${name}`);
    if (heat) words.push(`density up to ${number(peak)}`);
    setRange(slider, Math.round(at * fine), fine, place);
    readout.textContent = `${word} ${number(time)}`;
    status.setAttribute("aria-live", settled ? "polite" : "off");
    status.textContent = words.join(" \u00b7 ");
    if (heat) heat.setAttribute("aria-label", `${meta.titles[1]}, ${place}`);
    const it = picked === null ? ["", "", ""] : [picked, xs[picked], ys[picked]];
    Object.assign(figure.dataset, { position: time.toFixed(3), run: run().name, level: name, playing,
      mean: [mx, my], std: [sx, sy], picked: it[0], x: it[1], y: it[2] });
    follow(xs, ys, settled);
  };
  const follow = (xs, ys, settled) => {
    who.setAttribute("aria-live", settled ? "polite" : "off");
    if (picked === null) {
      who.textContent = `Point at a particle, or tap it, to follow it from ${word} to ${word}.`;
      steps9.replaceChildren();
      return;
    }
    const all = way(picked), K = all.length, most = Math.min(K, 13) - 1;
    const chosen = K > 13 ? [0, 1, 2, 3, 4, 5, 6, 7, 8].map((i) => Math.round(i * (K - 1) / 8))
      : all.map((_, k) => k);
    const [here] = [...chosen].sort((a, b) => Math.abs(a - at * (K - 1)) - Math.abs(b - at * (K - 1)));
    const kind = groups() ? `, ${meta.names[groupOf(picked) - 1]}` : "";
    who.textContent = `particle ${picked}${kind}, now at ${pair(xs[picked], ys[picked])}`;
    const chip = (kinds, ...cells) => make("span", { class: kinds },
      ...cells.map(([text, moved]) => make(moved ? "b" : "span", {}, text)));
    steps9.replaceChildren(chip("fr-axis", [word], ["\u2192"], ["\u2191"]), ...chosen.map((k, i) => {
      const was = all[i ? chosen[i - 1] : k], time = clock(k / (K - 1));
      return chip(k === here ? "fr-now" : "", [named ? String(time) : number(time)],
        ...[0, 1].map((c) => [number(all[k][c]), Math.abs(all[k][c] - was[c]) > near]));
    }));
  };

  // ---- all of it -------------------------------------------------------------------------------
  const show = (settled = false) => {
    plot(cloud, () => {
      if (shown.grid && run().grid !== null) paintGrid();
      if (shown.trails) paintTrails();
      if (shown.particles) paintParticles();
      paintPicked(css("--ink"), css("--paper"), true);
    });
    if (heat) plot(heat, paintHeat);
    for (const [it, way, name, label] of
      [[rewind, -1, "back", "Play backwards"], [forward, 1, "play", "Play forwards"]]) {
      const text = playing === way ? "Pause" : label;
      if (it.title !== text || !it.firstChild) {
        it.replaceChildren(icon(playing === way ? "pause" : name));
        it.setAttribute("aria-label", it.title = text);
      }
      it.classList.toggle("fr-main", way < 0 === run().back);
    }
    sources.forEach((it, i) => it.setAttribute("aria-pressed", i === now));
    toggles.forEach((it) => it.setAttribute("aria-pressed", shown[it.textContent]));
    const count = run().levels.length - 1, text = level().name;
    knobs.hidden = !count;
    setRange(knob, levelOf[now], Math.max(count, 1), text);
    knobText.textContent = text;
    legend.replaceChildren(...[...new Set(groups())].sort().map((i) =>
      make("span", { style: `--dot:var(${INKS[i % 5 + 1]})` }, meta.names[i])));
    if (heat && level().heat !== null) {
      const { most } = arrays[level().heat];
      const stops = tint.map((c) => `rgb(${c})`).filter((_, i) => i % 17 === 0);
      const bar = (a, b) =>
        make("i", { style: `background:linear-gradient(90deg,${stops.slice(a, b)})` });
      scale.replaceChildren("0", bar(0, 9), number(most / 4), bar(8), number(most));
    }
    tell(settled);
  };

  const marks = steps > 12 ? 4 : steps;
  for (let i = 0; i <= marks; i++)
    ticks.append(make("span", {}, number(clock(i / marks), named ? 0 : 2)));
  const choice = make("div", { class: "fr-row fr-top" });
  if (runs.length > 1) choice.append(group("choice", "what is shown", ...sources));
  if (runs.some((r) => r.levels.length > 1)) choice.append(knobs);
  if (choice.firstChild) live.append(choice);
  live.append(
    make("div", { class: "fr-row" }, buttons, make("div", { class: "fr-track" }, slider, ticks), readout),
    make("div", { class: "fr-panels" }, panel(meta.titles[0], legend, cloud)),
    make("div", { class: "fr-row" }, group("choice", "show", ...toggles), status),
    make("div", { class: "fr-follow" }, who, steps9));
  if (heat) live.querySelector(".fr-panels").append(panel(meta.titles[1], scale, heat));
  return show;
});
