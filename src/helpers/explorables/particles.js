// Particles and a deforming grid over frames, with the density beside them.
// A figure tells what it shows in its dataset: position, run, level, mean, std, picked, x, y.

const PALETTE = ["--a", "--b", "--c", "--d", "--noise"];
const ICONS = {
  back: "M15 4 5 10l10 6z", play: "M5 4l10 6-10 6z", pause: "M5 4h3.5v12H5zM11.5 4H15v12h-3.5z",
  prev: "M12.5 4 6.5 10l6 6", next: "M7.5 4l6 6-6 6",
};
const MARGIN = { left: 28, right: 6, top: 6, bottom: 20 };

enliven("particles", (figure, meta, arrays) => {
  const [x0, x1, y0, y1] = meta.extent, [word, first, last] = meta.clock;
  const frames = meta.steps, stops = frames * Math.ceil(160 / frames);
  const state = {
    run: 0, levels: meta.runs.map((run) => run.levels.length - 1), at: 0, playing: 0,
    show: { ...meta.show }, picked: meta.follow,
  };
  const run = () => meta.runs[state.run];
  const level = () => run().levels[state.levels[state.run]];
  const clockAt = (at) => first + (last - first) * at;
  const discrete = meta.labels.length > 0;

  // ---- data ------------------------------------------------------------------------------------
  // Value of an array of frames between two of them: linear, which is exact for a shear.
  const blend = (array, at) => {
    const [, K] = array.shape, plane = array.data.length / 2 / K;
    const f = at * (K - 1), k = Math.min(Math.floor(f), K - 2), s = f - k, out = [];
    for (const c of [0, 1]) {
      const low = array.data.subarray((c * K + k) * plane, (c * K + k + 1) * plane);
      const high = array.data.subarray((c * K + k + 1) * plane, (c * K + k + 2) * plane);
      out.push(low.map((v, i) => v + s * (high[i] - v)));
    }
    return out;
  };
  const points = () => blend(arrays[level().points], state.at);
  const path = (i) => {
    const { shape: [, K, n], data } = arrays[level().points];
    return Array.from({ length: K }, (_, k) => [data[k * n + i], data[(K + k) * n + i]]);
  };
  const moments = (values) => {
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const sum = values.reduce((a, b) => a + (b - mean) ** 2, 0);
    return [mean, Math.sqrt(sum / Math.max(values.length - 1, 1))];
  };
  const groupOf = (i) => (run().group === null ? -1 : arrays[run().group].data[i]);
  const css = (name) => getComputedStyle(figure).getPropertyValue(name).trim();
  const colour = (group) => css(group < 0 ? "--ink" : PALETTE[group % PALETTE.length]);

  // ---- pictures --------------------------------------------------------------------------------
  const { left, right, top, bottom } = MARGIN;
  const aspect = (width) =>
    Math.round((width - left - right) * (y1 - y0) / (x1 - x0)) + top + bottom;
  const toX = (x, width) => left + (x - x0) / (x1 - x0) * (width - left - right);
  const toY = (y, height) => height - bottom - (y - y0) / (y1 - y0) * (height - top - bottom);

  const axes = (g, width, height, lines) => {
    const span = Math.max(x1 - x0, y1 - y0);
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find((s) => span / s <= 7) || span / 5;
    g.font = "11px system-ui, sans-serif";
    g.fillStyle = css("--soft");
    g.strokeStyle = css("--rule");
    g.lineWidth = 1;
    const line = (a, b, c, d) => { g.beginPath(); g.moveTo(a, b); g.lineTo(c, d); g.stroke(); };
    g.textAlign = "center";
    for (let i = Math.ceil(x0 / step); i * step <= x1 + 1e-9; i++) {
      const x = toX(i * step, width);
      if (lines && i === 0) line(x, top, x, height - bottom);
      line(x, height - bottom, x, height - bottom + 3);
      g.fillText(number(i * step, step < 1 ? 1 : 0), x, height - 4);
    }
    g.textAlign = "right";
    for (let i = Math.ceil(y0 / step); i * step <= y1 + 1e-9; i++) {
      const y = toY(i * step, height);
      if (lines && i === 0) line(left, y, width - right, y);
      line(left - 3, y, left, y);
      g.fillText(number(i * step, step < 1 ? 1 : 0), left - 6, y + 3.5);
    }
  };
  const inside = (g, width, height, paint) => {
    g.save();
    g.beginPath();
    g.rect(left, top, width - left - right, height - top - bottom);
    g.clip();
    paint();
    g.restore();
    g.strokeStyle = css("--edge");
    g.lineWidth = 1;
    g.strokeRect(left + 0.5, top + 0.5, width - left - right - 1, height - top - bottom - 1);
  };

  // Families of lines [c][family][line][point]; every second cell between them is shaded.
  const paintGrid = (g, width, height) => {
    const array = arrays[run().grid], [, , , L, P] = array.shape, m = (P - 1) / (L - 1);
    const [xs, ys] = blend(array, state.at);
    const go = (family, line, from, to, start) => {
      for (let p = from; from <= to ? p <= to : p >= to; p += from <= to ? 1 : -1) {
        const i = (family * L + line) * P + p, x = toX(xs[i], width), y = toY(ys[i], height);
        if (start && p === from) g.moveTo(x, y); else g.lineTo(x, y);
      }
    };
    g.fillStyle = css("--cell");
    g.beginPath();
    for (let r = 0; r < L - 1; r++)
      for (let c = r % 2; c < L - 1; c += 2) {
        go(0, r, c * m, (c + 1) * m, true);
        go(1, c + 1, r * m, (r + 1) * m);
        go(0, r + 1, (c + 1) * m, c * m);
        go(1, c, (r + 1) * m, r * m);
      }
    g.fill();
    g.lineWidth = 1;
    g.strokeStyle = css("--line");
    g.beginPath();
    for (const family of [0, 1]) for (let l = 0; l < L; l++) go(family, l, 0, P - 1, true);
    g.stroke();
  };

  const paintTrails = (g, width, height) => {
    const { shape: [, K, n], data } = arrays[level().points];
    g.globalAlpha = Math.min(0.6, 60 / n);
    g.lineWidth = 1;
    const colours = [-1, 0, 1, 2, 3, 4].map(colour);
    for (let i = 0; i < n; i++) {
      g.strokeStyle = colours[groupOf(i) + 1];
      g.beginPath();
      for (let k = 0; k < K; k++)
        g.lineTo(toX(data[k * n + i], width), toY(data[(K + k) * n + i], height));
      g.stroke();
    }
    g.globalAlpha = 1;
  };

  const paintParticles = (g, width, height) => {
    const [xs, ys] = points(), size = width < 260 ? 2.2 : 2.8;
    const groups = [...new Set(Array.from(xs, (_, i) => groupOf(i)))];
    for (const group of groups) {
      g.beginPath();
      xs.forEach((x, i) => {
        if (groupOf(i) !== group) return;
        const px = toX(x, width), py = toY(ys[i], height);
        g.moveTo(px + size, py);
        g.arc(px, py, size, 0, 7);
      });
      g.lineWidth = 1.6;
      g.strokeStyle = css("--paper");
      g.stroke();
      g.fillStyle = colour(group);
      g.fill();
    }
  };

  // The particle that is followed: its whole way faint, the way up to here strong.
  const paintPicked = (g, width, height, lineColour, paper, plain) => {
    if (state.picked === null) return;
    const way = path(state.picked), f = state.at * (way.length - 1), k = Math.floor(f + 1e-9);
    const [xs, ys] = points(), x = xs[state.picked], y = ys[state.picked];
    const place = ([a, b]) => [toX(a, width), toY(b, height)];
    const done = run().back ? way.slice(Math.ceil(f - 1e-9)).reverse() : way.slice(0, k + 1);
    const stroke = (list, thick, alpha) => {
      g.globalAlpha = alpha;
      g.lineWidth = thick;
      g.beginPath();
      list.forEach((p) => g.lineTo(...place(p)));
      g.stroke();
      g.globalAlpha = 1;
    };
    g.lineJoin = "round";
    if (!plain) {
      g.strokeStyle = paper;
      stroke(way, 4, 0.6);
      g.strokeStyle = lineColour;
      stroke(way, 1.2, 0.55);
      stroke([...done, [x, y]], 2.2, 1);
      g.fillStyle = lineColour;
      if (way.length <= 14)
        for (const p of way) {
          g.beginPath();
          g.arc(...place(p), 2.4, 0, 7);
          g.fill();
        }
    }
    g.beginPath();
    g.arc(...place([x, y]), 6.5, 0, 7);
    g.lineWidth = 4.5;
    g.strokeStyle = paper;
    g.stroke();
    g.lineWidth = 2;
    g.strokeStyle = lineColour;
    g.stroke();
    if (!plain) { g.fillStyle = colour(groupOf(state.picked)); g.fill(); }
  };

  const cloud = screen(aspect, {
    class: "fr-cloud", tabindex: 0, role: "application",
    "aria-label": `${meta.titles[0]}. Arrow keys go from particle to particle, Escape lets go.`,
  }, (g, width, height) => {
    axes(g, width, height, true);
    inside(g, width, height, () => {
      if (state.show.grid && run().grid !== null) paintGrid(g, width, height);
      if (state.show.trails) paintTrails(g, width, height);
      if (state.show.particles) paintParticles(g, width, height);
      paintPicked(g, width, height, css("--ink"), css("--paper"));
    });
  });

  const ramp = meta.ramp.match(/.{6}/g).map((hex) => [0, 2, 4].map((i) =>
    parseInt(hex.slice(i, i + 2), 16)));
  const rampAt = (v) => {
    const f = Math.min(Math.max(v, 0), 1) * (ramp.length - 1), k = Math.min(Math.floor(f), ramp.length - 2);
    return ramp[k].map((c, i) => c + (f - k) * (ramp[k + 1][i] - c));
  };
  const small = document.createElement("canvas");
  let peak = 0;
  const heat = !meta.runs.some((r) => r.levels.some((l) => l.heat !== null)) ? null
    : screen(aspect, { class: "fr-heat", role: "img" }, (g, width, height) => {
      axes(g, width, height, false);
      inside(g, width, height, () => {
        if (level().heat === null) return;
        const { shape: [K, H, W], most, data } = arrays[level().heat];
        const f = state.at * (K - 1), k = Math.min(Math.floor(f), Math.max(K - 2, 0)), s = f - k;
        const next = K > 1 ? k + 1 : k;
        small.width = W;
        small.height = H;
        const image = small.getContext("2d").createImageData(W, H);
        peak = 0;
        for (let r = 0; r < H; r++)
          for (let c = 0; c < W; c++) {
            const a = data[(k * H + r) * W + c] / 255, b = data[(next * H + r) * W + c] / 255;
            const v = (1 - s) * a * a + s * b * b, at = ((H - 1 - r) * W + c) * 4;
            peak = Math.max(peak, v * most);
            image.data.set([...rampAt(Math.sqrt(v)), 255], at);
          }
        small.getContext("2d").putImageData(image, 0, 0);
        g.imageSmoothingEnabled = true;
        g.imageSmoothingQuality = "high";
        g.drawImage(small, left, top, width - left - right, height - top - bottom);
        paintPicked(g, width, height, "#fff", "rgba(0,0,0,.55)", true);
      });
    });

  // ---- controls --------------------------------------------------------------------------------
  const icon = (name) => make("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" },
    make("path", { d: ICONS[name], class: /prev|next/.test(name) ? "fr-stroke" : "" }));
  const button = (label, name, click) =>
    make("button", { type: "button", "aria-label": label, title: label, onclick: click }, icon(name));
  const toggle = (text, on, click) => make("button", {
    type: "button", "aria-pressed": on, onclick: click }, text);

  const rewind = button("Play backwards", "back", () => play(-1));
  const forward = button("Play forwards", "play", () => play(1));
  const prev = button(`One ${word} back`, "prev", () => hop(-1));
  const next = button(`One ${word} forward`, "next", () => hop(1));
  const slider = make("input", {
    type: "range", min: 0, max: stops, step: 1, value: 0, "aria-label": word,
    oninput: () => { stop(); state.at = slider.value / stops; show(); },
    onchange: () => settle(),
  });
  const readout = make("output", { class: "fr-readout", "aria-hidden": "true" });
  const ticks = make("div", { class: "fr-ticks", "aria-hidden": "true" });
  const many = frames > 12 ? 4 : frames;
  for (let i = 0; i <= many; i++)
    ticks.append(make("span", {}, discrete || Number.isInteger(clockAt(i / many))
      ? String(Math.round(clockAt(i / many))) : number(clockAt(i / many))));

  const sources = meta.runs.map((r, i) => toggle(r.name, i === 0, () => choose(i)));
  const knob = make("input", {
    type: "range", min: 0, step: 1, "aria-label": meta.knob,
    oninput: () => { state.levels[state.run] = Number(knob.value); show(); },
    onchange: () => settle(),
  });
  const knobText = make("output", { class: "fr-readout" });
  const knobs = make("label", { class: "fr-knob" }, make("span", {}, meta.knob), knob, knobText);
  const toggles = Object.keys(meta.show).map((what) => toggle(what, meta.show[what], () => {
    state.show[what] = !state.show[what];
    show();
    settle();
  }));

  const legend = make("span", { class: "fr-legend" });
  const scale = make("span", { class: "fr-scale" },
    make("span", {}), make("i", {}), make("span", {}), make("i", {}), make("span", {}));
  const status = make("p", { class: "fr-status", role: "status", "aria-live": "polite" });
  const follow = make("div", { class: "fr-follow" });

  // ---- motion ----------------------------------------------------------------------------------
  const ease = (s) => s * s * (3 - 2 * s), uneased = (s) => 0.5 - Math.sin(Math.asin(1 - 2 * s) / 3);
  const stop = () => { state.playing = 0; };
  const play = (direction) => {
    if (state.playing === direction) { stop(); show(); settle(); return; }
    const began = state.playing !== 0;
    state.playing = direction;
    if (direction > 0 ? state.at >= 1 : state.at <= 0) state.at = direction > 0 ? 0 : 1;
    // `phase` runs evenly; where frames are named, each step starts and ends gently.
    const place = state.at * frames, whole = Math.floor(place + 1e-9);
    let phase = discrete ? whole + uneased(Math.min(Math.max(place - whole, 0), 1)) : place;
    let before = null, waited = 0;
    status.setAttribute("aria-live", "off");
    const tick = (now) => {
      if (!state.playing || !figure.isConnected) { if (!figure.isConnected) stop(); return; }
      const passed = before === null ? 0 : Math.min(now - before, 100) / 1000;
      before = now;
      if (calm()) {
        waited += passed;
        if (waited > 0.9) { waited = 0; phase = nearest(phase / frames, state.playing) * frames; }
      } else phase += state.playing * passed * frames / meta.seconds;
      phase = Math.min(Math.max(phase, 0), frames);
      const k = Math.floor(phase);
      state.at = Math.min((discrete ? k + ease(phase - k) : phase) / frames, 1);
      if (state.playing > 0 ? phase >= frames : phase <= 0) { stop(); show(); settle(); return; }
      show();
      requestAnimationFrame(tick);
    };
    if (!began) requestAnimationFrame(tick);
    else { state.playing = 0; requestAnimationFrame(() => play(direction)); return; }
    show();
  };
  const nearest = (at, direction) => {
    const f = at * frames;
    const k = direction > 0 ? Math.floor(f + 1e-6) + 1 : Math.ceil(f - 1e-6) - 1;
    return Math.min(Math.max(k, 0), frames) / frames;
  };
  const hop = (direction) => { stop(); state.at = nearest(state.at, direction); show(); settle(); };
  const choose = (i) => {
    stop();
    const natural = (r) => (meta.runs[r].back ? 1 : 0);
    if (state.at === 0 || state.at === 1) state.at = natural(i);
    if (state.picked !== null && state.run !== i) state.picked = null;
    state.run = i;
    show();
    settle();
  };

  // ---- picking ---------------------------------------------------------------------------------
  const pick = (i) => { if (i !== state.picked) { state.picked = i; show(); settle(); } };
  const under = (event, reach) => {
    const box = cloud.canvas.getBoundingClientRect(), [xs, ys] = points();
    let best = null, least = reach ** 2;
    xs.forEach((x, i) => {
      const d = (toX(x, box.width) - event.clientX + box.left) ** 2
        + (toY(ys[i], box.height) - event.clientY + box.top) ** 2;
      if (d < least) { least = d; best = i; }
    });
    return best;
  };
  cloud.canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch" || state.playing) return;
    const i = under(event, 10);
    if (i !== null) pick(i);
  });
  cloud.canvas.addEventListener("click", (event) => pick(under(event, 24)));
  cloud.canvas.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.key === "Escape" && state.picked !== null) { pick(null); return; }
    if (!way[event.key]) return;
    event.preventDefault();
    const [xs, ys] = points(), [dx, dy] = way[event.key], now = state.picked;
    const from = now === null ? [(x0 + x1) / 2, (y0 + y1) / 2] : [xs[now], ys[now]];
    let best = now, least = Infinity;
    xs.forEach((x, i) => {
      if (i === now) return;
      const a = x - from[0], b = ys[i] - from[1], along = a * dx + b * dy;
      const across = Math.abs(a * dy - b * dx);
      const cost = now === null ? Math.hypot(a, b) : along + 2 * across;
      if ((now === null || along > 0) && cost < least) { least = cost; best = i; }
    });
    pick(best);
  });

  // ---- words -----------------------------------------------------------------------------------
  const where = () => {
    const f = state.at * frames, k = Math.round(f);
    if (!discrete) return "";
    if (Math.abs(f - k) < 1e-6) return meta.labels[k];
    return `${meta.labels[Math.floor(f)]} \u2192 ${meta.labels[Math.floor(f) + 1]}`;
  };
  const pair = (a, b) => `(${number(a)}, ${number(b)})`;
  const strip = () => {
    if (state.picked === null) {
      follow.replaceChildren(make("span", { class: "fr-hint" },
        "Point at a particle, or tap it, to follow it from frame to frame."));
      return;
    }
    const way = path(state.picked), K = way.length, f = state.at * (K - 1);
    const chosen = K <= 12 ? way.map((_, k) => k)
      : Array.from({ length: 9 }, (_, i) => Math.round(i * (K - 1) / 8));
    const group = groupOf(state.picked);
    const title = make("span", { class: "fr-who" }, `particle ${state.picked}`);
    if (group >= 0) title.append(make("small", {}, meta.names[group]));
    const nearestChip = chosen.reduce((a, b) => (Math.abs(b - f) < Math.abs(a - f) ? b : a));
    follow.replaceChildren(title, ...chosen.map((k, i) => {
      const value = clockAt(k / (K - 1)), before = i ? way[chosen[i - 1]] : null;
      const moved = (c) => (before && Math.abs(way[k][c] - before[c]) > 1e-6 ? "fr-moved" : "");
      return make("span", { class: `fr-chip${k === nearestChip ? " fr-now" : ""}` },
        make("small", {}, discrete ? `${value}` : number(value)),
        make("span", { class: moved(0) }, number(way[k][0])),
        make("span", { class: moved(1) }, number(way[k][1])));
    }));
  };

  const describe = () => {
    const [xs, ys] = points(), [mx, sx] = moments(xs), [my, sy] = moments(ys);
    const time = clockAt(state.at), knobName = level().name;
    const data = { position: time.toFixed(3), run: run().name, level: knobName,
      mean: `${mx.toFixed(4)} ${my.toFixed(4)}`, std: `${sx.toFixed(4)} ${sy.toFixed(4)}`,
      playing: state.playing };
    const i = state.picked;
    Object.assign(data, i === null ? { picked: "", x: "", y: "" }
      : { picked: i, x: xs[i].toFixed(4), y: ys[i].toFixed(4) });
    Object.assign(figure.dataset, data);
    const digits = Math.abs(time - Math.round(time)) < 1e-6 && discrete ? 0 : 2;
    readout.textContent = `${word} ${number(time, discrete ? 2 : 2)}`;
    slider.setAttribute("aria-valuetext", `${word} ${number(time, digits)}: ${where()}`);
    const words = [`${word} ${number(time, digits)}${where() ? `, ${where()}` : ""}`,
      `${run().name}${knobName ? `, ${meta.knob} = ${knobName}` : ""}`,
      `${xs.length} particles`, `mean ${pair(mx, my)}`, `standard deviation ${pair(sx, sy)}`];
    if (heat && level().heat !== null) words.push(`density up to ${number(peak)}`);
    if (i !== null) words.push(`particle ${i} at ${pair(xs[i], ys[i])}`);
    const line = words.join(" \u00b7 ");
    if (status.textContent !== line) status.textContent = line;
    if (heat) heat.canvas.setAttribute("aria-label", `${meta.titles[1]}: ${words[0]}, ${words[5] || ""}`);
  };

  const show = () => {
    cloud.draw();
    if (heat) heat.draw();
    slider.value = Math.round(state.at * stops);
    slider.style.setProperty("--p", `${state.at * 100}%`);
    [[rewind, -1, "back", "Play backwards"], [forward, 1, "play", "Play forwards"]].forEach(
      ([it, direction, name, label]) => {
        const on = state.playing === direction;
        if (it.getAttribute("aria-label") !== (on ? "Pause" : label)) {
          it.replaceChildren(icon(on ? "pause" : name));
          it.setAttribute("aria-label", on ? "Pause" : label);
          it.title = on ? "Pause" : label;
        }
        it.classList.toggle("fr-main", (direction < 0) === run().back);
      });
    sources.forEach((it, i) => it.setAttribute("aria-pressed", i === state.run));
    toggles.forEach((it) => it.setAttribute("aria-pressed", state.show[it.textContent]));
    const count = run().levels.length, here = state.levels[state.run];
    knobs.classList.toggle("fr-off", count < 2);
    knob.disabled = count < 2;
    knob.max = Math.max(count - 1, 1);
    knob.value = here;
    knob.style.setProperty("--p", `${count > 1 ? here / (count - 1) * 100 : 0}%`);
    knob.setAttribute("aria-valuetext", level().name);
    knobText.textContent = level().name;
    legend.replaceChildren(...[...new Set(run().group === null ? [] : arrays[run().group].data)]
      .sort().map((group) => make("span", { style: `--dot:var(${PALETTE[group % 5]})` },
        meta.names[group])));
    if (heat && level().heat !== null) {
      const most = arrays[level().heat].most, [low, , mid, , high] = scale.children;
      low.textContent = "0";
      mid.textContent = number(most / 4);
      high.textContent = number(most);
    }
    describe();
    strip();
  };
  const settle = () => {
    // Screen readers hear the line once the picture rests, not while it moves.
    status.setAttribute("aria-live", "polite");
    describe();
  };

  // ---- the figure ------------------------------------------------------------------------------
  const stops4 = [0, 0.25, 0.5, 0.75, 1];
  const shade = (a, b) => `linear-gradient(90deg,${stops4.map((s) =>
    `rgb(${rampAt(a + (b - a) * s).map(Math.round)})`)})`;
  const bars = scale.querySelectorAll("i");
  bars[0].style.background = shade(0, 0.5);
  bars[1].style.background = shade(0.5, 1);
  const panel = (title, extra, picture) => make("div", { class: "fr-panel" },
    make("div", { class: "fr-head" }, make("b", {}, title), extra), picture);
  const live = make("div", { class: "fr-live" });
  const top2 = make("div", { class: "fr-row fr-top" });
  if (meta.runs.length > 1)
    top2.append(make("div", { class: "fr-choice", role: "group", "aria-label": "what is shown" },
      ...sources));
  if (meta.runs.some((r) => r.levels.length > 1)) top2.append(knobs);
  if (top2.children.length) live.append(top2);
  live.append(
    make("div", { class: "fr-row fr-time" },
      make("div", { class: "fr-buttons", role: "group", "aria-label": "play" },
        rewind, prev, next, forward),
      make("div", { class: "fr-track" }, slider, ticks), readout),
    make("div", { class: "fr-panels" }, panel(meta.titles[0], legend, cloud.canvas),
      ...(heat ? [panel(meta.titles[1], scale, heat.canvas)] : [])),
    make("div", { class: "fr-row fr-last" },
      make("div", { class: "fr-choice", role: "group", "aria-label": "show" }, ...toggles), status),
    follow);
  state.at = run().back ? 1 : 0;
  figure.dataset.lmSuppressShortcuts = "true";
  watchTheme(figure, () => live.isConnected && show());
  new ResizeObserver(() => show()).observe(live);
  requestAnimationFrame(show);
  return live;
});
