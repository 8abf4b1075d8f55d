// Product quantisation in two parts of two coordinates: codes, tables, sums and ranks made here.
// The dataset says what is shown: position (level), bits, point (-1: none), code, at (the query),
// asked, tables (the two entries), adc, far, lost (two each), distortion, means, filled, members,
// near, found (ids) and right, their common ones.

enliven("codes", (figure, live, meta, arrays) => {
  const { bits, k, reach, noun, names, asked, titles } = meta, DISC = 8.5, TAP = 12, RIM = 24;
  const css = (name) => getComputedStyle(figure).getPropertyValue(name);
  // Rows of four coordinates in three planes of bytes: the points, all centres, the queries.
  const { data } = arrays[meta.rows], size = data.length / 3, rows = [];
  const coordinate = (i) =>
    meta.low + meta.step * (65536 * data[i] + 256 * data[size + i] + data[2 * size + i]);
  for (let i = 0; i < size; i += 4)
    rows.push([0, 2].map((j) => [coordinate(i + j), coordinate(i + j + 1)]));
  const points = rows.splice(0, names.length), queries = rows.splice(-asked.length);
  const gap = ([a, b], [c, d]) => (a - c) ** 2 + (b - d) ** 2;
  const sum = (list) => list.reduce((a, b) => a + b, 0);

  // ---- codes: made once for each number of bits ------------------------------------------------
  const least = (list) => list.reduce((best, v, i) => (v < list[best] ? i : best), 0);
  // What is nearest to a centre: the square, less all that is beyond the line halfway to another.
  const region = (book, one) => book.reduce((corners, [x, y], other) => {
    if (other === one) return corners;
    const [a, b] = book[one], over = ([u, v]) =>
      u * (x - a) + v * (y - b) - (x * x + y * y - a * a - b * b) / 2;
    return corners.flatMap((p, i) => {
      const from = corners.at(i - 1), f = over(from), t = over(p), kept = [];
      if (f > 0 !== t > 0) kept.push(from.map((v, axis) => v + f / (f - t) * (p[axis] - v)));
      if (t <= 0) kept.push(p);
      return kept;
    });
  }, [[-reach, -reach], [reach, -reach], [reach, reach], [-reach, reach]]);
  const levels = bits.map((b) => {
    const own = rows.splice(0, 2 ** b), books = [0, 1].map((p) => own.map((row) => row[p]));
    const codes = points.map((x) => x.map((at, p) => least(books[p].map((c) => gap(at, c)))));
    const lost = points.map((x, i) => x.map((at, p) => gap(at, books[p][codes[i][p]])));
    return { K: 2 ** b, books, codes, lost, regions: books.map((book) => book.map((_, c) => region(book, c))) };
  });
  const n = points.length, middle = [0, 1].map((p) =>
    [0, 1].map((axis) => sum(points.map((x) => x[p][axis])) / n));
  const spread = sum(points.map((x) => gap(x[0], middle[0]) + gap(x[1], middle[1]))) / n;

  // ---- what is looked at -----------------------------------------------------------------------
  const state = { level: meta.level, point: meta.point, cell: null, query: queries[0], asked: 0 };
  const now = () => {
    const { K, books, codes, lost, regions } = levels[state.level], { query, point } = state;
    const tables = books.map((book, p) => book.map((c) => gap(query[p], c)));
    const far = points.map((x) => x.map((at, p) => gap(query[p], at)));
    const adc = codes.map((code) => tables[0][code[0]] + tables[1][code[1]]);
    const true_ = far.map(sum), first = (by) => [...by.keys()].sort((a, b) => by[a] - by[b] || a - b).slice(0, k);
    const near = first(true_), found = first(adc), counts = new Array(K * K).fill(0);
    for (const [a, b] of codes) counts[a * K + b]++;
    const code = state.cell || codes[point];
    return { K, books, codes, lost, regions, tables, far, adc, true_, near, found, counts, code,
      members: codes.map((c) => c[0] === code[0] && c[1] === code[1]),
      one: state.cell ? -1 : point, right: found.filter((i) => near.includes(i)).length };
  };
  // A cell that is tapped shows the nearest of its points, if it holds any.
  const choose = (cell) => {
    const { codes, true_ } = now();
    const inside = [...codes.keys()].filter((i) => codes[i].join() === cell.join());
    state.cell = inside.length ? null : cell;
    if (inside.length) state.point = inside[least(inside.map((i) => true_[i]))];
    show(true);
  };
  const ask = (p, at, settled) => {
    state.query = state.query.map((old, part) => (part === p ? at.map((v) => clamp(v, -reach, reach)) : old));
    state.asked = -1;
    show(settled);
  };

  // ---- pictures --------------------------------------------------------------------------------
  const shade = (colours, share) => `rgb(${colours[Math.round(200 * clamp(share, 0, 1))].join()})`;
  const nearness = (value, most) => 1 - Math.sqrt(value / (most || 1));
  const words = (g, text, x, y, font, ink) => {
    Object.assign(g, { font, fillStyle: ink, textAlign: "center", textBaseline: "middle" });
    g.fillText(text, x, y);
  };
  const panel = (p, canvas, s, colours) => {
    const [g, W, H] = begin(canvas, (wide) => Math.round(wide));
    const spot = ([x, y]) => [(1 + x / reach) / 2 * W, (1 - y / reach) / 2 * H];
    const path = (list, close) => {
      g.beginPath();
      list.forEach((at) => g.lineTo(...spot(at)));
      if (close) g.closePath();
    };
    const stroke = (colour, thick, dash = []) => {
      Object.assign(g, { strokeStyle: colour, lineWidth: thick });
      g.setLineDash(dash);
      g.stroke();
      g.setLineDash([]);
    };
    const dot = (at, radius, fill) => {
      g.beginPath();
      g.arc(...spot(at), radius, 0, 7);
      g.fillStyle = fill;
      g.fill();
    };
    const [ink, paper] = [css("--ink"), css("--paper")], most = Math.max(...s.tables[p]);
    g.lineJoin = "round";
    s.regions[p].forEach((corners, c) => {
      path(corners, true);
      g.fillStyle = shade(colours, nearness(s.tables[p][c], most));
      g.fill();
      stroke(paper, 1.5);
    });
    path(s.regions[p][s.code[p]], true);
    stroke(ink, 2.5);
    points.forEach((x, i) => dot(x[p], s.members[i] ? 3.6 : 2, s.members[i] ? ink : css("--noise")));
    const centre = s.books[p][s.code[p]], x = s.one < 0 ? null : points[s.one][p];
    if (x) { path([x, centre]); stroke(ink, 2); }
    path([state.query[p], centre]);
    stroke(paper, 5);
    stroke(css("--b"), 3);
    if (x) { path([state.query[p], x]); stroke(css("--c"), 2.5, [6, 4]); }
    s.books[p].forEach((at, c) => {
      const mine = c === s.code[p];
      dot(at, DISC + 1, mine ? paper : ink);
      dot(at, DISC, mine ? ink : paper);
      const [u, v] = spot(at);
      words(g, c, u, v + 0.5, SMALL, mine ? paper : ink);
    });
    if (x) {
      g.beginPath();
      g.arc(...spot(x), 6, 0, 7);
      stroke(css("--c"), 2.5);
    }
    if (x) {
      const [a, b] = spot(x), text = names[s.one], half = 3.6 * text.length;
      Object.assign(g, { font: `600 12px system-ui, sans-serif`, strokeStyle: paper, lineWidth: 4 });
      Object.assign(g, { textAlign: "center", textBaseline: "middle", fillStyle: ink });
      const up = centre[1] <= x[1] || b > H - 24 ? -17 : 17;
      const place = [clamp(a, half + 3, W - half - 3), b < 24 ? b + 17 : b + up];
      g.strokeText(text, ...place);
      g.fillText(text, ...place);
    }
    const [u, v] = spot(state.query[p]);
    g.beginPath();
    for (let i = 0; i < 10; i++) {
      const r = i % 2 ? 4.5 : 10, a = Math.PI * (i / 5 - 0.5);
      g.lineTo(u + r * Math.cos(a), v + r * Math.sin(a));
    }
    g.closePath();
    g.fillStyle = css("--b");
    g.fill();
    stroke(paper, 1.5);
    Object.assign(g, { strokeStyle: css("--edge"), lineWidth: 1 });
    g.strokeRect(0.5, 0.5, W - 1, H - 1);
  };
  const square = (canvas, s, colours) => {
    const [g, W, H] = begin(canvas, (wide) => Math.round(wide)), { K, tables } = s;
    const ink = css("--ink"), wide = (W - RIM - 2) / K, high = (H - RIM - 2) / K;
    const most = tables.map((t) => Math.max(...t)), box = (a, b) =>
      [b < 0 ? 0 : RIM + b * wide, a < 0 ? 0 : RIM + a * high, b < 0 ? RIM - 4 : wide, a < 0 ? RIM - 4 : high];
    const fill = (a, b, share, text, font, strong) => {
      const [x, y, w, h] = box(a, b);
      g.fillStyle = shade(colours, share);
      g.fillRect(x + 0.5, y + 0.5, w - 1, h - 1);
      words(g, text, x + w / 2, y + h / 2 + 0.5, font, ink);
      if (strong) Object.assign(g, { strokeStyle: ink, lineWidth: 2.5 });
      if (strong) g.strokeRect(x + 1, y + 1, w - 2, h - 2);
    };
    const bold = "600 11px system-ui, sans-serif", plain = K > 8 ? "10px system-ui, sans-serif" : SMALL;
    for (let a = 0; a < K; a++)
      for (let b = 0; b < K; b++)
        fill(a, b, nearness(tables[0][a] + tables[1][b], most[0] + most[1]), s.counts[a * K + b] || "", plain);
    for (let c = 0; c < K; c++) {
      fill(c, -1, nearness(tables[0][c], most[0]), c, bold, c === s.code[0]);
      fill(-1, c, nearness(tables[1][c], most[1]), c, bold, c === s.code[1]);
    }
    const [x, y, w, h] = box(...s.code);
    Object.assign(g, { strokeStyle: css("--paper"), lineWidth: 5 });
    g.strokeRect(x + 1, y + 1, w - 2, h - 2);
    Object.assign(g, { strokeStyle: css("--b"), lineWidth: 3 });
    g.strokeRect(x + 1, y + 1, w - 2, h - 2);
  };

  // ---- taps, drags and keys --------------------------------------------------------------------
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const inside = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height, box.width];
  };
  const plane = ([u, v]) => [(2 * u - 1) * reach, (1 - 2 * v) * reach];
  let held = null, dragged = false;
  const hands = (p) => ({
    // A finger taps, because it must be able to scroll; a mouse or a pen drags, too.
    onpointerdown: (event) => { held = event.pointerType === "touch" ? null : inside(event); dragged = false; },
    onpointermove: (event) => {
      if (!held || !(event.buttons & 1)) return;
      const at = inside(event);
      if (Math.hypot(at[0] - held[0], at[1] - held[1]) * at[2] > 5) dragged = true;
      if (dragged) ask(p, plane(at), false);
    },
    onpointerup: () => { held = null; },
    onclick: (event) => {
      if (dragged) { dragged = false; show(true); return; }
      const at = inside(event), to = plane(at), s = now(), away = s.books[p].map((c) => gap(c, to));
      const c = least(away);
      if (Math.sqrt(away[c]) / reach / 2 * at[2] > TAP) ask(p, to, true);
      else choose(s.code.map((old, part) => (part === p ? c : old)));
    },
    onkeydown: (event) => {
      const step = ARROWS[event.key];
      if (!step) return;
      event.preventDefault();
      ask(p, state.query[p].map((v, axis) => v + step[axis] * reach / 20), true);
    },
  });
  const pick = (a, b) => {
    const last = levels[state.level].K - 1;
    choose([clamp(a, 0, last), clamp(b, 0, last)]);
  };
  const squares = {
    onclick: (event) => {
      const [u, v, width] = inside(event), { K, code } = now();
      const at = (share, old) => (share * width < RIM - 2 ? old
        : Math.floor((share * width - RIM) / (width - RIM - 2) * K));
      pick(at(v, code[0]), at(u, code[1]));
    },
    onkeydown: (event) => {
      const step = ARROWS[event.key], { code } = now();
      if (!step) return;
      event.preventDefault();
      pick(code[0] - step[1], code[1] + step[0]);
    },
  };

  // ---- controls --------------------------------------------------------------------------------
  const slider = (label, moved) => {
    const it = { text: make("span", { class: "fr-readout", "aria-hidden": true }) };
    it.range = range(label, () => { moved(Number(it.range.value)); show(); }, () => show(true));
    it.row = make("div", { class: "fr-knob" }, label, it.range, it.text);
    return it;
  };
  const knob = slider("bits a part", (v) => { state.level = v; state.cell = null; });
  const which = slider(noun, (v) => { state.point = v; state.cell = null; });
  const offers = asked.map((text, i) => toggle(text, () => {
    Object.assign(state, { asked: i, query: queries[i] });
    show(true);
  }));
  const canvas = (label, on) => make("canvas", { tabindex: 0, role: "application", "aria-label": label, ...on });
  const panels = titles.map((title, p) => canvas(`${title}: the arrow keys move the query`, hands(p)));
  const all = canvas("all cells: the arrow keys choose one", squares);
  const heads = [0, 1, 2].map(() => make("span")), squaresHead = make("b");
  const status = make("p", { class: "fr-text", role: "status" }), facts = make("p", { class: "fr-text" });
  const sums = make("div"), lists = [0, 1].map(() => make("ol"));
  const listHeads = ["in truth (\u2713 found)", "by code (\u2713 right)"].map((text) => make("b", {}, text));

  const show = (settled = false) => {
    const s = now(), { K, code, one, far, lost, adc, true_, tables } = s, b = bits[state.level];
    const colours = shades(css);
    panels.forEach((it, p) => panel(p, it, s, colours));
    square(all, s, colours);
    setRange(knob.range, state.level, Math.max(bits.length - 1, 1), `${b}: ${K} centres a part`);
    knob.text.textContent = b;
    setRange(which.range, state.point, n - 1, names[state.point]);
    which.text.textContent = names[state.point];
    offers.forEach((it, i) => it.setAttribute("aria-pressed", i === state.asked));
    [0, 1].forEach((p) => { heads[p].textContent = `${K} centres`; });
    heads[2].textContent = "part 1 \u2193 2 \u2192";
    squaresHead.textContent = `${K} \u00d7 ${K} = ${K * K} cells`;
    const entries = code.map((c, p) => tables[p][c]), total = entries[0] + entries[1];
    const n3 = (v) => number(v, 3), ones = code.map((c) => c.toString(2).padStart(b, "0")).join(" ");
    const inCell = s.members.filter(Boolean).length, filled = s.counts.filter(Boolean).length;
    const added = `${n3(entries[0])} + ${n3(entries[1])} = ${n3(total)}`;
    status.setAttribute("aria-live", settled ? "polite" : "off");
    status.textContent = one < 0
      ? `No ${noun} has the code (${code.join(", ")}), in bits ${ones}; its distance would be ${added}.`
      : `${names[one]} has the code (${code.join(", ")}), in bits ${ones}, with ${inCell - 1} other${inCell === 2 ? "" : "s"}; `
        + `its squared distance is ${added} by code, ${n3(true_[one])} in truth.`;
    const top = s.codes[s.found[0]], alike = s.counts[top[0] * K + top[1]];
    const error = lost.map(sum), mse = sum(error) / n, means = [sum(true_) / n, sum(adc) / n, mse];
    facts.textContent = `${K} + ${K} centres name ${K * K} cells, of which ${filled} hold one of the ${n} ${noun}s. `
      + `Distortion ${n3(mse / spread)}. By code ${s.right} of the ${k} nearest are found; the first of them `
      + (alike > 1 ? `shares its code, so its place, with ${alike - 1} more.` : "has a code of its own.");
    const dash = "\u2013", told = (list) => (one < 0 ? dash : n3(list[one]));
    sums.replaceChildren(table("fr-sums", ["squared distance", "in truth", "by code", "point to code"], [
      ...[0, 1].map((p) => [`part ${p + 1}`, one < 0 ? dash : n3(far[one][p]), n3(entries[p]),
        one < 0 ? dash : n3(lost[one][p])]),
      ["sum", told(true_), n3(total), told(error)],
      [`mean of all ${noun}s`, ...means.map(n3)]]));
    [s.near, s.found].forEach((ids, r) => lists[r].replaceChildren(...ids.map((i) => {
      const hit = r ? s.near.includes(i) : s.found.includes(i);
      const kind = [hit ? "fr-right" : "fr-miss", i === one ? "fr-look" : ""].join(" ");
      return make("li", { class: kind }, `${hit ? "\u2713" : "\u2013"} ${names[i]}`,
        make("i", {}, n3(r ? adc[i] : true_[i])));
    })));
    Object.assign(figure.dataset, { position: state.level, bits: b, point: one, code: code.join(" "),
      at: state.query.flat().join(" "), asked: state.asked < 0 ? "" : asked[state.asked],
      tables: entries.join(" "), adc: total, far: one < 0 ? "" : far[one].join(" "),
      lost: one < 0 ? "" : lost[one].join(" "), distortion: mse / spread, means: means.join(" "), filled,
      members: inCell, near: s.near.join(" "), found: s.found.join(" "), right: s.right });
  };

  const key = (name, text, dash) => make("span", { style: `--mark: var(${name});--dash: ${dash || "solid"}` }, text);
  const near = make("span", { class: "fr-near" }, "the nearer to the query, the stronger");
  live.append(
    make("div", { class: "fr-knobs" }, knob.row, which.row),
    group("choice", "queries", ...offers),
    make("div", { class: "fr-codes" }, ...[...panels, all].map((it, i) => make("div", { class: "fr-panel" },
      make("div", { class: "fr-head" }, i < 2 ? make("b", {}, titles[i]) : squaresHead, heads[i]), it))),
    make("div", { class: "fr-key", "aria-hidden": true }, key("--b", "what ADC measures: query to centre"),
      key("--c", `in truth: query to ${noun}`, "dashed"), key("--ink", "lost to the code"), near),
    status,
    make("div", { class: "fr-told" }, make("div", {}, sums, facts),
      make("div", { class: "fr-lists" }, ...lists.map((it, r) => make("div", {}, listHeads[r], it)))),
    make("p", {}, "Tap into a part to move the query, the star; tap a centre or a square to choose a cell."));
  return show;
});
