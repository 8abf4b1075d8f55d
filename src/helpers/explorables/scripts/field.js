// A mixture of Gaussians in the plane that spreads, its velocity, and particles that it carries.
// Everything is computed here, in closed form but for the particles' ways (Runge and Kutta).
// The dataset says what is shown: position (the clock), count, x, y, logp, speed, way, playing.

const LEFT = 28, RIGHT = 6, TOP = 6, BOTTOM = 20, FINE = 240, ARROWS = 13, MOST = 40;
const INKS = ["--b", "--c", "--d", "--ink"];

enliven("field", (figure, live, meta) => {
  const { means, weights, std, extent: [x0, x1, y0, y1], clock: word, cells } = meta;
  const heat = meta.kind === "heat", K = means.length, two = [0, 1];
  // `rho` is the standard deviation of what was added; the clock shows it, or its square.
  const [from, to] = meta.times.map((t) => (heat ? Math.sqrt(t) : t));
  const rho = (share) => from + (to - from) * share;
  const time = (share) => (heat ? rho(share) ** 2 : rho(share));
  const shareOf = (t) => ((heat ? Math.sqrt(t) : t) - from) / (to - from);
  const variance = (r) => std * std + r * r;
  const css = (name) => getComputedStyle(figure).getPropertyValue(name);

  // log p and the mean of x_0 given x, where every component has variance v
  const look = ([x, y], v) => {
    const logs = means.map(([a, b], k) =>
      Math.log(weights[k]) - ((x - a) ** 2 + (y - b) ** 2) / (2 * v));
    const top = Math.max(...logs), parts = logs.map((l) => Math.exp(l - top));
    const sum = parts.reduce((a, b) => a + b, 0);
    const mean = two.map((c) => means.reduce((a, m, k) => a + parts[k] / sum * m[c], 0));
    return { log: top + Math.log(sum / (2 * Math.PI * v)), mean };
  };
  // The density at the highest place: from every mean uphill, which is where E[mean | x] is.
  const highest = (v) => Math.exp(Math.max(...means.map((start) => {
    let p = start;
    for (let i = 0; i < 40; i++) p = look(p, v).mean;
    return look(p, v).log;
  })));
  // dx/drho = -rho grad log p = rho (x - mean) / v
  const slope = (p, r) => {
    const v = variance(r), { mean } = look(p, v);
    return two.map((c) => r * (p[c] - mean[c]) / v);
  };
  // the velocity on the clock that is shown: -1/2 grad log p on the variance's
  const velocity = (p, share) => {
    const v = variance(rho(share)), { mean } = look(p, v);
    return two.map((c) => (heat ? 0.5 : rho(share)) * (p[c] - mean[c]) / v);
  };
  const runge = (p, r, h) => {
    const go = (k, s) => two.map((c) => p[c] + s * k[c]);
    const a = slope(p, r), b = slope(go(a, h / 2), r + h / 2), c = slope(go(b, h / 2), r + h / 2);
    const d = slope(go(c, h), r + h);
    return two.map((i) => p[i] + h / 6 * (a[i] + 2 * b[i] + 2 * c[i] + d[i]));
  };
  // From one place of the slider to the next, in ever more steps until they agree.
  const hop = (start, i, j) => {
    let last = null;
    for (let n = 1; n <= 128; n *= 2) {
      const h = (rho(j / FINE) - rho(i / FINE)) / n;
      let p = start;
      for (let k = 0; k < n; k++) p = runge(p, rho(i / FINE) + k * h, h);
      if (last && Math.hypot(p[0] - last[0], p[1] - last[1]) < 1e-7 * (x1 - x0)) return p;
      last = p;
    }
    return last;
  };
  const wayOf = (p, share) => {
    const way = [], here = Math.round(share * FINE);
    way[here] = p;
    for (let i = here; i > 0; i--) way[i - 1] = hop(way[i], i, i - 1);
    for (let i = here; i < FINE; i++) way[i + 1] = hop(way[i], i, i + 1);
    return { way, here };
  };
  const drops = [];
  const drop = (p, share) => {
    drops.push(wayOf(p, share));
    if (drops.length > MOST) drops.shift();
  };

  // ---- the picture -----------------------------------------------------------------------------
  let arrows = true, cross = [(x0 + x1) / 2, (y0 + y1) / 2], peak = 0, direction = 1;
  const marked = () => canvas.matches(":focus-visible");
  const aspect = (width) =>
    Math.round((width - LEFT - RIGHT) * (y1 - y0) / (x1 - x0)) + TOP + BOTTOM;
  const toX = (x, width) => LEFT + (x - x0) / (x1 - x0) * (width - LEFT - RIGHT);
  const toY = (y, height) => height - BOTTOM - (y - y0) / (y1 - y0) * (height - TOP - BOTTOM);
  const rowsOf = () => Math.max(2, Math.round(cells * (y1 - y0) / (x1 - x0)));

  // Means over cells: a component over a cell's width is nearly one that is wider by h^2 / 12.
  const density = (v) => {
    const rows = rowsOf(), one = (low, high, n, c) => means.map((m) =>
      Float64Array.from({ length: n }, (_, i) => {
        const h = (high - low) / n, wide = v + h * h / 12;
        return Math.exp(-((low + (i + 0.5) * h - m[c]) ** 2) / (2 * wide)) / Math.sqrt(2 * Math.PI * wide);
      }));
    const xs = one(x0, x1, cells, 0), ys = one(y0, y1, rows, 1);
    const p = new Float64Array(rows * cells);
    for (let k = 0; k < K; k++)
      for (let r = 0; r < rows; r++)
        for (let c = 0; c < cells; c++) p[r * cells + c] += weights[k] * xs[k][c] * ys[k][r];
    return p;
  };

  const draw = () => {
    const [g, width, height] = begin(canvas, aspect), share = clock.at, v = variance(rho(share));
    const X = (x) => toX(x, width), Y = (y) => toY(y, height), floor = height - BOTTOM;
    const pen = (stroke, thick, alpha = 1) =>
      Object.assign(g, { strokeStyle: stroke, lineWidth: thick, globalAlpha: alpha });
    const line = (points) => {
      g.beginPath();
      points.forEach(([x, y]) => g.lineTo(X(x), Y(y)));
      g.stroke();
    };
    g.lineJoin = g.lineCap = "round";
    g.font = SMALL;
    g.save();
    g.beginPath();
    g.rect(LEFT, TOP, width - LEFT - RIGHT, floor - TOP);
    g.clip();

    const p = density(v);
    peak = highest(v);
    paintCells(g, (r, c) => Math.sqrt(p[r * cells + c] / peak), rowsOf(), cells, shades(css),
      [LEFT, TOP, width - LEFT - RIGHT, floor - TOP]);

    if (arrows) {
      const space = (x1 - x0) / ARROWS, found = [];
      for (let y = y0 + space / 2; y < y1; y += space)
        for (let x = x0 + space / 2; x < x1; x += space)
          found.push([[x, y], velocity([x, y], share)]);
      const most = Math.max(...found.map(([, u]) => Math.hypot(...u)), 1e-12);
      pen(css("--ink"), 1.1, 0.6);
      for (const [at, u] of found) {
        const size = Math.hypot(...u), long = 0.8 * space * Math.sqrt(size / most);
        if (size < 1e-9 * most) continue;
        const [a, b] = u.map((w) => direction * w / size * long);
        const tip = [at[0] + a / 2, at[1] + b / 2];
        const barb = (s) => [tip[0] - 0.3 * a + s * 0.18 * b, tip[1] - 0.3 * b - s * 0.18 * a];
        line([[at[0] - a / 2, at[1] - b / 2], tip]);
        line([barb(1), tip, barb(-1)]);
      }
    }

    const now = Math.round(share * FINE);
    drops.forEach(({ way, here }, i) => {
      const colour = css(INKS[i % INKS.length]);
      const done = way.slice(Math.min(now, here), Math.max(now, here) + 1);
      for (const [points, thick, alpha] of [[way, 1.2, 0.55], [done, 2.6, 1]]) {
        pen(css("--paper"), thick + 2, alpha * 0.6);
        line(points);
        pen(colour, thick, alpha);
        line(points);
      }
    });
    drops.forEach(({ way, here }, i) => {
      const disc = ([x, y], radius) => {
        g.beginPath();
        g.arc(X(x), Y(y), radius, 0, 7);
      };
      g.fillStyle = css(INKS[i % INKS.length]);
      disc(way[here], 3);
      pen(css("--paper"), 2);
      g.fill();
      disc(way[now], i === drops.length - 1 ? 6.5 : 5);
      g.stroke();
      g.fill();
    });
    if (marked()) {
      for (const [stroke, thick] of [[css("--paper"), 4], [css("--ink"), 1.5]]) {
        pen(stroke, thick);
        const [x, y] = [X(cross[0]), Y(cross[1])];
        g.strokeRect(x - 6, y - 6, 12, 12);
      }
    }
    g.restore();

    pen(css("--edge"), 1);
    g.strokeRect(LEFT, TOP, width - LEFT - RIGHT, floor - TOP);
    g.fillStyle = css("--soft");
    g.textAlign = "center";
    for (const [x, text] of rounds(x0, x1, 6)) g.fillText(text, X(x), height - 5);
    g.textAlign = "right";
    for (const [y, text] of rounds(y0, y1, 6)) g.fillText(text, LEFT - 6, Y(y) + 4);
  };

  // ---- controls --------------------------------------------------------------------------------
  const put = (p) => { drop(p, clock.at); show(true); };
  const onclick = (event) => {
    const box = canvas.getBoundingClientRect();
    const u = (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
    const w = (event.clientY - box.top - TOP) / (box.height - TOP - BOTTOM);
    if (u >= 0 && u <= 1 && w >= 0 && w <= 1) put([x0 + u * (x1 - x0), y1 - w * (y1 - y0)]);
  };
  const onkeydown = (event) => {
    const to = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!to && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    if (!to) { put(cross); return; }
    const size = (x1 - x0) / 40;
    cross = [clamp(cross[0] + to[0] * size, x0, x1), clamp(cross[1] + to[1] * size, y0, y1)];
    show(true);
  };
  const canvas = make("canvas", { tabindex: 0, role: "application", onclick, onkeydown,
    onfocus: () => show(true), onblur: () => show(),
    "aria-label": "density and velocity: arrow keys move a mark, Enter drops a particle there" });
  const clock = player(figure, meta.seconds, FINE, (settled) => show(settled));
  const forward = playButton(clock, () => direction, "play", "Play");
  forward.classList.add("fr-main");
  const slider = range(`${word}, ${meta.label}`, () => clock.go(slider.value / FINE), () => clock.rest());
  const readout = make("span", { class: "fr-readout", "aria-hidden": true });
  const ways = [["heat flows", 1], ["un-mix", -1]].map(([text, way]) =>
    toggle(text, () => { direction = way; clock.rest(); }));
  const arrowed = toggle("arrows", () => { arrows = !arrows; show(true); });
  const clear = toggle("clear particles", () => { drops.length = 0; show(true); });
  const status = make("p", { class: "fr-text", role: "status" });
  const said = make("div");

  const hint = make("p", {}, "Tap the picture to drop a particle there, at this time: it is carried "
    + "both ways. Arrows show the velocity; their lengths go with the root of the speed.");
  const say = (t) => number(t, t && t < 0.1 ? 4 : 2);
  const show = (settled = false) => {
    const share = clock.at, n = drops.length, t = say(time(share));
    draw();
    forward.update();
    setRange(slider, Math.round(share * FINE), FINE, `${word} ${t}`);
    readout.textContent = `${word} = ${t}`;
    ways.forEach((it, i) => it.setAttribute("aria-pressed", direction === (i ? -1 : 1)));
    arrowed.setAttribute("aria-pressed", arrows);
    const p = n ? drops[n - 1].way[Math.round(share * FINE)] : null;
    const { log } = p ? look(p, variance(rho(share))) : { log: "" };
    const speed = p ? Math.hypot(...velocity(p, share)) : "";
    const pair = ([a, b]) => `(${number(a)}, ${number(b)})`;
    said.replaceChildren(table("", [`at ${word} = ${t}`, "value"], [
      ["highest density", number(peak, 3)], ["particles", String(n)],
      ...(p ? [["the last is at", pair(p)], ["log p there", number(log, 3)],
        ["speed |v| there", number(speed, 3)]] : [])]));
    status.setAttribute("aria-live", settled ? "polite" : "off");
    const count = n === 1 ? "1 particle" : `${n} particles`;
    status.textContent = [`${word} ${t}`, count, ...(marked() ? [`mark at ${pair(cross)}`] : [])]
      .join(" \u00b7 ");
    Object.assign(figure.dataset, { position: time(share), count: n, x: p ? p[0] : "",
      y: p ? p[1] : "", logp: log, speed, way: direction, playing: clock.playing });
  };

  for (const [x, y, t] of meta.drops) drop([x, y], Math.round(FINE * shareOf(t)) / FINE);
  const ticks = make("div", { class: "fr-ticks", "aria-hidden": true },
    ...[0, 0.25, 0.5, 0.75, 1].map((s) => make("span", {}, number(time(s)))));
  live.append(
    make("div", { class: "fr-row" }, group("buttons", "play", forward),
      make("div", { class: "fr-track" }, slider, ticks), readout),
    make("div", { class: "fr-field" }, canvas, make("div", { class: "fr-side" },
      group("choice", "direction", ...ways), group("choice", "show", arrowed, clear), said, status, hint)));
  return show;
});
